"""How a loop is shared out among threads: `share_out`, inside entries, and what the threads of the team run.

A thread of the team has a line of its own, some words of memory, where it looks for a part of a loop. The thread that
starts a loop writes a part into each line, runs the first part itself, then takes back what nobody has begun, and waits
for what is begun: so a loop is done even where no thread of the team comes, and one that sleeps, or is held up before
it begins, delays nobody. Threads look for some time before they sleep, so that loops that follow each other start in a
microsecond. They sleep outside Python: to wake, a thread of Python would need the lock of the interpreter, for which it
can wait 100 ms where the thread that starts loops lets go of it for some microseconds at a time.
"""

import sys
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ._jit import align_stack, entry, inline, kernel
from .machine_state import floating_mode, restore_mode
from .sharing import APART, pause, read, replace, share_of, wait_until, write

# Words of a line. That of the thread that starts loops tells how many threads take part.
LINE = APART
_STATE, _FUNCTION, _ARGUMENTS, _FIRST, _LAST, _MODE, _FAILED, _SLEEPS, BED, BELL = range(10)
COUNT = 0
# A part is free, for its thread to begin or for the starting thread to take back; then it is begun, by its thread.
_NONE, _FREE, _BEGUN = range(3)

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_PART = ir.FunctionType(_I64, [_BYTES, _I64, _I64])


@intrinsic
def _words_at(typingctx, address):
    """Return a pointer to the words at an address."""
    pointer = types.CPointer(types.int64)
    return pointer(types.int64), lambda c, builder, sig, args: builder.inttoptr(args[0], _I64.as_pointer())


@intrinsic
def _place_of(typingctx, arguments):
    """Put a tuple on the stack of the function that calls this, and return its address."""

    def codegen(context, builder, sig, args):
        with builder.goto_entry_block():
            place = builder.alloca(args[0].type)
        builder.store(args[0], place)
        return builder.ptrtoint(place, _I64)

    return types.int64(arguments), codegen


def _emit_borrowed(context: Any, builder: Any, kind: types.Type, value: Any) -> Any:
    """Emit the same value with arrays that count no references: threads would fight for the cache line of a counter.

    Two threads took 495 us for the maxima of 64x64x16x16, one 372, and two 190 without (Zen 4, 2026-11-27).
    """
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo, array.parent = array.meminfo.type(None), array.parent.type(None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        for k, element in enumerate(kind):
            new = _emit_borrowed(context, builder, element, builder.extract_value(value, k))
            value = builder.insert_value(value, new, k)
    return value


@intrinsic
def _part_of(typingctx, body, arguments):
    """Return the address of a function that calls ``body(index, *arguments)`` for the indices of a part: see `_PART`.

    It is given the address of the arguments, and returns whether a call raised, behind which it makes no more.
    """
    kinds = (types.int64, *arguments)
    function = body.dispatcher
    function.compile(kinds)

    def codegen(context, builder, sig, args):
        compiled = function.overloads[kinds]
        context.add_linking_libs([compiled.library])
        part = ir.Function(builder.module, _PART, f"{compiled.fndesc.llvm_func_name}.part")
        part.linkage = "internal"
        place, first, last = part.args
        inner = ir.IRBuilder(part.append_basic_block())
        align_stack(inner)
        packed = inner.load(inner.bitcast(place, context.get_value_type(arguments).as_pointer()))
        values = cgutils.unpack_tuple(inner, _emit_borrowed(context, inner, arguments, packed))
        with cgutils.for_range(inner, last, first) as loop:
            called = context.declare_function(builder.module, compiled.fndesc)
            # Arrays are many arguments: where a body is short, calls of it were a third of the time.
            status, _ = context.call_conv.call_function(
                inner, called, compiled.signature.return_type, kinds, (loop.index, *values), attrs=("alwaysinline",)
            )
            with inner.if_then(status.is_error, likely=False):
                inner.ret(ir.Constant(_I64, 1))
        inner.ret(ir.Constant(_I64, 0))
        return builder.ptrtoint(part, _I64)

    return types.int64(body, arguments), codegen


@intrinsic
def _call_part(typingctx, function, place, first, last):
    """Run part of a loop; return whether it raised."""

    def codegen(context, builder, sig, args):
        function = builder.inttoptr(args[0], _PART.as_pointer())
        return builder.call(function, [builder.inttoptr(args[1], _BYTES), args[2], args[3]])

    return types.int64(types.int64, types.int64, types.int64, types.int64), codegen


def _system_call(name, result, *kinds):
    """Make the intrinsic of a function of the system, of a handle and, where it takes that, a word or a time."""

    def call(typingctx, handle):
        def codegen(context, builder, sig, args):
            function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), name)
            given = [builder.trunc(args[0], _I32)] if kinds[0] == _I32 else [builder.inttoptr(args[0], _BYTES)]
            if len(kinds) == 3:
                word = builder.bitcast(cgutils.alloca_once_value(builder, ir.Constant(_I64, 1)), _BYTES)
                given += [word, ir.Constant(_I64, 8)]
            elif len(kinds) == 2:
                given.append(ir.Constant(_I32, -1))  # no limit of time
            builder.call(function, given)
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    call.__doc__ = f"Call {name}."
    return intrinsic(call)


