"""Winograd's algorithm along rows, in registers: points, by which kernels and images are multiplied, and transforms.

The matrices are in `winograd_row_points.py`.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import simd
from .tile import Tile, element, nothing
from .tile_taps import Emitter
from .winograd_row_points import Row, column_rows, output_rows, points_of


def _constant(kind: ir.Type, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def _add_product(builder: Any, total: Any, value: Any, factor: float) -> Any:
    """Emit ``total + factor * value``, where there is a total and the factor is not 0."""
    if factor == 0.0:
        return total
    if total is None:
        return value if factor == 1.0 else builder.fmul(value, _constant(value.type, factor))
    if factor == 1.0:
        return builder.fadd(total, value)
    if isinstance(value.type, ir.VectorType):
        return simd.emit_fma(builder, value, _constant(value.type, factor), total)
    return builder.fadd(total, builder.fmul(value, _constant(value.type, factor)))


def _combine(builder: Any, values: Sequence[Any], factors: Sequence[float], total: Any = None) -> Any:
    """Emit the sum of products of values and factors."""
    for value, factor in zip(values, factors, strict=True):
        total = _add_product(builder, total, value, factor)
    return total


def _halves(builder: Any, points: Sequence[Any]) -> list[Any]:
    """Emit the halves of points: 0, the even and the odd one of each pair, infinity."""
    halves = [points[0]]
    for k in range(1, len(points) - 1, 2):
        halves += [builder.fadd(points[k], points[k + 1]), builder.fsub(points[k], points[k + 1])]
    return [*halves, points[-1]]


def _emit_values(builder: Any, coefficients: Sequence[Any], count: int) -> list[Any]:
    """Emit the values of a polynomial at `count` points."""
    values = [coefficients[0]]
    for a in points_of(count).pairs:
        even = _combine(builder, coefficients[::2], [a**i for i in range(0, len(coefficients), 2)])
        odd = _combine(builder, coefficients[1::2], [a**i for i in range(1, len(coefficients), 2)])
        values += [builder.fadd(even, odd), builder.fsub(even, odd)]
    return [*values, coefficients[-1]]


def _emit_column_points(builder: Any, columns: Sequence[Any]) -> list[Any]:
    """Emit ``B' d``."""
    points = points_of(len(columns))
    made = [_combine(builder, columns[0:-1:2], points.ends)]
    for a, other in zip(points.pairs, points.others, strict=True):
        even = _combine(builder, columns[2:-1:2], other)
        odd = _combine(builder, columns[1:-2:2], other)
        made += [_add_product(builder, even, odd, a), _add_product(builder, even, odd, -a)]
    return [*made, _combine(builder, columns[1::2], points.ends)]


def _vectors(emit: Emitter, pointer: Any, count: int) -> list[Any]:
    """Emit loads of `count` vectors that follow each other."""
    L = emit.t.vector.lanes
    return [simd.emit_load(emit.builder, emit.t.vector, emit.at(pointer, k * L)) for k in range(count)]


def _store_apart(emit: Emitter, values: Sequence[Any], memory: types.Type, value: Any, offset: Any, step: Any) -> None:
    """Emit stores of vectors `step` elements apart."""
    for k, vector in enumerate(values):
        simd.emit_store(emit.builder, emit.t.vector, vector, emit.apart(memory, value, offset, step, k))


@intrinsic
def store_column_points(typingctx, t, x, x_offset, v, v_offset, step):
    """Store the points, `step` apart, of as many columns of images, one vector each, as `t` has points: ``B' d``."""

    def codegen(context, builder, sig, args):
        tile, xv, xo, vv, vo, step = args
        emit = Emitter(context, builder, t, tile)
        columns = _vectors(emit, emit.pointer(x, xv, xo), t.cols)
        _store_apart(emit, _emit_column_points(builder, columns), v, vv, vo, step)
        return nothing(context)

    n = types.intp
    return types.void(t, x, n, v, n, n), codegen


