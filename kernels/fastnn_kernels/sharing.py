"""How workers share out tasks and wait for each other: atomic counters in an int64 array.

Counters that several threads add to have cache lines of their own, `APART` elements from the next.
"""

import sys
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import simd
from ._jit import inline
from .machine_state import emit_pause

# Elements from one counter to the next.
APART = 16
# Looks at a counter before the thread is given up for another one to run.
_LOOKS = 4000

_I64 = ir.IntType(64)


def _place(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return simd.address(context, builder, sig.args[0], args[0], args[1])


@intrinsic
def read(typingctx, counters, index):
    """Read a counter, and with it all that was written before the `add` or `write` that made it so."""

    def codegen(context, builder, sig, args):
        return builder.load_atomic(_place(context, builder, sig, args), "acquire", 8, typ=_I64)

    return types.int64(counters, types.intp), codegen


@intrinsic
def write(typingctx, counters, index, value):
    """Set a counter; who reads it reads all that was written before as well."""

    def codegen(context, builder, sig, args):
        builder.store_atomic(args[2], _place(context, builder, sig, args), "release", 8)
        return context.get_dummy_value()

    return types.void(counters, types.intp, types.int64), codegen


@intrinsic
def add(typingctx, counters, index, amount):
    """Add to a counter and return what it was."""

    def codegen(context, builder, sig, args):
        return builder.atomic_rmw("add", _place(context, builder, sig, args), args[2], "acq_rel")

    return types.int64(counters, types.intp, types.int64), codegen


@intrinsic
def replace(typingctx, counters, index, before, after):
    """Set a counter to `after` if it is `before`, and tell whether it was."""

    def codegen(context, builder, sig, args):
        place = _place(context, builder, sig, args)
        found = builder.cmpxchg(place, args[2], args[3], "acq_rel", "monotonic")
        return builder.extract_value(found, 1)

    return types.boolean(counters, types.intp, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Tell the processor that this is a loop that waits."""

    def codegen(context, builder, sig, args):
        emit_pause(builder)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _give_way(typingctx):
    """Let another thread run on this core."""

    def codegen(context, builder, sig, args):
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@inline
def share_of(k, count, total):
    """Return the first of `total` things that is in share `k` of `count`, and the one behind its last."""
    return k * total // count, (k + 1) * total // count


@inline
def take_below(counters, index, limit):
    """Take the next number of a counter below `limit`; -1 where there is none."""
    number = read(counters, index)
    while number < limit:
        if replace(counters, index, number, number + 1):
            return number
        number = read(counters, index)
    return -1


@inline
def _rest(looks):
    """Rest between two looks at a counter; return how many there were since other threads could run here."""
    if looks < _LOOKS:
        pause()
        return looks + 1
    _give_way()
    return 0


@inline
def wait_for(counters, index, least, stop):
    """Wait until counter `index` is at least `least`; False where counter `stop` left 0 before."""
    looks = 0
    while read(counters, index) < least:
        if read(counters, stop) != 0:
            return False
        looks = _rest(looks)
    return True


@inline
def wait_until(counters, index, value):
    """Wait until counter `index` has this value."""
    looks = 0
    while read(counters, index) != value:
        looks = _rest(looks)
