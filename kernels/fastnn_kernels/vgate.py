"""Functions that let x through by a share between 0 and 1: gelu in both forms, silu; and their derivatives.

The share vanishes like an exponential for x far below 0. To stay within 3 ulp there, what rounding takes from the
exponent is carried along, and exp is multiplied in last, so that the result has all its bits where exp alone would be
subnormal or 0. Bounds are for machines with FMA; without, the derivatives and gelu in float64 lose up to another ulp
(measured: 3.4 for gelu). At -inf and inf the functions have their limits, where PyTorch has NaN.
"""

from ._jit import HAS_FMA, inline
from .simd import vabs, vcopysign, vfma, vgreater, vwhere
from .vmath import LOWEST_DOUBLE, LOWEST_SINGLE, horner, is_single, vclip, vexp_times, vset

# (1 - Phi(t)) * exp(t**2 / 2) * (1 + t / 4), Phi the normal distribution, in powers of q = (t - 4) / (t + 4): the
# variable of M. Shepherd and J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf",
# Mathematics of Computation 36 (1981). The coefficients interpolate it in Chebyshev points for t up to 14.5 (39.5),
# computed with mpmath; the relative error is below 2**-28 (2**-57).
_TAIL_SINGLE = (
    -1.3161412e-5, -5.865544e-5, 4.2338863e-5, 4.115739e-4, -8.7201886e-4, -1.886317e-3, 1.5099323e-2,
    -4.6630327e-2, 9.6784346e-2, -1.5197417e-1,
)
_TAIL_DOUBLE = (
    -1.8113698425844775e-10, -6.292047904981627e-10, 4.79534867090196e-10, 4.901012349759432e-9,
    3.3176967434902764e-9, -2.1347464935694028e-8, -3.8736510616145676e-8, 6.794835994718722e-8,
    2.553843565456013e-7, -1.5742337900983563e-7, -1.4800412197728883e-6, 1.7916659341590497e-7,
    8.786170855290636e-6, -4.770646894837949e-7, -5.7773733666159025e-5, 3.3336078122168735e-5,
    4.0770461438281676e-4, -8.699230918508932e-4, -1.8850472416808096e-3, 1.5099143722734285e-2,
    -4.6630464489914335e-2, 9.678435018555363e-2, -1.5197416049297302e-1,
)
_TAIL_START = 0.18882128260393788
_START_REST_SINGLE, _START_REST_DOUBLE = -3.340871243629161e-09, -5.55766190320809e-18
_DENSITY = 0.3989422804014327  # 1 / sqrt(2 * pi)
# 2 * sqrt(2 / pi) and its product with 0.044715; what rounding to float32 and to float64 takes from them.
_TANH_A, _TANH_B = 1.5957691216057308, 0.07135481627260025
_REST_SINGLE = (-4.534068054340423e-8, 2.3988324659995897e-9)
_REST_DOUBLE = (-9.96930880911092e-17, -6.175149918155315e-19)


@inline
def _product_rest(a, b, product):
    """Return what rounding took from ``product = a * b``."""
    if HAS_FMA:
        return vfma(a, b, vset(a, 0.0) - product)
    # T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18
    # (1971): both factors in halves, whose products are exact.
    half = vset(a, 4097.0 if is_single(a) else 134217729.0)
    a_high = half * a - (half * a - a)
    b_high = half * b - (half * b - b)
    a_low, b_low = a - a_high, b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


@inline
def _tail(t):
    """``R(t) = (1 - Phi(t)) * exp(t**2 / 2)`` for t >= 0, and what rounding takes from it."""
    one = vset(t, 1.0)
    quarter = t * vset(t, 0.25)
    d = one + quarter
    u = one / d
    q = vfma(u, vset(t, -2.0), one)
    slope = horner(q, _TAIL_SINGLE) if is_single(t) else horner(q, _TAIL_DOUBLE)
    start, start_rest = vset(t, _TAIL_START), vset(t, _START_REST_SINGLE if is_single(t) else _START_REST_DOUBLE)
    share = vfma(q, slope, start)
    share_rest = vfma(q, slope, start - share) + start_rest
    # u stands for a t that is off by its rounding, up to 4 ulp of 1: one step along R' = t * R - 1 / sqrt(2 * pi).
    kept = d - one
    d_rest = (one - (d - kept)) + (quarter - kept)
    product = u * d
    off = vset(t, 4.0) * d * ((product - one) + _product_rest(u, d, product) + u * d_rest)
    step = off * vfma(t, u * share, vset(t, -_DENSITY))
    value = vfma(u, share, step)
    return value, vfma(u, share_rest, vfma(u, share, step - value))


