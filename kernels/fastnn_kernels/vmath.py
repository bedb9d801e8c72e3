"""Exponentials on vectors, by polynomials; logarithms are in `vlog.py`, gelu and silu in `vgate.py`.

The float32 coefficients of the exponential are those of S. L. Moshier's Cephes library; the float64 exponential is
the Taylor series, whose remainder on |r| <= log(2)/2 is below a quarter of an ulp at degree 13. Errors were measured
over the whole range against long double (float64) and float64 (float32), with and without FMA.
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
# Far below this, exp times anything is 0; both halves of its scaling stay within the exponents of `vscale2`.
LOWEST_SINGLE, LOWEST_DOUBLE = -170.0, -1400.0


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
def horner(x, coefficients):
    """Evaluate the polynomial with these coefficients, highest power first."""
    total = vset(x, coefficients[0])
    for k in range(1, len(coefficients)):
        total = vfma(total, x, vset(x, coefficients[k]))
    return total


@inline
def vclip(x, low, high):
    """Clip to two numbers; written so that a NaN fails both comparisons and stays."""
    x = vwhere(vgreater(x, vset(x, high)), vset(x, high), x)
    return vwhere(vgreater(vset(x, low), x), vset(x, low), x)


@inline
def _exp_power(x):
    """Return the n of ``exp(x) = 2**n * exp(r)``, |r| <= log(2) / 2."""
    return vround(x * vset(x, 1.4426950408889634))


@inline
def _exp_rest(x, n, low):
    """``exp(r) - 1`` for ``r = x + low - n * log(2)``."""
    # log(2) in two parts, of which the first has so few bits that its product with n is exact.
    if is_single(x):
        ln2_high, ln2_low = 0.693359375, -2.12194440e-4
    else:
        ln2_high, ln2_low = 6.93145751953125e-1, 1.42860682030941723212e-6
    r = vfma(n, vset(x, -ln2_high), x) + vfma(n, vset(x, -ln2_low), low)
    poly = horner(r, _CEPHES_EXP) if is_single(x) else horner(r, _TAYLOR)
    return vfma(poly, r * r, r)


@inline
def vexp_times(w, w_low, x, low):
    """``(w + w_low) * exp(x + low)``, the low parts far smaller: within an ulp, also where exp alone would vanish."""
    x = vclip(x, LOWEST_SINGLE, 89.0) if is_single(x) else vclip(x, LOWEST_DOUBLE, 710.0)
    n = _exp_power(x)
    value = w + vfma(w, _exp_rest(x, n, low), w_low)
    # In two steps, so that results near the ends of the range neither overflow nor vanish on the way.
    half = vround(n * vset(x, 0.5))
    return vscale2(vscale2(value, half), n - half)


@inline
def vexp(x):
    """Exponential: within 1.1 ulp; inf above the range, 0 below it, NaN for NaN."""
    return vexp_times(vset(x, 1.0), vset(x, -0.0), x, vset(x, -0.0))


@inline
def vexpm1(x):
    """``exp(x) - 1``: within 2 ulp; -0 for -0, inf above the range, NaN for NaN."""
    one = vset(x, 1.0)
    a = vclip(x, -50.0, 89.0 if is_single(x) else 710.0)
    n = _exp_power(a)
    p = _exp_rest(a, n, vset(x, -0.0))
    # 2**n * (1 + p) - 1; from n = 60 on the 1 is lost, and 2**n might overflow before its product does.
    m = vclip(n, -126.0, 60.0)
    scale = vscale2(one, m)
    value = vscale2(vfma(p, scale, scale - one), n - m)
    return vcopysign(value, x)


@inline
def vsigmoid(x):
    """``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which cannot overflow: within 3 ulp."""
    one = vset(x, 1.0)
    e = vexp(vset(x, 0.0) - vabs(x))
    return vwhere(vgreater(vset(x, 0.0), x), e, one) / (one + e)


@inline
def vtanh(x):
    """Hyperbolic tangent, ``m / (m + 2)`` with ``m = exp(2|x|) - 1``: within 3 ulp."""
    a = vclip(vabs(x), 0.0, 20.0)
    m = vexpm1(a + a)
    return vcopysign(m / (m + vset(x, 2.0)), x)
