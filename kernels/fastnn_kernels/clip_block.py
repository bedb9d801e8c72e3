"""Limits on gradients and on weights: by value, by the norm of everything, by the norm of a unit."""

from math import sqrt

from numba.core import types
from numba.extending import intrinsic

from . import simd
from ._jit import kernel, lane_count
from .simd import lanes, vfma, vgreater, vsqrt, vsum, vwhere
from .span import load_span, store_span
from .vmath import vclip, vset

_DOUBLES = lane_count(64)
_DOUBLE = simd.Vec(types.float64, _DOUBLES)
# Units of one task of max_norm.
UNITS = 32


@intrinsic
def vset_double(typingctx, value):
    """Vector with `value` in every lane, of float64."""

    def codegen(context, builder, sig, args):
        return simd.emit_splat(builder, simd.vector_ir(types.float64, _DOUBLES), args[0])

    return _DOUBLE(types.float64), codegen


@intrinsic
def vload_double(typingctx, memory, index):
    """Vector of float64 of the elements from `index` on, whatever their dtype."""
    dtype = simd.dtype_of(memory)
    if not isinstance(dtype, types.Float):
        return None

    def codegen(context, builder, sig, args):
        loaded = simd.emit_load(builder, simd.Vec(dtype, _DOUBLES), simd.address(context, builder, memory, *args))
        wide = simd.vector_ir(types.float64, _DOUBLES)
        return loaded if loaded.type == wide else builder.fpext(loaded, wide)

    return _DOUBLE(memory, types.intp), codegen


@intrinsic
def vstore_double(typingctx, memory, index, value):
    """Store a vector of float64 at the elements from `index` on, rounded to their dtype."""
    dtype = simd.dtype_of(memory)
    if not isinstance(dtype, types.Float):
        return None

    def codegen(context, builder, sig, args):
        narrow = simd.vector_ir(dtype, _DOUBLES)
        rounded = args[2] if args[2].type == narrow else builder.fptrunc(args[2], narrow)
        pointer = simd.address(context, builder, memory, args[0], args[1])
        simd.emit_store(builder, simd.Vec(dtype, _DOUBLES), rounded, pointer)
        return context.get_dummy_value()

    return types.void(memory, types.intp, _DOUBLE), codegen


@kernel
def sum_of_squares(x, xo, size):
    """Sum the squares of `size` elements in float64, in a fixed order: the square of 1e30 is no float32."""
    a = b = c = d = vset_double(0.0)
    i = 0
    while i + 4 * _DOUBLES <= size:
        e, f = vload_double(x, xo + i), vload_double(x, xo + i + _DOUBLES)
        g, h = vload_double(x, xo + i + 2 * _DOUBLES), vload_double(x, xo + i + 3 * _DOUBLES)
        a, b, c, d = vfma(e, e, a), vfma(f, f, b), vfma(g, g, c), vfma(h, h, d)
        i += 4 * _DOUBLES
    while i + _DOUBLES <= size:
        e = vload_double(x, xo + i)
        a = vfma(e, e, a)
        i += _DOUBLES
    total = vsum((a + b) + (c + d))
    while i < size:
        element = types.float64(x[xo + i])
        total += element * element
        i += 1
    return total


@kernel
def clip_factor(norm, limit):
    """``min(1, limit / (norm + 1e-6))``; NaN stays NaN."""
    factor = limit / (norm + 1e-6)
    return 1.0 if factor > 1.0 else factor


@kernel
def scale_block(x, xo, size, factor):
    """``x *= factor``."""
    L = lanes(x)
    for i in range(0, size, L):
        n = size - i
        store_span(x, xo + i, load_span(x, xo + i, n) * vset(x, factor), n)


@kernel
def clip_block(x, xo, size, limit):
    """``x = max(-limit, min(limit, x))``; NaN stays NaN."""
    L = lanes(x)
    for i in range(0, size, L):
        n = size - i
        store_span(x, xo + i, vclip(load_span(x, xo + i, n), -limit, limit), n)


@kernel
def _max_norm_columns(w, wo, rows, step, limit):
    """Scale those of the columns from `wo` on, one a lane, that are longer than `limit`."""
    one = vset_double(1.0)
    total = vset_double(0.0)
    for o in range(rows):
        value = vload_double(w, wo + o * step)
        total = vfma(value, value, total)
    norm, bound = vsqrt(total), vset_double(limit)
    outside = vgreater(norm, bound)
    # Most columns are inside most of the time: nothing is written then.
    if vsum(vwhere(outside, one, vset_double(0.0))) > 0.0:
        factor = vwhere(outside, bound / norm, one)
        for o in range(rows):
            vstore_double(w, wo + o * step, vload_double(w, wo + o * step) * factor)


@kernel
def max_norm_block(w, wo, outer, units, inner, first, last, limit):
    """Scale those of the units `first` to `last` of w (outer, units, inner) that are longer than `limit`.

    Columns side by side go into the lanes of one vector; a unit of longer runs is summed run by run. Squares are
    summed in float64: that of 1e25 is no float32.
    """
    u = first
    if inner == 1:
        while u + _DOUBLES <= last:
            _max_norm_columns(w, wo + u, outer, units, limit)
            u += _DOUBLES
    while u < last:
        total = 0.0
        for o in range(outer):
            total += sum_of_squares(w, wo + (o * units + u) * inner, inner)
        norm = sqrt(total)
        if norm > limit:
            for o in range(outer):
                scale_block(w, wo + (o * units + u) * inner, inner, limit / norm)
        u += 1