@inline
def _times_normal(w, w_low, t):
    """``(w + w_low) * exp(-t**2 / 2)``."""
    half = vset(t, -0.5)
    square = t * t
    return vexp_times(w, w_low, half * square, half * _product_rest(t, t, square))


@inline
def _normal_limit(x):
    """``|x|``, but no more than where the normal distribution's tail has vanished."""
    return vclip(vabs(x), 0.0, 15.0 if is_single(x) else 39.5)


@inline
def vgelu(x):
    """``x * Phi(x)``: within 3 ulp; -0 at -inf."""
    t = _normal_limit(x)
    tail, rest = _tail(t)
    w = t * tail
    lost = _times_normal(w, vfma(t, rest, _product_rest(t, tail, w)), t)  # |x| * (1 - Phi(|x|))
    return vwhere(vgreater(x, vset(x, 0.0)), x - lost, vcopysign(lost, x))


@inline
def vgelu_slope(x):
    """``Phi(x) + x * phi(x)``, phi the density of the normal distribution: within 3 ulp of the larger term."""
    t = _normal_limit(x)
    tail, rest = _tail(t)
    w = vfma(t, vset(x, -_DENSITY), tail)
    slope = _times_normal(w, rest, t)
    return vwhere(vgreater(x, vset(x, 0.0)), vset(x, 1.0) - slope, slope)


@inline
def _limit(x):
    """``|x|``, but no more than where exp has vanished."""
    return vclip(vabs(x), 0.0, -LOWEST_SINGLE if is_single(x) else -LOWEST_DOUBLE)


@inline
def _gate(x, v, low):
    """``x / (1 + exp(-s))`` for s = v + low with the sign of x, v >= 0; it is -0 at -inf."""
    zero, one = vset(x, 0.0), vset(x, 1.0)
    negative = vgreater(zero, x)
    w = vwhere(negative, zero - _limit(x), x) / (one + vexp_times(one, zero, zero - v, zero - low))
    return vwhere(negative, vexp_times(w, zero, zero - v, zero - low), w)


@inline
def _gate_slope(x, v, low, dv):
    """Return the derivative of `_gate`, `dv` being that of s."""
    zero, one = vset(x, 0.0), vset(x, 1.0)
    negative = vgreater(zero, x)
    e = vexp_times(one, zero, zero - v, zero - low)
    t = _limit(x)
    w = vfma(t * dv, e / (one + e), vwhere(negative, vfma(zero - t, dv, one), one)) / (one + e)
    return vwhere(negative, vexp_times(w, zero, zero - v, zero - low), w)


@inline
def vsilu(x):
    """``x / (1 + exp(-x))``: within 3 ulp; -0 at -inf."""
    return _gate(x, _limit(x), vset(x, 0.0))


@inline
def vsilu_slope(x):
    """``s * (1 + x * (1 - s))``, s = sigmoid(x): within 3 ulp of the larger term; 0 at -inf, 1 at inf."""
    return _gate_slope(x, _limit(x), vset(x, 0.0), vset(x, 1.0))


@inline
def _tanh_exponent(t):
    """``2 * sqrt(2 / pi) * (t + 0.044715 * t**3)`` for t >= 0, and what rounding takes from it."""
    a, b = vset(t, _TANH_A), vset(t, _TANH_B)
    a_rest, b_rest = _REST_SINGLE if is_single(t) else _REST_DOUBLE
    square = t * t
    product = b * square
    rest = _product_rest(b, square, product) + b * _product_rest(t, t, square) + vset(t, b_rest) * square
    total = a + product
    kept = total - a
    rest = rest + vset(t, a_rest) + ((a - (total - kept)) + (product - kept))
    v = t * total
    return v, vfma(t, rest, _product_rest(t, total, v))


@inline
def vgelu_tanh(x):
    """``x * (1 + tanh(u)) / 2 = x / (1 + exp(-2u))``, u = sqrt(2/pi) * (x + 0.044715 * x**3): within 3 ulp."""
    v, low = _tanh_exponent(_limit(x))
    return _gate(x, v, low)


@inline
def vgelu_tanh_slope(x):
    """Return the derivative of `vgelu_tanh`: within 5 ulp of the larger of its two terms."""
    t = _limit(x)
    v, low = _tanh_exponent(t)
    return _gate_slope(x, v, low, vfma(vset(x, 3.0 * _TANH_B), t * t, vset(x, _TANH_A)))
