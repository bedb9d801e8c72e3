"""Exponentials on vectors, by polynomials.

Coefficients of `vexp` (float32) and `vtanh` are those of S. L. Moshier's Cephes library; the float64 exponential
is the Taylor series, whose remainder on |r| <= log(2)/2 is below a quarter of an ulp at degree 13.
"""

from math import factorial

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import simd
from ._jit import inline
from .simd import Vec, vabs, vcopysign, vfma, vgreater, vround, vscale2, vwhere

_TAYLOR = tuple(1.0 / factorial(k) for k in range(13, 1, -1))
_CEPHES_EXP = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
)
_CEPHES_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_CEPHES_TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_CEPHES_TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


@intrinsic
def vset(typingctx, like, value):
    """Vector with `value` in every lane, of the type of the vector or memory `like`."""
    if not isinstance(like, Vec) and simd.dtype_of(like) is None:
        return None
    vector = like if isinstance(like, Vec) else simd.vec_of(like)

    def codegen(context, builder, sig, args):
        scalar = context.cast(builder, args[1], types.float64, vector.dtype)
        return simd.emit_splat(builder, simd.vector_ir(vector.dtype, vector.lanes), scalar)

    return vector(like, types.float64), codegen


@intrinsic
def is_single(typingctx, v):
    """Whether the lanes are float32, as a compile-time constant."""
    return types.boolean(v), lambda context, builder, sig, args: ir.Constant(ir.IntType(1), v.dtype.bitwidth == 32)


@inline
def _horner(x, coefficients):
    """Evaluate the polynomial with these coefficients, highest power first."""
    total = vset(x, coefficients[0])
    for k in range(1, len(coefficients)):
        total = vfma(total, x, vset(x, coefficients[k]))
    return total


@inline
def vexp(x):
    """Exponential: within 2 ulp; inf above the range, 0 below it, NaN for NaN."""
    if is_single(x):
        low, high, ln2_high, ln2_low = -104.0, 89.0, 0.693359375, -2.12194440e-4
    else:
        low, high, ln2_high, ln2_low = -746.0, 710.0, 6.93145751953125e-1, 1.42860682030941723212e-6
    # Written so that a NaN fails both comparisons and stays.
    x = vwhere(vgreater(x, vset(x, high)), vset(x, high), x)
    x = vwhere(vgreater(vset(x, low), x), vset(x, low), x)
    n = vround(x * vset(x, 1.4426950408889634))
    r = vfma(n, vset(x, -ln2_high), x)
    r = vfma(n, vset(x, -ln2_low), r)
    poly = _horner(r, _CEPHES_EXP) if is_single(x) else _horner(r, _TAYLOR)
    value = vfma(poly, r * r, r + vset(x, 1.0))
    # In two steps, so that results near the ends of the range neither overflow nor vanish on the way.
    half = vround(n * vset(x, 0.5))
    return vscale2(vscale2(value, half), n - half)


@inline
def vsigmoid(x):
    """``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which cannot overflow."""
    one = vset(x, 1.0)
    e = vexp(vset(x, 0.0) - vabs(x))
    return vwhere(vgreater(vset(x, 0.0), x), e, one) / (one + e)


@inline
def vtanh(x):
    """Hyperbolic tangent: a polynomial below 0.625, ``1 - 2 / (exp(2|x|) + 1)`` above."""
    one = vset(x, 1.0)
    a = vabs(x)
    z = x * x
    if is_single(x):
        near = vfma(_horner(z, _CEPHES_TANH) * z, x, x)
    else:
        near = vfma(_horner(z, _CEPHES_TANH_P) / _horner(z, _CEPHES_TANH_Q) * z, x, x)
    far = one - vset(x, 2.0) / (vexp(a + a) + one)
    return vwhere(vgreater(a, vset(x, 0.625)), vcopysign(far, x), near)
