"""Products of a register tile with all taps of a row of the kernel, unrolled.

For a stride and a dilation of 1 a tile's columns and a kernel's columns are one vector apart, and the weights of a
packed tile follow each other: all addresses are constants behind two pointers, each vector is loaded once for all
taps, and no counter runs. With strides and the number of taps as variables the multiply-adds wait for the integers.
"""

from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from . import simd
from .tile import Tile
from .tile_product import emit_add, emit_outer, is_crowded


class Fixed(types.Type):
    """The Numba type of one whole number."""

    def __init__(self, value: int) -> None:
        self.value = value
        super().__init__(name=f"fixed({value})")


register_model(Fixed)(models.OpaqueModel)


@intrinsic(prefer_literal=True)
def fixed(typingctx, value):
    """Make a number that is part of its type, from a constant: it stays one in all functions it is passed to."""
    if not isinstance(value, types.IntegerLiteral):
        return None
    return Fixed(value.literal_value)(value), lambda context, builder, sig, args: context.get_dummy_value()


@intrinsic
def number(typingctx, value):
    """Value of a fixed number."""
    n = value.value
    return types.intp(value), lambda context, builder, sig, args: ir.Constant(ir.IntType(64), n)


class Emitter:
    """Emits a tile's products; each load of an operand once, unless registers are few."""

    def __init__(self, context: Any, builder: Any, t: Tile, tile: Any) -> None:
        self.context, self.builder, self.t, self.tile = context, builder, t, tile
        self.loaded: dict[tuple[str, int], Any] = {}

    def pointer(self, memory: types.Type, value: Any, offset: Any) -> Any:
        """Emit the address of an element of some memory."""
        return simd.address(self.context, self.builder, memory, value, offset)

    def apart(self, memory: types.Type, value: Any, offset: Any, stride: Any, times: int) -> Any:
        """Emit the address of the element so many strides behind an offset."""
        place = self.builder.add(offset, self.builder.mul(stride, ir.Constant(stride.type, times)))
        return self.pointer(memory, value, place)

    def at(self, pointer: Any, index: int) -> Any:
        """Emit the address of the element so many behind a pointer."""
        return self.builder.gep(pointer, [ir.Constant(ir.IntType(64), index)])

    def vector(self, name: str, pointer: Any, index: int) -> Any:
        """Emit the load of a vector behind a pointer, once for each name."""
        if (name, index) not in self.loaded:
            place = self.at(pointer, index * self.t.vector.lanes)
            self.loaded[name, index] = simd.emit_load(self.builder, self.t.vector, place)
        return self.loaded[name, index]

    def splat(self, pointer: Any, index: int) -> Any:
        """Emit a vector of one scalar behind a pointer."""
        return simd.emit_splat(self.builder, self.t.ir, self.builder.load(self.at(pointer, index)))

    def add(self, row: int, col: int, a: Any, b: Any) -> None:
        """Emit ``t[row, col] += a * b``."""
        emit_add(self.builder, self.t, self.tile, row, col, a, b)

    def outer(self, row: Callable[[int], Any], col: Callable[[int], Any], cols: Iterable[int] | None = None) -> None:
        """Emit ``t[r, c] += row(r) * col(c)``."""
        emit_outer(self.builder, self.t, self.tile, row, col, cols)
        if is_crowded(self.t):
            self.loaded.clear()


@intrinsic
def tile_taps(typingctx, t, taps, x, x_offset, w, w_offset):
    """``t[r, c] += sum over taps j of w[j, r] * x[c + j]``; `w` is (taps, rows), `x` vectors that follow each other."""

    def codegen(context, builder, sig, args):
        tile, _, xv, xo, wv, wo = args
        emit = Emitter(context, builder, t, tile)
        xp, wp = emit.pointer(x, xv, xo), emit.pointer(w, wv, wo)
        for j in range(taps.value):
            emit.outer(lambda r, j=j: emit.splat(wp, j * t.rows + r), lambda c, j=j: emit.vector("x", xp, c + j))
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, taps, x, n, w, n), codegen