if sys.platform == "win32":
    _sleep, _wake = _system_call("WaitForSingleObject", _I32, _BYTES, _I32), _system_call("SetEvent", _I32, _BYTES)
else:
    _sleep, _wake = (_system_call(name, _I64, _I32, _BYTES, _I64) for name in ("read", "write"))


@kernel
def _share_among(team, n, function, place):
    """Run a loop on the threads of the team; return whether it raised."""
    words = _words_at(team)
    count, mode = min(read(words, COUNT), n), floating_mode()
    for k in range(1, count):
        line = k * LINE
        write(words, line + _FUNCTION, function)
        write(words, line + _ARGUMENTS, place)
        first, last = share_of(k, count, n)
        write(words, line + _FIRST, first)
        write(words, line + _LAST, last)
        write(words, line + _MODE, mode)
        write(words, line + _STATE, _FREE)
        # A thread that falls asleep just now is woken by the next loop.
        if read(words, line + _SLEEPS) and replace(words, line + _SLEEPS, 1, 0):
            _wake(read(words, line + BELL))
    failed = _call_part(function, place, 0, n // count)
    for k in range(1, count):
        line = k * LINE
        if replace(words, line + _STATE, _FREE, _NONE):
            first, last = share_of(k, count, n)
            failed |= _call_part(function, place, first, last)
        else:
            wait_until(words, line + _STATE, _NONE)
            failed |= read(words, line + _FAILED)
    return failed


@inline
def share_out(team, n, body, arguments):
    """Call ``body(index, *arguments)`` for each index below n, on the threads of a team; `ALONE` is none.

    What an index computes must not depend on who runs it, nor when. Indices that follow each other are mostly run by
    one thread, in order. A body that raises anything, which is for want of memory alone, ends in a MemoryError.
    """
    function, place = _part_of(body, arguments), _place_of(arguments)
    if team == 0 or n < 2:
        failed = _call_part(function, place, 0, n)
    else:
        failed = _share_among(team, n, function, place)
    if failed:
        raise MemoryError("out of memory in a parallel loop")


@inline
def threads_of(team):
    """Count the threads of a team that may run a loop."""
    return read(_words_at(team), COUNT) if team != 0 else 1


def _serve_entry(team, k, looks, measures):
    """Run the parts of thread `k`, forever; where it `measures`, return after so many looks without one."""
    words, line, left = _words_at(team), k * LINE, looks
    while True:
        if read(words, line + _STATE) == _FREE and replace(words, line + _STATE, _FREE, _BEGUN):
            first, last = read(words, line + _FIRST), read(words, line + _LAST)
            restore_mode(read(words, line + _MODE))  # that of the caller: subnormals may count as zeros there
            failed = _call_part(read(words, line + _FUNCTION), read(words, line + _ARGUMENTS), first, last)
            write(words, line + _FAILED, failed)
            write(words, line + _STATE, _NONE)
            left = looks
        pause()
        left -= 1
        if left <= 0:
            if measures:
                return
            write(words, line + _SLEEPS, 1)
            _sleep(read(words, line + BED))
            left = looks


SERVE = entry(_serve_entry)
