"""Products of register tiles: outer products of a column of operands and a row of them, added to the accumulators."""

# Numba finds an intrinsic's parameters by position: the typing context comes first.
from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import simd
from ._jit import FEW_REGISTERS
from .tile import Tile, at_step, element, nothing

_I64 = ir.IntType(64)
# More accumulators leave too few of 16 or 32 registers for what LLVM loads ahead of its use.
_UNCROWDED = 9 if FEW_REGISTERS else 20


def is_crowded(t: Tile) -> bool:
    """Whether the accumulators of a tile leave few registers."""
    return t.rows * t.cols > _UNCROWDED


def emit_outer(
    builder: Any, t: Tile, pointer: Any, row: Callable[[int], Any], col: Callable[[int], Any],
    cols: Iterable[int] | None = None,
) -> None:  # fmt: skip
    """Emit ``t[r, c] += row(r) * col(c)`` for all rows and `cols`; the functions emit the operands.

    In a crowded tile the shorter side is held and the other one comes an operand at a time; behind it is a fence, or
    LLVM loads operands of later steps early and moves accumulators to the stack. Tiles of 12 ran at 35 to 60 GFLOP/s a
    core, and with the fence at 85 to 97 (Zen 3, AVX2, peak 102; those of 9 at 90 either way). Of 24 in 32 registers
    some were moved or none, as the rest of the function happened to be: weight gradients in tiles of 8 x 3 took 1.3 to
    2.5 times as long without the fence (Zen 4, AVX-512).
    """
    chosen = range(t.cols) if cols is None else list(cols)
    crowded = is_crowded(t)
    if crowded and t.rows < t.cols:
        held = [row(r) for r in range(t.rows)]
        for c in chosen:
            vector = col(c)
            for r in range(t.rows):
                emit_add(builder, t, pointer, r, c, held[r], vector)
    else:
        columns = {c: col(c) for c in chosen}
        for r in range(t.rows):
            vector = row(r)
            for c in chosen:
                emit_add(builder, t, pointer, r, c, vector, columns[c])
    if crowded:
        simd.emit_fence(builder)


def emit_add(builder: Any, t: Tile, pointer: Any, row: int, col: int, a: Any, b: Any) -> None:
    """Emit ``t[row, col] += a * b``."""
    place = element(builder, t, pointer, row, col)
    builder.store(simd.emit_fma(builder, a, b, builder.load(place)), place)


@intrinsic
def tile_fma(typingctx, t, x, x_offset, x_stride, w, w_offset, w_stride):
    """``t[r, c] += w[w_offset + r * w_stride] * x[x_offset + c * x_stride ...]``: scalars times vectors."""

    def codegen(context, builder, sig, args):
        pointer, xv, xo, xs, wv, wo, ws = args

        def row(r):
            scalar = builder.load(simd.address(context, builder, w, wv, at_step(builder, wo, ws, r)))
            return simd.emit_splat(builder, t.ir, scalar)

        emit_outer(builder, t, pointer, row, _vectors(context, builder, t, x, xv, xo, xs))
        return nothing(context)

    n = types.intp
    return types.void(t, x, n, n, w, n, n), codegen


def _vectors(context: Any, builder: Any, t: Tile, memory: types.Type, value: Any, offset: Any, stride: Any) -> Any:
    """Return a function that loads the k-th of vectors `stride` elements apart."""

    def load(k: int) -> Any:
        place = simd.address(context, builder, memory, value, at_step(builder, offset, stride, k))
        return simd.emit_load(builder, t.vector, place)

    return load


@intrinsic
def tile_dot(typingctx, t, a, a_offset, a_stride, b, b_offset, b_stride):
    """``t[r, c] += a[a_offset + r * a_stride ...] * b[b_offset + c * b_stride ...]``: vectors times vectors."""

    def codegen(context, builder, sig, args):
        pointer, av, ao, as_, bv, bo, bs = args
        rows, columns = _vectors(context, builder, t, a, av, ao, as_), _vectors(context, builder, t, b, bv, bo, bs)
        emit_outer(builder, t, pointer, rows, columns)
        return nothing(context)

    n = types.intp
    return types.void(t, a, n, n, b, n, n), codegen


def _loads(made: types.UniTuple, t: Tile, table: types.Type) -> Any:
    """Signature and code of an intrinsic that loads from a table: a tuple, since no load is kept behind a fence."""

    def codegen(context, builder, sig, args):
        _, value, first = args
        places = [builder.add(first, ir.Constant(_I64, k)) for k in range(made.count)]
        loads = [builder.load(simd.address(context, builder, table, value, place)) for place in places]
        return context.make_tuple(builder, made, loads)

    return made(t, table, types.intp), codegen


@intrinsic
def tile_columns(typingctx, t, table, first):
    """``table[first], table[first + 1], ...``, one for each column."""
    return _loads(types.UniTuple(types.intp, t.cols), t, table)


@intrinsic
def tile_rows_at(typingctx, t, table, first):
    """``table[first], table[first + 1], ...``, one for each row."""
    return _loads(types.UniTuple(types.intp, t.rows), t, table)


@intrinsic
def tile_dot_at(typingctx, t, a, a_offset, a_stride, b, b_offset, columns):
    """``t[r, c] += a[a_offset + r * a_stride ...] * b[b_offset + columns[c] ...]``; `tile_columns` made the columns."""

    def codegen(context, builder, sig, args):
        pointer, av, ao, as_, bv, bo, tuple_ = args
        offsets = cgutils.unpack_tuple(builder, tuple_)

        def col(c):
            place = simd.address(context, builder, b, bv, builder.add(bo, offsets[c]))
            return simd.emit_load(builder, t.vector, place)

        emit_outer(builder, t, pointer, _vectors(context, builder, t, a, av, ao, as_), col)
        return nothing(context)

    n = types.intp
    return types.void(t, a, n, n, b, n, columns), codegen


@intrinsic
def tile_scale_at(typingctx, t, vectors, v_offset, scalars, s_offset, rows, run):
    """``t[r, c] += scalars[s_offset + rows[r]] * vectors[c]``, from `v_offset` on; `tile_rows_at` made the rows.

    `run`, a fixed number, says how many scalars follow each other in memory at least: so many need one address.
    """
    count = run.value

    def codegen(context, builder, sig, args):
        pointer, vv, vo, sv, so, tuple_, _ = args
        offsets = cgutils.unpack_tuple(builder, tuple_)
        origin = simd.address(context, builder, scalars, sv, so)

        def row(r):
            place = builder.add(offsets[r // count * count], ir.Constant(_I64, r % count))
            return simd.emit_splat(builder, t.ir, builder.load(builder.gep(origin, [place])))

        lanes = ir.Constant(_I64, t.vector.lanes)
        emit_outer(builder, t, pointer, row, _vectors(context, builder, t, vectors, vv, vo, lanes))
        return nothing(context)

    n = types.intp
    return types.void(t, vectors, n, scalars, n, rows, run), codegen
