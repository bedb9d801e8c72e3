"""Vectors in registers, as Numba intrinsics.

A `Vec` is one machine vector of `lanes` float32 or float64; arithmetic operators work on it inside compiled
functions. Memory is a flat array or a typed pointer, indexed by element; loads and stores are aligned to the
element only, since NumPy promises no more. Register tiles are in `tile.py`.
"""

# Numba finds an intrinsic's parameters by position: the typing context comes first.
import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from ._jit import HAS_FMA, align_stack, lane_count

_I32 = ir.IntType(32)


class Vec(types.Type):
    """The Numba type of a vector."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"vec({dtype}x{self.lanes})")


class Mask(types.Type):
    """The Numba type of the result of comparing two vectors."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"mask({dtype}x{self.lanes})")


def scalar_ir(dtype: types.Type) -> ir.Type:
    """LLVM type of one element."""
    return ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()


def vector_ir(dtype: types.Type, lanes: int) -> ir.VectorType:
    """LLVM type of a vector."""
    return ir.VectorType(scalar_ir(dtype), lanes)


@register_model(Vec)
class _VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Vec) -> None:
        super().__init__(manager, fe_type, vector_ir(fe_type.dtype, fe_type.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Mask) -> None:
        super().__init__(manager, fe_type, ir.VectorType(ir.IntType(1), fe_type.lanes))


def dtype_of(memory: types.Type) -> types.Type | None:
    """Element type of an array or a typed pointer, None for anything else."""
    if isinstance(memory, types.Array) and memory.ndim == 1 and memory.layout == "C":
        return memory.dtype
    return memory.dtype if isinstance(memory, types.CPointer) else None


class FewLanes(types.CPointer):
    """The Numba type of memory whose vectors have fewer lanes: of few samples, which kernels for lane blocks take."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        super().__init__(dtype)
        self.lanes, self.name = lanes, f"few_lanes({dtype}x{lanes})"

    key = property(lambda self: (self.dtype, self.lanes), doc="What tells it from other types.")


register_model(FewLanes)(models.PointerModel)


def lanes_of(memory: types.Type) -> int:
    """Lanes of the vectors of an array or a typed pointer."""
    return memory.lanes if isinstance(memory, FewLanes) else lane_count(memory.dtype.bitwidth)


def vec_of(memory: types.Type) -> Vec:
    """Type of the vectors of an array or a typed pointer."""
    return Vec(memory.dtype, lanes_of(memory))


def address(context: Any, builder: Any, memory: types.Type, value: Any, index: Any) -> Any:
    """Address of element `index`, by `gep` on the data pointer (LLVM loses track of integers cast to pointers)."""
    if isinstance(memory, types.Array):
        value = context.make_array(memory)(context, builder, value).data
    return builder.gep(value, [index])


def emit_load(builder: Any, vector: Vec, pointer: Any) -> Any:
    """Emit an unaligned vector load."""
    align_stack(builder)
    load = builder.load(builder.bitcast(pointer, vector_ir(vector.dtype, vector.lanes).as_pointer()))
    load.align = vector.dtype.bitwidth // 8
    return load


def emit_store(builder: Any, vector: Vec, value: Any, pointer: Any) -> None:
    """Emit an unaligned vector store."""
    store = builder.store(value, builder.bitcast(pointer, value.type.as_pointer()))
    store.align = vector.dtype.bitwidth // 8


def emit_splat(builder: Any, vector: ir.VectorType, scalar: Any) -> Any:
    """Emit a vector with `scalar` in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _element(vector: ir.VectorType) -> tuple[str, int]:
    """Letter and bits of the elements of a vector."""
    if isinstance(vector.element, ir.IntType):
        return "i", vector.element.width
    return "f", 32 if vector.element == ir.FloatType() else 64


def _suffix(vector: ir.VectorType) -> str:
    letter, bits = _element(vector)
    return f"v{vector.count}{letter}{bits}"


def emit_call(builder: Any, name: str, *args: Any) -> Any:
    """Emit a call of the LLVM intrinsic `name` on whole vectors."""
    vector = args[0].type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * len(args)), f"llvm.{name}.{_suffix(vector)}"
    )
    return builder.call(function, args)


