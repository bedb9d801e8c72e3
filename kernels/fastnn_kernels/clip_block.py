"""Limits on gradients and on weights: by value, by the norm of everything, by the norm of a unit."""

from math import sqrt

from numba.core import types
from numba.extending import intrinsic

from . import simd
from ._jit import kernel, lane_count
from .optimizer_block import load_some, store_some
from .simd import lanes, vfma, vgreater, vsqrt, vsum, vwhere
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
        store_some(x, xo + i, load_some(x, xo + i, n) * vset(x, factor), n)


@kernel
def clip_block(x, xo, size, limit):
    """``x = max(-limit, min(limit, x))``; NaN stays NaN."""
    L = lanes(x)
    for i in range(0, size, L):
        n = size - i
        store_some(x, xo + i, vclip(load_some(x, xo + i, n), -limit, limit), n)


@kernel
def max_norm_block(w, wo, outer, units, inner, first, last, limit):
    """Scale those of the units `first` to `last` of w (outer, units, inner) that are longer than `limit`.

    Columns side by side go into the lanes of one vector; a unit of longer runs is summed run by run.
    """
    if inner == 1:
        L = lanes(w)
        one, bound = vset(w, 1.0), vset(w, limit)
        for u in range(first, last, L):
            n = last - u
            total = vset(w, 0.0)
            for o in range(outer):
                value = load_some(w, wo + o * units + u, n)
                total = vfma(value, value, total)
            norm = vsqrt(total)
            outside = vgreater(norm, bound)
            # Most columns are inside most of the time: nothing is written then.
            if vsum(vwhere(outside, one, vset(w, 0.0))) > 0.0:
                factor = vwhere(outside, bound / norm, one)
                for o in range(outer):
                    i = wo + o * units + u
                    store_some(w, i, load_some(w, i, n) * factor, n)
    else:
        for u in range(first, last):
            total = 0.0
            for o in range(outer):
                total += sum_of_squares(w, wo + (o * units + u) * inner, inner)
            norm = sqrt(total)
            if norm > limit:
                for o in range(outer):
                    scale_block(w, wo + (o * units + u) * inner, inner, limit / norm)