@intrinsic
def store_output_points(typingctx, t, m, y, y_offset, v, v_offset, step):
    """Store the points, `step` apart, of `m` (fixed) columns of the outputs' gradient: ``A y``."""

    def codegen(context, builder, sig, args):
        tile, _, yv, yo, vv, vo, step = args
        emit = Emitter(context, builder, t, tile)
        values = _emit_values(builder, _vectors(emit, emit.pointer(y, yv, yo), m.value), t.cols)
        _store_apart(emit, values, v, vv, vo, step)
        return nothing(context)

    n = types.intp
    return types.void(t, m, y, n, v, n, n), codegen


@intrinsic
def store_weight_points(typingctx, t, taps, w, w_offset, u, u_offset, step):
    """Store the points, `step` apart, of the `taps` (fixed) weights from `w_offset` on: ``G g``, scalars."""

    def codegen(context, builder, sig, args):
        tile, _, wv, wo, uv, uo, step = args
        emit = Emitter(context, builder, t, tile)
        pointer = emit.pointer(w, wv, wo)
        values = _emit_values(builder, [builder.load(emit.at(pointer, k)) for k in range(taps.value)], t.cols)
        for k, (value, scale) in enumerate(zip(values, points_of(t.cols).scales, strict=True)):
            scaled = builder.fmul(value, _constant(value.type, scale))
            builder.store(scaled, emit.apart(u, uv, uo, step, k))
        return nothing(context)

    n = types.intp
    return types.void(t, taps, w, n, u, n, n), codegen


@intrinsic
def store_weights(typingctx, t, taps, p, p_offset, step, dw, dw_offset):
    """Store the gradients of `taps` (fixed) weights from those of their points, `step` apart: ``G' p``, scalars."""

    def codegen(context, builder, sig, args):
        tile, _, pv, po, step, dwv, dwo = args
        emit = Emitter(context, builder, t, tile)
        scaled = []
        for k, scale in enumerate(points_of(t.cols).scales):
            value = builder.load(emit.apart(p, pv, po, step, k))
            scaled.append(builder.fmul(value, _constant(value.type, scale)))
        halves, pointer = _halves(builder, scaled), emit.pointer(dw, dwv, dwo)
        for k, row in enumerate(output_rows(t.cols, taps.value)):
            builder.store(_combine(builder, halves, row), emit.at(pointer, k))
        return nothing(context)

    n = types.intp
    return types.void(t, taps, p, n, n, dw, n), codegen


@intrinsic
def tile_point_products(typingctx, t, x, x_offset, w, w_offset):
    """``t[r, e] += w[e, r] * x[e]``: vectors of `x` follow each other, `w` has scalars (points, rows)."""

    def codegen(context, builder, sig, args):
        tile, xv, xo, wv, wo = args
        emit = Emitter(context, builder, t, tile)
        xp, wp = emit.pointer(x, xv, xo), emit.pointer(w, wv, wo)
        for e in range(t.cols):
            vector = emit.vector("x", xp, e)
            for r in range(t.rows):
                emit.add(r, e, emit.splat(wp, e * t.rows + r), vector)
        # As in `emit_outer`: no load of the next step comes early and moves accumulators to the stack.
        simd.emit_fence(builder)
        return nothing(context)

    n = types.intp
    return types.void(t, x, n, w, n), codegen


def _emit_transform(builder: Any, out: Tile, out_value: Any, t: Tile, value: Any, rows: Sequence[Row]) -> None:
    """Emit ``out[r, i] += sum over halves of rows[i] * t[r]``."""
    for r in range(t.rows):
        halves = _halves(builder, [builder.load(element(builder, t, value, r, e)) for e in range(t.cols)])
        for i, row in enumerate(rows):
            place = element(builder, out, out_value, r, i)
            builder.store(_combine(builder, halves, row, builder.load(place)), place)


@intrinsic
def tile_add_outputs(typingctx, out, t):
    """Add the outputs, as many as `out` has columns, of the points `t`: ``out += t A``."""

    def codegen(context, builder, sig, args):
        _emit_transform(builder, out, args[0], t, args[1], output_rows(t.cols, out.cols))
        return nothing(context)

    return types.void(out, t), codegen


@intrinsic
def tile_add_columns(typingctx, out, t):
    """Add the columns of images that the points `t` of their gradient make: ``out += t B'``."""

    def codegen(context, builder, sig, args):
        _emit_transform(builder, out, args[0], t, args[1], column_rows(t.cols))
        return nothing(context)

    return types.void(out, t), codegen