def emit_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit ``a * b + c``, in one rounding where the machine can (elsewhere llvm.fma would be a library call)."""
    if HAS_FMA:
        return emit_call(builder, "fma", a, b, c)
    return builder.fadd(builder.fmul(a, b), c)


def emit_fence(builder: Any) -> None:
    """Emit what no load or store moves across; it runs no instruction."""
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], True)


def constant(vector: Vec, value: float) -> ir.Constant:
    """Return a vector constant."""
    return ir.Constant(vector_ir(vector.dtype, vector.lanes), [value] * vector.lanes)


@intrinsic
def lanes(typingctx, memory):
    """Lanes of the vectors of this memory, as a compile-time constant."""
    dtype = dtype_of(memory)
    if dtype is None:
        return None
    count = lanes_of(memory)
    return types.intp(memory), lambda context, builder, sig, args: ir.Constant(ir.IntType(64), count)


@intrinsic
def whole(typingctx, memory):
    """Return the same memory with as many lanes as the machine has."""
    target = types.CPointer(memory.dtype)
    return target(memory), lambda context, builder, sig, args: args[0]


@intrinsic
def pointer_at(typingctx, memory, index):
    """Return a typed pointer to the elements from `index` on."""
    target = memory if isinstance(memory, types.CPointer) else types.CPointer(memory.dtype)
    return target(memory, types.intp), lambda context, builder, sig, args: address(context, builder, memory, *args)


@intrinsic
def vload(typingctx, memory, index):
    """Vector of the elements from `index` on."""
    if not isinstance(dtype_of(memory), types.Float):
        return None
    vector = vec_of(memory)

    def codegen(context, builder, sig, args):
        return emit_load(builder, vector, address(context, builder, memory, *args))

    return vector(memory, types.intp), codegen


@intrinsic
def vstore(typingctx, memory, index, value):
    """Store a vector at the elements from `index` on."""
    if not isinstance(value, Vec):
        return None

    def codegen(context, builder, sig, args):
        emit_store(builder, value, args[2], address(context, builder, memory, args[0], args[1]))
        return context.get_dummy_value()

    return types.void(memory, types.intp, value), codegen


def emit_count_mask(builder: Any, lanes: int, count: Any, every: int = 1) -> Any:
    """Emit a mask of the first `count` of every `every`-th lane."""
    wide = ir.VectorType(ir.IntType(64), lanes)
    # No count reaches the number of a lane left out.
    numbers = [2**62 if lane % every else lane // every for lane in range(lanes)]
    return builder.icmp_signed("<", ir.Constant(wide, numbers), emit_splat(builder, wide, count))


def emit_masked(
    builder: Any, name: str, vector: ir.VectorType, pointer: Any, count: Any, value: Any, every: int = 1
) -> Any:
    """Emit a load (`value` in the other lanes) or a store of the first `count` of every `every`-th lane."""
    bits, pointed = ir.VectorType(ir.IntType(1), vector.count), vector.as_pointer()
    pointer, align = builder.bitcast(pointer, pointed), ir.Constant(_I32, _element(vector)[1] // 8)
    mask = emit_count_mask(builder, vector.count, count, every)
    if name == "load":
        made, arguments = ir.FunctionType(vector, [pointed, _I32, bits, vector]), [pointer, align, mask, value]
    else:
        made = ir.FunctionType(ir.VoidType(), [vector, pointed, _I32, bits])
        arguments = [value, pointer, align, mask]
    function = cgutils.get_or_insert_function(builder.module, made, f"llvm.masked.{name}.{_suffix(vector)}.p0")
    return builder.call(function, arguments)


@intrinsic
def vload_first(typingctx, memory, index, count):
    """Vector of the first `count` elements from `index` on, zeros behind; reads nothing else."""
    if not isinstance(dtype_of(memory), types.Float):
        return None
    vector = vec_of(memory)

    def codegen(context, builder, sig, args):
        place = address(context, builder, memory, args[0], args[1])
        zeros = constant(vector, 0.0)
        return emit_masked(builder, "load", zeros.type, place, args[2], zeros)

    return vector(memory, types.intp, types.intp), codegen


@intrinsic
def vstore_first(typingctx, memory, index, value, count):
    """Store the first `count` lanes; writes nothing else."""
    if not isinstance(value, Vec):
        return None

    def codegen(context, builder, sig, args):
        place = address(context, builder, memory, args[0], args[1])
        emit_masked(builder, "store", args[2].type, place, args[3], args[2])
        return context.get_dummy_value()

    return types.void(memory, types.intp, value, types.intp), codegen


@intrinsic
def first_lanes(typingctx, memory, count):
    """Mask of the first `count` lanes."""
    if not isinstance(dtype_of(memory), types.Float):
        return None
    mask = Mask(memory.dtype, lanes_of(memory))
    return mask(memory, types.intp), lambda c, builder, sig, args: emit_count_mask(builder, mask.lanes, args[1])


def _operation(arity: int, emit: Callable[..., Any], doc: str, result: type[types.Type] = Vec) -> Any:
    """Make the intrinsic of an operation on `arity` vectors of one type; ``emit(builder, *values)``."""

    def check(args: tuple[types.Type, ...]) -> Any:
        first = args[0]
        if not isinstance(first, Vec) or any(a != first for a in args):
            return None

        def codegen(context, builder, sig, values):
            return emit(builder, *values)

        return result(first.dtype, first.lanes)(*args), codegen

    typers = {
        1: lambda typingctx, a: check((a,)),
        2: lambda typingctx, a, b: check((a, b)),
        3: lambda typingctx, a, b, c: check((a, b, c)),
    }
    typer = typers[arity]
    typer.__doc__ = doc
    return intrinsic(typer)


def _emit_max(builder: Any, a: Any, b: Any) -> Any:
    # An unordered comparison takes b where it is greater or NaN; where a is NaN it would as well, so a goes first.
    greater = builder.fcmp_unordered(">", b, a)
    return builder.select(builder.fcmp_unordered("uno", a, a), a, builder.select(greater, b, a))


def emit_sum(builder: Any, a: Any) -> Any:
    """Halves folded onto each other: the same tree, hence the same bits, each time."""
    count = a.type.count
    while count > 1:
        count //= 2
        undefined = ir.Constant(a.type, ir.Undefined)
        index = ir.VectorType(_I32, count)
        low = builder.shuffle_vector(a, undefined, ir.Constant(index, list(range(count))))
        high = builder.shuffle_vector(a, undefined, ir.Constant(index, list(range(count, 2 * count))))
        a = builder.fadd(low, high)
    return builder.extract_element(a, ir.Constant(_I32, 0))


def emit_sums(builder: Any, vectors: list[Any]) -> Any:
    """Emit the sums of up to as many vectors as they have lanes, one a lane, each to the bit what `emit_sum` gives.

    Two vectors are folded into one of twice as many, half as long blocks, until each block is one lane.
    """
    count = vectors[0].type.count
    index, block = ir.VectorType(_I32, count), count
    while block > 1:
        block //= 2
        starts = range(0, 2 * count, 2 * block)
        low = ir.Constant(index, [start + k for start in starts for k in range(block)])
        high = ir.Constant(index, [start + block + k for start in starts for k in range(block)])
        pairs = [(vectors[k], vectors[min(k + 1, len(vectors) - 1)]) for k in range(0, len(vectors), 2)]
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)) for a, b in pairs
        ]
    return vectors[0]


vfma = _operation(3, emit_fma, "``a * b + c`` in one rounding.")
vmax = _operation(2, _emit_max, "The larger of two vectors; NaN where either is NaN.")
vsqrt = _operation(1, lambda b, a: emit_call(b, "sqrt", a), "Square root.")
vabs = _operation(1, lambda b, a: emit_call(b, "fabs", a), "Absolute value.")
vround = _operation(1, lambda b, a: emit_call(b, "rint", a), "Nearest integer, ties to even.")
vcopysign = _operation(2, lambda b, a, s: emit_call(b, "copysign", a, s), "`a` with the sign of `s`.")
vgreater = _operation(2, lambda b, x, y: b.fcmp_ordered(">", x, y), "Lanes where a > b.", Mask)
vnot_below = _operation(
    2, lambda b, x, y: b.fcmp_unordered(">", x, y), "Lanes where a > b, or either is NaN.", Mask
)
vequal = _operation(2, lambda b, x, y: b.fcmp_ordered("==", x, y), "Lanes where a == b.", Mask)
vbeats = _operation(
    2,
    lambda b, new, best: b.and_(b.fcmp_unordered(">", new, best), b.fcmp_ordered("ord", best, best)),
    "Lanes where `new` replaces the maximum so far: it is greater, or the first NaN.",
    Mask,
)


@intrinsic
def vsum(typingctx, a):
    """Sum of the lanes, in a fixed order."""
    if not isinstance(a, Vec):
        return None
    return a.dtype(a), lambda context, builder, sig, args: emit_sum(builder, args[0])


@intrinsic
def vwhere(typingctx, mask, a, b):
    """Choose `a` where the mask is set, else `b`."""
    if not isinstance(mask, Mask) or a != b:
        return None
    return a(mask, a, b), lambda context, builder, sig, args: builder.select(*args)


@intrinsic
def vscale2(typingctx, a, exponent):
    """Multiply by ``2**exponent``, for integral exponents between -126 and 127 (float64: -1022 and 1023)."""
    if not isinstance(a, Vec) or a != exponent:
        return None
    dtype = a.dtype

    def codegen(context, builder, sig, args):
        integer = ir.VectorType(ir.IntType(dtype.bitwidth), a.lanes)
        bias, shift = (127, 23) if dtype.bitwidth == 32 else (1023, 52)
        bits = builder.fptosi(args[1], integer)
        bits = builder.add(bits, ir.Constant(integer, [bias] * integer.count))
        bits = builder.shl(bits, ir.Constant(integer, [shift] * integer.count))
        return builder.fmul(args[0], builder.bitcast(bits, args[0].type))

    return a(a, a), codegen


def _operator(op: Callable[..., Any], emit: str) -> None:
    @infer_global(op)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            if len(args) == 2 and isinstance(args[0], Vec) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(op, Vec, Vec)
    def _lower(context, builder, sig, args):
        return getattr(builder, emit)(*args)


for _op, _emit in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _operator(_op, _emit)
