"""Vectors whose elements lie apart in memory: for kernels with their lanes along the width of plain images."""

# Numba finds an intrinsic's parameters by position: the typing context comes first.
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import simd
from ._jit import inline
from .simd import Vec, vload_first

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


@intrinsic
def halved(typingctx, memory):
    """Return the same memory with half as many lanes, one at least."""
    target = simd.FewLanes(simd.dtype_of(memory), max(1, simd.lanes_of(memory) // 2))

    def codegen(context, builder, sig, args):
        return simd.address(context, builder, memory, args[0], ir.Constant(_I64, 0))

    return target(memory), codegen


@intrinsic
def _vload_even(typingctx, memory, index, count):
    """Load the first `count` of the elements at `index`, index + 2, ...; reads nothing behind the last of them."""
    if not isinstance(simd.dtype_of(memory), types.Float):
        return None
    vector = simd.vec_of(memory)

    def codegen(context, builder, sig, args):
        value, index, count = args
        L = vector.lanes
        zeros = simd.constant(vector, 0.0)
        # The second load starts one element early, so that its last lane is the last element wanted.
        further = builder.add(index, ir.Constant(_I64, L - 1))
        elements = builder.sub(builder.shl(count, ir.Constant(_I64, 1)), ir.Constant(_I64, 1))
        places = (simd.address(context, builder, memory, value, i) for i in (index, further))
        counts = (elements, builder.sub(elements, ir.Constant(_I64, L - 1)))
        low, high = (
            simd.emit_masked(builder, "load", zeros.type, place, n, zeros)
            for place, n in zip(places, counts, strict=True)
        )
        chosen = [*range(0, L, 2), *range(L + 1, 2 * L, 2)]
        return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, L), chosen))

    return vector(memory, types.intp, types.intp), codegen


@intrinsic
def _vload_apart(typingctx, memory, index, step, count):
    """Load the first `count` of the elements at `index`, index + step, ..., one by one; the last again behind them."""
    if not isinstance(simd.dtype_of(memory), types.Float):
        return None
    vector = simd.vec_of(memory)

    def codegen(context, builder, sig, args):
        value, index, step, count = args
        last = builder.sub(count, ir.Constant(_I64, 1))
        result = ir.Constant(simd.vector_ir(vector.dtype, vector.lanes), ir.Undefined)
        for lane in range(vector.lanes):
            here = ir.Constant(_I64, lane)
            here = builder.select(builder.icmp_signed("<", here, last), here, last)
            place = builder.add(index, builder.mul(here, step))
            element = builder.load(simd.address(context, builder, memory, value, place))
            result = builder.insert_element(result, element, ir.Constant(_I32, lane))
        return result

    return vector(memory, types.intp, types.intp, types.intp), codegen


@inline
def vload_strided(memory, index, step, count):
    """Load the first `count` (at least 1) of the elements at `index`, index + step, ...

    Reads nothing behind the last of them; the lanes behind hold anything.
    """
    if step == 1:
        return vload_first(memory, index, count)
    if step == 2:
        return _vload_even(memory, index, count)
    return _vload_apart(memory, index, step, count)


def _shuffle(chosen: Callable[[int], list[int]], doc: str) -> Any:
    """Make the intrinsic that picks lanes of two vectors, numbered one behind the other; ``chosen(lanes)``."""

    def shuffle(typingctx, a, b):
        if not isinstance(a, Vec) or a != b:
            return None
        index = ir.Constant(ir.VectorType(_I32, a.lanes), chosen(a.lanes))
        return a(a, b), lambda context, builder, sig, args: builder.shuffle_vector(*args, index)

    shuffle.__doc__ = doc
    return intrinsic(shuffle)