@intrinsic
def tile_shifts(typingctx, t, taps, back, x, x_offset, x_col, w, w_offset):
    """``t[r, c] += sum over taps j of w[j, r] * x[c, j ...]``; `w` is (taps, rows).

    Columns of `x` are `x_col` elements apart, taps one element on or, with `back` 1, one back. Shuffled from vectors
    that lie in one cache line each, the shifted ones were no faster.
    """

    def codegen(context, builder, sig, args):
        tile, _, _, xv, xo, x_col, wv, wo = args
        emit, step = Emitter(context, builder, t, tile), -1 if back.value else 1
        wp = emit.pointer(w, wv, wo)
        columns = [emit.apart(x, xv, xo, x_col, c) for c in range(t.cols)]
        for j in range(taps.value):
            emit.outer(
                lambda r, j=j: emit.splat(wp, j * t.rows + r),
                lambda c, j=j: simd.emit_load(builder, t.vector, emit.at(columns[c], step * j)),
            )
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, taps, back, x, n, n, w, n), codegen


@intrinsic
def tile_taps_back(typingctx, t, taps, left, maps, dy, dy_offset, w, w_offset):
    """``t[r, c] += sum over taps j of w[j, r] * dy[c + left - j]``, where `dy` has these columns: `maps` of them.

    The tile is as wide as the images. The other operands are those of `tile_taps`.
    """

    def codegen(context, builder, sig, args):
        tile, _, _, _, dyv, dyo, wv, wo = args
        emit = Emitter(context, builder, t, tile)
        dyp, wp = emit.pointer(dy, dyv, dyo), emit.pointer(w, wv, wo)
        for j in range(taps.value):
            shift = left.value - j
            emit.outer(
                lambda r, j=j: emit.splat(wp, j * t.rows + r),
                lambda c, shift=shift: emit.vector("dy", dyp, c + shift),
                (c for c in range(t.cols) if 0 <= c + shift < maps.value),
            )
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, taps, left, maps, dy, n, w, n), codegen


@intrinsic
def tile_taps_dot(typingctx, t, steps, dy, dy_offset, dy_stride, x, x_offset):
    """``t[r, j] += sum over steps s of dy[r, s] * x[s + j]``; rows of `dy` are `dy_stride` elements apart."""

    def codegen(context, builder, sig, args):
        tile, _, dyv, dyo, stride, xv, xo = args
        emit = Emitter(context, builder, t, tile)
        xp = emit.pointer(x, xv, xo)
        rows = [emit.apart(dy, dyv, dyo, stride, r) for r in range(t.rows)]
        for s in range(steps.value):
            emit.outer(lambda r, s=s: emit.vector(f"dy{r}", rows[r], s), lambda j, s=s: emit.vector("x", xp, s + j))
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, steps, dy, n, n, x, n), codegen


@intrinsic
def tile_steps(typingctx, t, steps, along, x, x_offset, x_col, w, w_offset, stride):
    """``t[r, c] += sum over steps j of w[r, j] * x[c, j]``; vectors of `x` follow each other in a column.

    With `along` 1 the weights are rows, `stride` elements apart, with their steps next to each other; with 0 they are
    steps, `stride` apart, with their rows next to each other.
    """

    def codegen(context, builder, sig, args):
        tile, _, _, xv, xo, x_col, wv, wo, stride = args
        emit = Emitter(context, builder, t, tile)
        columns = [emit.apart(x, xv, xo, x_col, c) for c in range(t.cols)]
        if is_crowded(t):
            lines = [emit.apart(w, wv, wo, stride, a) for a in range(t.rows if along.value else steps.value)]
            for j in range(steps.value):
                emit.outer(
                    lambda r, j=j: emit.splat(lines[r], j) if along.value else emit.splat(lines[j], r),
                    lambda c, j=j: emit.vector(f"x{c}", columns[c], j),
                )
            return context.get_dummy_value()
        outer, inner = (t.rows, steps.value) if along.value else (steps.value, t.rows)
        for a in range(outer):
            line = emit.apart(w, wv, wo, stride, a)
            for b in range(inner):
                r, j = (a, b) if along.value else (b, a)
                scalar = emit.splat(line, b)
                for c in range(t.cols):
                    emit.add(r, c, scalar, emit.vector(f"x{c}", columns[c], j))
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, steps, along, x, n, n, w, n, n), codegen


@intrinsic
def tile_window(typingctx, t, x, x_offset, x_row, w, w_offset):
    """``t[r, c] += w[w_offset] * x[r, c]``: vectors of a row of `x` follow each other, rows are `x_row` apart."""

    def codegen(context, builder, sig, args):
        tile, xv, xo, x_row, wv, wo = args
        emit = Emitter(context, builder, t, tile)
        scalar = emit.splat(emit.pointer(w, wv, wo), 0)
        for r in range(t.rows):
            row = emit.apart(x, xv, xo, x_row, r)
            for c in range(t.cols):
                emit.add(r, c, scalar, emit.vector(f"x{r}", row, c))
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, x, n, n, w, n), codegen
