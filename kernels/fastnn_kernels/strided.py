"""Vectors whose elements lie apart in memory: for kernels with their lanes along the width of plain images."""

# Numba finds an intrinsic's parameters by position: the typing context comes first.
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import simd
from ._jit import inline
from .simd import Vec, vload_first

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


@intrinsic
def _vload_even(typingctx, memory, index, count):
    """Load the first `count` of the elements at `index`, index + 2, ...; reads nothing behind the last of them."""
    dtype = simd.dtype_of(memory)
    if not isinstance(dtype, types.Float):
        return None

    def codegen(context, builder, sig, args):
        value, index, count = args
        L = simd.vector_ir(dtype).count
        # The second load starts one element early, so that its last lane is the last element wanted.
        further = builder.add(index, ir.Constant(_I64, L - 1))
        elements = builder.sub(builder.shl(count, ir.Constant(_I64, 1)), ir.Constant(_I64, 1))
        low = simd.emit_load_first(
            builder, dtype, simd.address(context, builder, memory, value, index), elements
        )
        high = simd.emit_load_first(
            builder, dtype, simd.address(context, builder, memory, value, further),
            builder.sub(elements, ir.Constant(_I64, L - 1)),
        )
        chosen = [*range(0, L, 2), *range(L + 1, 2 * L, 2)]
        return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, L), chosen))

    return Vec(dtype)(memory, types.intp, types.intp), codegen


@intrinsic
def _vload_apart(typingctx, memory, index, step, count):
    """Load the first `count` of the elements at `index`, index + step, ..., one by one; the last again behind them."""
    dtype = simd.dtype_of(memory)
    if not isinstance(dtype, types.Float):
        return None

    def codegen(context, builder, sig, args):
        value, index, step, count = args
        vector = simd.vector_ir(dtype)
        last = builder.sub(count, ir.Constant(_I64, 1))
        result = ir.Constant(vector, ir.Undefined)
        for lane in range(vector.count):
            here = ir.Constant(_I64, lane)
            here = builder.select(builder.icmp_signed("<", here, last), here, last)
            place = builder.add(index, builder.mul(here, step))
            element = builder.load(simd.address(context, builder, memory, value, place))
            result = builder.insert_element(result, element, ir.Constant(_I32, lane))
        return result

    return Vec(dtype)(memory, types.intp, types.intp, types.intp), codegen


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


@intrinsic
def vstore_places(typingctx, places, index, offset, base, step, count):
    """Store ``base + lane * step + offset`` as int64 for the first `count` lanes; offsets are whole and below 2**24."""
    if not isinstance(offset, Vec) or simd.dtype_of(places) != types.int64:
        return None

    def codegen(context, builder, sig, args):
        memory, index, vector, base, step, count = args
        L = offset.lanes
        wide = ir.VectorType(_I64, L)
        whole = builder.fptosi(vector, simd.integer_ir(offset.dtype))
        if offset.dtype.bitwidth < 64:
            whole = builder.sext(whole, wide)
        lanes = builder.mul(ir.Constant(wide, list(range(L))), simd.emit_splat(builder, wide, step))
        result = builder.add(builder.add(whole, simd.emit_splat(builder, wide, base)), lanes)
        pointer = simd.address(context, builder, places, memory, index)
        pointer = builder.bitcast(pointer, wide.as_pointer())
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [wide, wide.as_pointer(), _I32, ir.VectorType(ir.IntType(1), L)]),
            f"llvm.masked.store.v{L}i64.p0",
        )
        mask = simd.emit_count_mask(builder, L, count)
        builder.call(function, [result, pointer, ir.Constant(_I32, 8), mask])
        return context.get_dummy_value()

    return types.void(places, types.intp, offset, types.intp, types.intp, types.intp), codegen
