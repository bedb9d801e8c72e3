"""Depthwise sums over 3 x 3 elements with a padding of 1, whose planes are read where they are.

Each vector is loaded once, aligned as the plane is; its neighbours a column away are shuffled from it and the vectors
beside. Rows and vectors outside the plane are read from memory that is zero; all rows of a tile are in it.
To fetch the next plane ahead took a tenth longer.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import simd
from .tile import Tile, element
from .tile_product import emit_add

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


class _Plane:
    """Emits loads of the rows of a plane, (height, width), from column `q` on."""

    def __init__(self, context: Any, builder: Any, t: Tile, memory: types.Type, values: tuple[Any, ...]) -> None:
        x, offset, self.height, self.width, self.q, zeros = values
        self.builder, self.t, self.L = builder, t, t.vector.lanes
        self.origin = simd.address(context, builder, memory, x, offset)
        self.zeros = simd.address(context, builder, memory, zeros, ir.Constant(_I64, 0))

    def at(self, pointer: Any, index: Any) -> Any:
        return self.builder.gep(pointer, [index if isinstance(index, ir.Value) else ir.Constant(_I64, index)])

    def row(self, start: Any, number: int, vectors: int, rows: int) -> list[Any]:
        """Load `vectors` vectors of row `start + number`, with one before and one behind; zeros outside.

        The first `rows` from `start` on are in the plane: what is selected by comparisons for each row takes longer
        than the sums.
        """
        b = self.builder
        index = b.add(start, ir.Constant(_I64, number))
        row = self.at(self.origin, b.add(b.mul(index, self.width), self.q))
        before = b.icmp_signed(">", self.q, ir.Constant(_I64, 0))
        end = b.add(self.q, ir.Constant(_I64, vectors * self.L))
        behind, middle = b.icmp_signed("<", end, self.width), row
        if not 0 <= number < rows:
            inside = b.icmp_unsigned("<", index, self.height)
            before, behind = b.and_(inside, before), b.and_(inside, behind)
            middle = b.select(inside, row, self.zeros)
        places = [
            b.select(before, self.at(row, -self.L), self.zeros),
            *(self.at(middle, k * self.L) for k in range(vectors)),
            b.select(behind, self.at(row, vectors * self.L), self.zeros),
        ]
        return [simd.emit_load(b, self.t.vector, place) for place in places]

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, self.L), lanes))

    def beside(self, vectors: list[Any], number: int, shift: int) -> Any:
        """Vector `number` of a row, `shift` columns on: -1, 0 or 1."""
        if shift == 0:
            return vectors[number + 1]
        first = self.L - 1 if shift < 0 else 1
        a, b = vectors[number : number + 2] if shift < 0 else vectors[number + 1 : number + 3]
        return self.shuffle(a, b, list(range(first, first + self.L)))

    def halves(self, vectors: list[Any]) -> tuple[Any, Any, Any]:
        """Columns 2 * lane - 1, 2 * lane and 2 * lane + 1 of two vectors that `row` made."""
        before, a, b, _ = vectors
        odd = self.shuffle(a, b, list(range(1, 2 * self.L, 2)))
        left = self.shuffle(before, odd, [self.L - 1, *range(self.L, 2 * self.L - 1)])
        return left, self.shuffle(a, b, list(range(0, 2 * self.L, 2))), odd


def _splats(context: Any, builder: Any, t: Tile, memory: types.Type, w: Any, offset: Any) -> list[Any]:
    """Emit vectors of the nine weights."""
    places = [builder.add(offset, ir.Constant(_I64, k)) for k in range(9)]
    loads = [builder.load(simd.address(context, builder, memory, w, place)) for place in places]
    return [simd.emit_splat(builder, t.ir, scalar) for scalar in loads]


def _void(t: Tile, x: types.Type, w: types.Type, *more: types.Type) -> Any:
    n = types.intp
    return types.void(t, *more, x, n, n, n, n, n, x, w, n)


@intrinsic
def plane_same(typingctx, t, back, x, x_offset, height, width, p, q, zeros, w, w_offset):
    """``t[r, c] += sum over i, j of w[i, j] * x[p + r + i - 1, q + c + j - 1]``; with `back` 1 the kernel is turned."""

    def codegen(context, builder, sig, args):
        tile, _, xv, xo, height, width, p, q, zeros, wv, wo = args
        plane = _Plane(context, builder, t, x, (xv, xo, height, width, q, zeros))
        weights, sign = _splats(context, builder, t, w, wv, wo), -1 if back.value else 1
        # Rows of x in the order in which each sum takes them: from top to bottom or from bottom to top.
        for number in range(-1, t.rows + 1)[::sign]:
            vectors = plane.row(p, number, t.cols, t.rows)
            for j in range(3):
                for c in range(t.cols):
                    value = plane.beside(vectors, c, sign * (j - 1))
                    for i in range(3):
                        r = number - sign * (i - 1)
                        if 0 <= r < t.rows:
                            emit_add(builder, t, tile, r, c, weights[3 * i + j], value)
        return context.get_dummy_value()

    return _void(t, x, w, back), codegen


@intrinsic
def plane_halved(typingctx, t, x, x_offset, height, width, p, q, zeros, w, w_offset):
    """``t[r] += sum over i, j of w[i, j] * x[2 * (p + r) + i - 1, 2 * (q + lane) + j - 1]``; tiles of one column."""
    if t.cols != 1:
        return None

    def codegen(context, builder, sig, args):
        tile, xv, xo, height, width, p, q, zeros, wv, wo = args
        two = ir.Constant(_I64, 2)
        plane = _Plane(context, builder, t, x, (xv, xo, height, width, builder.mul(q, two), zeros))
        weights = _splats(context, builder, t, w, wv, wo)
        first = builder.mul(p, two)
        for number in range(-1, 2 * t.rows):
            vectors = plane.row(first, number, 2, 2 * t.rows)
            for j, value in enumerate(plane.halves(vectors)):
                for i in range(3):
                    r, rest = divmod(number + 1 - i, 2)
                    if rest == 0 and 0 <= r < t.rows:
                        emit_add(builder, t, tile, r, 0, weights[3 * i + j], value)
        return context.get_dummy_value()

    return _void(t, x, w), codegen


@intrinsic
def plane_dots(typingctx, t, rows, stride, dy, dy_offset, dy_row, x, x_offset, height, width, p, q, zeros):
    """``t[3 * i + j] += sum over rows r of dy[r] * x[stride * (p + r) + i - 1, stride * (q + lane) + j - 1]``.

    The last of the ten vectors of the tile takes the sum of dy. `rows` and `stride`, 1 or 2, are fixed numbers; rows of
    dy are `dy_row` elements apart from `dy_offset` on.
    """
    if (t.rows, t.cols) != (10, 1):
        return None
    count, step = rows.value, stride.value

    def codegen(context, builder, sig, args):
        tile, _, _, dyv, dyo, dy_row, xv, xo, height, width, p, q, zeros = args
        by = ir.Constant(_I64, step)
        plane = _Plane(context, builder, t, x, (xv, xo, height, width, builder.mul(q, by), zeros))
        maps = []
        for r in range(count):
            place = builder.add(dyo, builder.mul(dy_row, ir.Constant(_I64, r)))
            maps.append(simd.emit_load(builder, t.vector, simd.address(context, builder, dy, dyv, place)))
        total = element(builder, t, tile, 9, 0)
        for value in maps:
            builder.store(builder.fadd(builder.load(total), value), total)
        first = builder.mul(p, by)
        for number in range(-1, step * (count - 1) + 2):
            vectors = plane.row(first, number, step, step * count)
            columns = [plane.beside(vectors, 0, j - 1) for j in range(3)] if step == 1 else plane.halves(vectors)
            for i in range(3):
                r, rest = divmod(number + 1 - i, step)
                if rest == 0 and 0 <= r < count:
                    for j in range(3):
                        emit_add(builder, t, tile, 3 * i + j, 0, maps[r], columns[j])
        return context.get_dummy_value()

    n = types.intp
    return types.void(t, rows, stride, dy, n, n, x, n, n, n, n, n, x), codegen


@intrinsic
def plane_doubled(typingctx, t, dy, dy_offset, height, width, p, q, zeros, w, w_offset):
    """Add to a tile the input gradient of what `plane_halved` makes: two rows of two vectors of each row of dy.

    The two vectors of a row follow each other; dy is (height, width), the tile's rows come from its rows `p` on.
    """
    if t.cols != 2 or t.rows % 2:
        return None

    def codegen(context, builder, sig, args):
        tile, dyv, dyo, height, width, p, q, zeros, wv, wo = args
        plane, L = _Plane(context, builder, t, dy, (dyv, dyo, height, width, q, zeros)), t.vector.lanes
        weights = _splats(context, builder, t, w, wv, wo)

        def start(row: int, col: int) -> Any:
            return builder.load(builder.gep(tile, [ir.Constant(_I64, row * 2 + col)]))

        def total(value: Any, *terms: tuple[int, Any]) -> Any:
            for tap, vector in terms:
                value = simd.emit_fma(builder, weights[tap], vector, value)
            return value

        rows = []
        for number in range(t.rows // 2 + 1):
            vectors = plane.row(p, number, 1, t.rows // 2)
            rows.append((vectors[1], plane.beside(vectors, 0, 1)))
        for r in range(t.rows // 2):
            (here, right), (below, across) = rows[r], rows[r + 1]
            # All lanes of a row of the tile have the same start, a bias.
            bias = start(2 * r, 0)
            for row, even, odd in (
                (2 * r, total(bias, (4, here)), total(bias, (3, right), (5, here))),
                (2 * r + 1, total(bias, (1, below), (7, here)),
                 total(bias, (0, across), (2, below), (6, right), (8, here))),
            ):  # fmt: skip
                for half in range(2):
                    lanes = [(L * half + k) // 2 + L * (k % 2) for k in range(L)]
                    place = builder.gep(tile, [ir.Constant(_I64, row * 2 + half)])
                    builder.store(plane.shuffle(even, odd, lanes), place)
        return context.get_dummy_value()

    return _void(t, dy, w), codegen