vevens = _shuffle(lambda L: list(range(0, 2 * L, 2)), "Lanes 0, 2, ... of two vectors behind each other.")
vodds = _shuffle(lambda L: list(range(1, 2 * L, 2)), "Lanes 1, 3, ... of two vectors behind each other.")
vzip_low = _shuffle(
    lambda L: [k // 2 + L * (k % 2) for k in range(L)], "Lanes of two vectors by turns: those of their first halves."
)
vzip_high = _shuffle(
    lambda L: [(L + k) // 2 + L * (k % 2) for k in range(L)], "Lanes of two vectors by turns: those of the last halves."
)


@intrinsic
def vstore_even(typingctx, memory, index, value, count):
    """Store the first `count` lanes at `index`, index + 2, ...; writes nothing else."""

    def codegen(context, builder, sig, args):
        half = value.lanes // 2
        for start in (0, half):
            place = builder.add(args[1], ir.Constant(_I64, 2 * start))
            # Each of these lanes twice; only the even ones are stored.
            twice = ir.Constant(ir.VectorType(_I32, value.lanes), [start + k // 2 for k in range(value.lanes)])
            spread = builder.shuffle_vector(args[2], args[2], twice)
            left = builder.sub(args[3], ir.Constant(_I64, start))
            pointer = simd.address(context, builder, memory, args[0], place)
            simd.emit_masked(builder, "store", spread.type, pointer, left, spread, every=2)
        return context.get_dummy_value()

    return types.void(memory, types.intp, value, types.intp), codegen


def _emit_offset(builder: Any, value: Any, target: ir.VectorType) -> Any:
    """Emit int64 as floats by way of 32 bits, -1 for what has more: AVX2 converts int64 one by one only.

    The gradient of maxima of 64x64x16x16 took 310 us so, and takes 210 (Zen 3, two threads).
    """
    half = ir.VectorType(_I32, target.count)
    high = builder.trunc(builder.lshr(value, ir.Constant(value.type, [32] * target.count)), half)
    fits = builder.icmp_unsigned("==", high, ir.Constant(half, [0] * target.count))
    low = builder.select(fits, builder.trunc(value, half), ir.Constant(half, [-1] * target.count))
    return builder.sitofp(low, target)


@intrinsic
def vload_offsets(typingctx, like, places, index, base, step, count):
    """Load the first `count` places, less ``base + lane * step``, as floats of the type `like`; zeros behind them.

    Places are int64, or floats of that type. Offsets below 2**24 are exact, no other one becomes such an offset.
    """
    vector, dtype = simd.vec_of(like), simd.dtype_of(places)
    if dtype not in (types.int64, vector.dtype):
        return None

    def codegen(context, builder, sig, args):
        _, memory, index, base, step, count = args
        target = simd.vector_ir(vector.dtype, vector.lanes)
        wide = ir.VectorType(_I64, vector.lanes)
        lanes = builder.mul(ir.Constant(wide, list(range(vector.lanes))), simd.emit_splat(builder, wide, step))
        start = builder.add(lanes, simd.emit_splat(builder, wide, base))
        place = simd.address(context, builder, places, memory, index)
        if dtype == types.int64:
            found = simd.emit_masked(builder, "load", wide, place, count, start)
            return _emit_offset(builder, builder.sub(found, start), target)
        start = builder.sitofp(start, target)
        return builder.fsub(simd.emit_masked(builder, "load", target, place, count, start), start)

    return vector(like, places, types.intp, types.intp, types.intp, types.intp), codegen


@intrinsic
def vstore_places(typingctx, places, index, offset, base, step, count):
    """Store ``base + lane * step + offset`` for the first `count` lanes; offsets are whole and below 2**24.

    As int64, or as floats of the offsets' dtype where the sum is below 2**24 too.
    """
    if not isinstance(offset, Vec) or simd.dtype_of(places) not in (types.int64, offset.dtype):
        return None

    def codegen(context, builder, sig, args):
        memory, index, vector, base, step, count = args
        L = offset.lanes
        if simd.dtype_of(places) == offset.dtype:
            wide, add, mul = vector.type, builder.fadd, builder.fmul
            whole = vector
            base, step = builder.sitofp(base, wide.element), builder.sitofp(step, wide.element)
        else:
            wide, add, mul = ir.VectorType(_I64, L), builder.add, builder.mul
            whole = builder.fptosi(vector, ir.VectorType(ir.IntType(offset.dtype.bitwidth), L))
            if offset.dtype.bitwidth < 64:
                whole = builder.sext(whole, wide)
        lanes = mul(ir.Constant(wide, list(range(L))), simd.emit_splat(builder, wide, step))
        result = add(add(whole, simd.emit_splat(builder, wide, base)), lanes)
        place = simd.address(context, builder, places, memory, index)
        simd.emit_masked(builder, "store", wide, place, count, result)
        return context.get_dummy_value()

    return types.void(places, types.intp, offset, types.intp, types.intp, types.intp), codegen
