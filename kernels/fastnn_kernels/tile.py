"""Register tiles: small matrices of vectors that LLVM keeps in registers.

A tile of `rows` x `cols` vectors is a stack array that is only ever indexed by constants, so that every element
becomes a register. Bodies are unrolled here, in code generation: nested constant loops in a compiled function
stop being promoted to registers at some 24 accumulators and then run at half the speed.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from . import simd
from .convert import emit_load_as

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


class Tile(types.Type):
    """The Numba type of a register tile; its sizes are part of the type."""

    def __init__(self, vector: simd.Vec, rows: int, cols: int) -> None:
        self.vector, self.rows, self.cols = vector, rows, cols
        super().__init__(name=f"tile({vector},{rows},{cols})")

    @property
    def ir(self) -> ir.VectorType:
        """LLVM type of an element."""
        return simd.vector_ir(self.vector.dtype, self.vector.lanes)


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Tile) -> None:
        super().__init__(manager, fe_type, fe_type.ir.as_pointer())


def element(builder: Any, tile: Tile, pointer: Any, row: int, col: int) -> Any:
    """Address of vector (row, col) of a tile."""
    return builder.gep(pointer, [ir.Constant(_I64, row * tile.cols + col)])


def at_step(builder: Any, base: Any, stride: Any, times: int) -> Any:
    """Index of what is so many strides behind the base."""
    return builder.add(base, builder.mul(stride, ir.Constant(_I64, times)))


def nothing(context: Any) -> Any:
    """Return what a function without a result does."""
    return context.get_dummy_value()


def _allocation(made: Tile, *args: types.Type) -> Any:
    """Signature and code of an intrinsic that makes a tile on the stack."""

    def codegen(context, builder, sig, values):
        with builder.goto_entry_block():
            stack = builder.alloca(ir.ArrayType(made.ir, made.rows * made.cols))
        return builder.bitcast(stack, made.ir.as_pointer())

    return made(*args), codegen


@intrinsic(prefer_literal=True)
def tile(typingctx, memory, rows, cols):
    """Make a tile of `rows` x `cols` vectors (constants) of the element type of `memory`; its content is undefined."""
    if simd.dtype_of(memory) is None or not all(isinstance(n, types.IntegerLiteral) for n in (rows, cols)):
        return None
    return _allocation(Tile(simd.vec_of(memory), rows.literal_value, cols.literal_value), memory, rows, cols)


@intrinsic
def tile_like(typingctx, t):
    """Make another tile of the same size.

    A block function makes its tile itself, from one its caller passes for the sizes: a tile that comes in as an
    argument stays in memory where LLVM does not merge the function into its caller (35 instead of 110 GFLOP/s).
    """
    return _allocation(t, t)


@intrinsic
def tile_column(typingctx, t):
    """Make a tile with the rows of `t` and one column."""
    return _allocation(Tile(t.vector, t.rows, 1), t)


@intrinsic
def tile_row(typingctx, t):
    """Make a tile with the columns of `t` and one row."""
    return _allocation(Tile(t.vector, 1, t.cols), t)


@intrinsic
def tile_square(typingctx, memory):
    """Make a tile of as many vectors, in one column, as a vector of `memory` has lanes."""
    vector = simd.vec_of(memory)
    return _allocation(Tile(vector, vector.lanes, 1), memory)


@intrinsic
def tile_rows(typingctx, t):
    """Rows of the tile, as a constant."""
    return types.intp(t), lambda context, builder, sig, args: ir.Constant(_I64, t.rows)


@intrinsic
def tile_cols(typingctx, t):
    """Columns of the tile, as a constant."""
    return types.intp(t), lambda context, builder, sig, args: ir.Constant(_I64, t.cols)


@intrinsic
def tile_zero(typingctx, t):
    """Set all of the tile to zero."""

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            for c in range(t.cols):
                builder.store(simd.constant(t.vector, 0.0), element(builder, t, args[0], r, c))
        return nothing(context)

    return types.void(t), codegen


@intrinsic
def tile_relu(typingctx, t):
    """Take the relu of all vectors; a NaN stays a NaN."""

    def codegen(context, builder, sig, args):
        zero = simd.constant(t.vector, 0.0)
        for r in range(t.rows):
            for c in range(t.cols):
                place = element(builder, t, args[0], r, c)
                value = builder.load(place)
                builder.store(builder.select(builder.fcmp_ordered(">", zero, value), zero, value), place)
        return nothing(context)

    return types.void(t), codegen


@intrinsic
def tile_splat(typingctx, t, memory, offset, row_stride):
    """Set row r to the scalar ``memory[offset + r * row_stride]`` (a bias)."""

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            index = at_step(builder, args[2], args[3], r)
            scalar = builder.load(simd.address(context, builder, memory, args[1], index))
            vector = simd.emit_splat(builder, t.ir, scalar)
            for c in range(t.cols):
                builder.store(vector, element(builder, t, args[0], r, c))
        return nothing(context)

    return types.void(t, memory, types.intp, types.intp), codegen


@intrinsic
def tile_load(typingctx, t, memory, offset, row_stride, col_stride):
    """Load vector (r, c) from ``memory[offset + r * row_stride + c * col_stride]``."""

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            for c in range(t.cols):
                index = at_step(builder, at_step(builder, args[2], args[3], r), args[4], c)
                value = simd.emit_load(builder, t.vector, simd.address(context, builder, memory, args[1], index))
                builder.store(value, element(builder, t, args[0], r, c))
        return nothing(context)

    return types.void(t, memory, types.intp, types.intp, types.intp), codegen


@intrinsic
def tile_gather(typingctx, t, memory, offset, indices, first, row_stride):
    """Load row r (of one column) from ``memory[offset + indices[first + r] * row_stride]``, in its dtype."""
    source = simd.dtype_of(memory)
    if t.cols != 1 or source is None:
        return None

    def codegen(context, builder, sig, args):
        pointer, mv, offset, iv, first, stride = args
        for r in range(t.rows):
            place = builder.add(first, ir.Constant(_I64, r))
            index = builder.load(simd.address(context, builder, indices, iv, place))
            where = builder.add(offset, builder.mul(index, stride))
            value = emit_load_as(builder, source, t.vector, simd.address(context, builder, memory, mv, where))
            builder.store(value, element(builder, t, pointer, r, 0))
        return nothing(context)

    n = types.intp
    return types.void(t, memory, n, indices, n, n), codegen


@intrinsic
def tile_add(typingctx, t, memory, offset, row_stride, col_stride):
    """Add the vectors at ``memory[offset + r * row_stride + c * col_stride]``: memory + tile, in this order."""

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            for c in range(t.cols):
                index = at_step(builder, at_step(builder, args[2], args[3], r), args[4], c)
                value = simd.emit_load(builder, t.vector, simd.address(context, builder, memory, args[1], index))
                place = element(builder, t, args[0], r, c)
                builder.store(builder.fadd(value, builder.load(place)), place)
        return nothing(context)

    return types.void(t, memory, types.intp, types.intp, types.intp), codegen


@intrinsic
def tile_store(typingctx, t, memory, offset, row_stride, col_stride):
    """Store vector (r, c) at ``memory[offset + r * row_stride + c * col_stride]``."""

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            for c in range(t.cols):
                index = at_step(builder, at_step(builder, args[2], args[3], r), args[4], c)
                value = builder.load(element(builder, t, args[0], r, c))
                simd.emit_store(builder, t.vector, value, simd.address(context, builder, memory, args[1], index))
        return nothing(context)

    return types.void(t, memory, types.intp, types.intp, types.intp), codegen


@intrinsic
def tile_store_at(typingctx, t, memory, offset, table, first):
    """Store row r (of one column) at ``memory[offset + table[first + r]]``."""
    if t.cols != 1:
        return None

    def codegen(context, builder, sig, args):
        for r in range(t.rows):
            place = builder.add(args[4], ir.Constant(_I64, r))
            index = builder.add(args[2], builder.load(simd.address(context, builder, table, args[3], place)))
            value = builder.load(element(builder, t, args[0], r, 0))
            simd.emit_store(builder, t.vector, value, simd.address(context, builder, memory, args[1], index))
        return nothing(context)

    return types.void(t, memory, types.intp, table, types.intp), codegen


@intrinsic
def tile_store_sums(typingctx, t, memory, offset, row_stride, col_stride):
    """Store the sum of the lanes of vector (r, c) at ``memory[offset + r * row_stride + c * col_stride]``."""

    def codegen(context, builder, sig, args):
        places = [(r, c) for r in range(t.rows) for c in range(t.cols)]
        for first in range(0, len(places), t.vector.lanes):
            some = places[first : first + t.vector.lanes]
            sums = simd.emit_sums(builder, [builder.load(element(builder, t, args[0], r, c)) for r, c in some])
            for k, (r, c) in enumerate(some):
                index = at_step(builder, at_step(builder, args[2], args[3], r), args[4], c)
                value = builder.extract_element(sums, ir.Constant(_I32, k))
                builder.store(value, simd.address(context, builder, memory, args[1], index))
        return nothing(context)

    return types.void(t, memory, types.intp, types.intp, types.intp), codegen


@intrinsic
def tile_add_sums(typingctx, t, memory, offset):
    """Add the sum of the lanes of vector k to ``memory[offset + k]``, for tiles of one column, a vector at a time.

    What lies behind the last, up to a whole vector, is changed too.
    """
    if t.cols != 1:
        return None

    def codegen(context, builder, sig, args):
        L = t.vector.lanes
        for first in range(0, t.rows, L):
            vectors = [builder.load(element(builder, t, args[0], r, 0)) for r in range(first, min(first + L, t.rows))]
            place = simd.address(context, builder, memory, args[1], builder.add(args[2], ir.Constant(_I64, first)))
            before = simd.emit_load(builder, t.vector, place)
            simd.emit_store(builder, t.vector, builder.fadd(before, simd.emit_sums(builder, vectors)), place)
        return nothing(context)

    return types.void(t, memory, types.intp), codegen


@intrinsic
def tile_transpose(typingctx, t):
    """Transpose a tile of L rows and one column, L being the number of lanes, in log2(L) rounds of shuffles."""
    count = t.vector.lanes
    if (t.rows, t.cols) != (count, 1):
        return None

    def codegen(context, builder, sig, args):
        rows = [builder.load(element(builder, t, args[0], r, 0)) for r in range(count)]
        index = ir.VectorType(_I32, count)
        stride = 1
        while stride < count:
            # Swap the off-diagonal halves of each 2*stride block of rows and lanes.
            even = [j if not j & stride else count + j - stride for j in range(count)]
            odd = [j + stride if not j & stride else count + j for j in range(count)]
            for r in range(count):
                if not r & stride:
                    a, b = rows[r], rows[r + stride]
                    rows[r] = builder.shuffle_vector(a, b, ir.Constant(index, even))
                    rows[r + stride] = builder.shuffle_vector(a, b, ir.Constant(index, odd))
            stride *= 2
        for r in range(count):
            builder.store(rows[r], element(builder, t, args[0], r, 0))
        return nothing(context)

    return types.void(t), codegen
