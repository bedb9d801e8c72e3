"""Logarithms on vectors.

The reduction and the coefficients are those of fdlibm (e_log.c) and of its float32 version in FreeBSD (e_logf.c):
"Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun Microsystems, Inc.
business. Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is
preserved."
"""

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from ._jit import inline
from .simd import Vec, vabs, vequal, vgreater, vwhere
from .vmath import horner, is_single, vexp, vset

# (log(1 + f) - log(1 - f) - 2 * s) / s**3 with s = f / (2 + f), in powers of s**2.
_SINGLE = (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693)
_DOUBLE = (
    1.479819860511658591e-1, 1.531383769920937332e-1, 1.818357216161805012e-1, 2.222219843214978396e-1,
    2.857142874366239149e-1, 3.999999999940941908e-1, 6.666666666666735130e-1,
)
_INF, _NAN = np.inf, np.nan


def _parts(builder, bits, a):
    """Emit the bits of `a` less those of sqrt(1/2), in which the exponent changes at sqrt(1/2) instead of at 1."""
    integer = ir.VectorType(ir.IntType(bits), a.type.count)
    root = ir.Constant(integer, [0x3F3504F3 if bits == 32 else 0x3FE6A09E667F3BCD] * integer.count)
    return integer, root, builder.sub(builder.bitcast(a, integer), root)


@intrinsic
def vexponent(typingctx, a):
    """Return the k for which ``a / 2**k`` is from sqrt(1/2) to sqrt(2), for a normal and above 0."""
    if not isinstance(a, Vec):
        return None
    width = a.dtype.bitwidth

    def codegen(context, builder, sig, args):
        integer, _, bits = _parts(builder, width, args[0])
        power = builder.ashr(bits, ir.Constant(integer, [23 if width == 32 else 52] * integer.count))
        return builder.sitofp(power, args[0].type)

    return a(a), codegen


@intrinsic
def vmantissa(typingctx, a):
    """Return ``a / 2**k``, from sqrt(1/2) to sqrt(2), for a normal and above 0."""
    if not isinstance(a, Vec):
        return None
    width = a.dtype.bitwidth

    def codegen(context, builder, sig, args):
        integer, root, bits = _parts(builder, width, args[0])
        bits = builder.and_(bits, ir.Constant(integer, [(1 << (23 if width == 32 else 52)) - 1] * integer.count))
        return builder.bitcast(builder.add(bits, root), args[0].type)

    return a(a), codegen


@inline
def _log(u, k, c):
    """``log(u * (1 + c)) + k * log(2)``, c being far smaller than 1, for any u; k was taken from u beforehand."""
    # log(2) in two parts, of which the first has so few bits that its product with k is exact.
    if is_single(u):
        ln2_high, ln2_low = 6.9313812256e-1, 9.0580006145e-6
    else:
        ln2_high, ln2_low = 6.93147180369123816490e-1, 1.90821492927058770002e-10
    f = vmantissa(u) - vset(u, 1.0)
    k = k + vexponent(u)
    s = f / (vset(u, 2.0) + f)
    z = s * s
    rest = z * horner(z, _SINGLE) if is_single(u) else z * horner(z, _DOUBLE)
    half_square = vset(u, 0.5) * f * f
    small = s * (half_square + rest) + (k * vset(u, ln2_low) + c)
    value = k * vset(u, ln2_high) - ((half_square - small) - f)
    value = vwhere(vgreater(vset(u, _INF), u), value, u)  # inf and NaN stay
    value = vwhere(vequal(u, vset(u, 0.0)), vset(u, -_INF), value)
    return vwhere(vgreater(vset(u, 0.0), u), vset(u, _NAN), value)


@inline
def vlog(x):
    """Natural logarithm: within 1 ulp; -inf at 0, NaN below, inf for inf, NaN for NaN."""
    zero = vset(x, 0.0)
    # Numbers below the normal ones, of which there are at most 23 (52) powers of two, are scaled up first.
    smallest = 1.1754943508222875e-38 if is_single(x) else 2.2250738585072014e-308
    small = vgreater(vset(x, smallest), x)
    return _log(vwhere(small, x * vset(x, 2.0**54), x), vwhere(small, vset(x, -54.0), zero), zero)


@inline
def vlog1p(x):
    """``log(1 + x)``: within 2 ulp; -0 for -0, -inf at -1, NaN below, inf for inf, NaN for NaN."""
    zero, one = vset(x, 0.0), vset(x, 1.0)
    u = one + x
    # What rounding took from u, which is the sum of a larger and a smaller number.
    lost = vwhere(vgreater(x, one), one - (u - x), x - (u - one))
    c = vwhere(vgreater(u, zero), lost / u, zero)
    return vwhere(vequal(x, zero), x, _log(u, zero, c))


@inline
def vsoftplus(x):
    """``log(1 + exp(x))``, written so that exp cannot overflow: within 3 ulp."""
    zero = vset(x, 0.0)
    return vwhere(vgreater(x, zero), x, zero) + vlog1p(vexp(zero - vabs(x)))
