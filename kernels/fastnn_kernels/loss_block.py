"""Losses that are sums over elements: the functions by number, and the kernels that sum them.

A kernel is compiled for one loss alone: the number is a constant where the kernel is called, as of a closure.
"""

from numba.core import types

from ._jit import inline, inner_overload, kernel
from .simd import lanes, vabs, vcopysign, vequal, vfma, vgreater, vload, vload_first, vstore, vstore_first, vsum, vwhere
from .vlog import vlog, vlog1p
from .vmath import vexp, vset

HALF_SQUARE, SQUARE, HUBER, LOGISTIC, CATEGORICAL = range(5)
# Losses with one value a sample; the others have one an element.
OF_SAMPLES = (HALF_SQUARE, CATEGORICAL)
# Vectors of scratch of a block whose samples have weights: losses, hits, weights.
WEIGHED_WORK = 3
# Vectors summed before their sum joins the total, so that no sum in float32 has many terms.
_RUN = 32


@inline
def _half_square(x, t, delta):
    e = x - t
    return vset(x, 0.5) * e * e


@inline
def _square(x, t, delta):
    e = x - t
    return e * e


@inline
def _double(x, t, delta):
    e = x - t
    return e + e


@inline
def _bounded(a, delta):
    return vwhere(vgreater(a, vset(a, delta)), vset(a, delta), a)


@inline
def _huber(x, t, delta):
    a = vabs(x - t)
    b = _bounded(a, delta)
    return b * (a - vset(x, 0.5) * b)


@inline
def _huber_slope(x, t, delta):
    e = x - t
    return vcopysign(_bounded(vabs(e), delta), e)


@inline
def _logistic(x, t, delta):
    # max(x, 0) - x * t + log(1 + exp(-|x|)), without a difference of large terms.
    a = vabs(x)
    other = vwhere(vgreater(x, vset(x, 0.0)), vset(x, 1.0) - t, t)
    return vfma(a, other, vlog1p(vexp(vset(x, 0.0) - a)))


@inline
def _logistic_slope(x, t, delta):
    # sigmoid(x) - t, from the smaller of the two shares.
    e = vexp(vset(x, 0.0) - vabs(x))
    share = e / (vset(x, 1.0) + e)
    return vwhere(vgreater(x, vset(x, 0.0)), (vset(x, 1.0) - t) - share, share - t)


@inline
def _taking_part(p, t):
    """Return p, and 1 where the target is 0: no part in the loss, also where p is 0; a NaN stays one."""
    return vwhere(vequal(t, vset(p, 0.0)), vwhere(vequal(p, p), vset(p, 1.0), p), p)


@inline
def _categorical(p, t, delta):
    return vset(p, 0.0) - t * vlog(_taking_part(p, t))


@inline
def _categorical_slope(p, t, delta):
    return vset(p, 0.0) - t / _taking_part(p, t)


# loss = f(x, t, delta) and its derivative with respect to x; NaN where x or t is NaN.
_LOSSES = {
    HALF_SQUARE: (_half_square, inline(lambda x, t, delta: x - t)),
    SQUARE: (_square, _double),
    HUBER: (_huber, _huber_slope),
    LOGISTIC: (_logistic, _logistic_slope),
    CATEGORICAL: (_categorical, _categorical_slope),
}


def loss_flat(kind, x, t, d, losses, keep, first, last, scale, delta):
    """Sum the losses of elements `first` to `last` of flat arrays; `d` gets their derivatives times `scale`.

    With `keep` each loss is written to `losses` as well. `kind` is a constant.
    """
    raise NotImplementedError("for compiled code")


@inner_overload(loss_flat, prefer_literal=True)
def _loss_flat(kind, x, t, d, losses, keep, first, last, scale, delta):
    if not isinstance(kind, types.IntegerLiteral):
        return None
    loss_of, slope_of = _LOSSES[kind.literal_value]

    def call(kind, x, t, d, losses, keep, first, last, scale, delta):
        L = lanes(x)
        total = 0.0
        i = first
        while i + L <= last:
            part = vset(x, 0.0)
            stop = min(last, i + _RUN * L)
            while i + L <= stop:
                a, b = vload(x, i), vload(t, i)
                loss = loss_of(a, b, delta)
                part = part + loss
                vstore(d, i, slope_of(a, b, delta) * vset(x, scale))
                if keep:
                    vstore(losses, i, loss)
                i += L
            total += vsum(part)
        if i < last:
            n = last - i
            a, b = vload_first(x, i, n), vload_first(t, i, n)
            loss = loss_of(a, b, delta)
            # By way of memory, so that the sum has zeros behind the end, where the loss of 0 need not be 0.
            vstore_first(d, i, loss, n)
            total += vsum(vload_first(d, i, n))
            vstore_first(d, i, slope_of(a, b, delta) * vset(x, scale), n)
            if keep:
                vstore_first(losses, i, loss, n)
        return total

    return call


def loss_block(kind, x, xo, t, to, d, do, size, valid, scale, delta, work, wo):
    """Losses of a block of (size, lanes), and their derivatives times `scale`, zero in spare lanes.

    `work` has room for 2 vectors, which then hold the summed loss of each lane, and zeros: no predictions of classes.
    `kind` is a constant.
    """
    raise NotImplementedError("for compiled code")


@inner_overload(loss_block, prefer_literal=True)
def _loss_block(kind, x, xo, t, to, d, do, size, valid, scale, delta, work, wo):
    if not isinstance(kind, types.IntegerLiteral):
        return None
    loss_of, slope_of = _LOSSES[kind.literal_value]

    def call(kind, x, xo, t, to, d, do, size, valid, scale, delta, work, wo):
        L = lanes(x)
        for lane in range(L):
            work[wo + lane] = 1.0 if lane < valid else 0.0
        zero = vset(x, 0.0)
        live = vgreater(vload(work, wo), zero)
        total = zero
        for start in range(0, size, _RUN):
            part = zero
            for f in range(start, min(size, start + _RUN)):
                a, b = vload(x, xo + f * L), vload(t, to + f * L)
                part = part + loss_of(a, b, delta)
                vstore(d, do + f * L, vwhere(live, slope_of(a, b, delta) * vset(x, scale), zero))
            total = total + part
        vstore(work, wo, total)
        vstore(work, wo + L, zero)

    return call


@kernel
def weigh_block(d, do, size, work, wo, weights, samples, first):
    """Multiply the losses of a block and their derivatives by the weights of its samples.

    Both are zero where the weight is, for NaN too. `work` starts with the losses and has WEIGHED_WORK vectors.
    """
    L = lanes(d)
    at = wo + 2 * L
    for lane in range(L):
        work[at + lane] = weights[samples[first + lane]]
    zero, weight = vset(d, 0.0), vload(work, at)
    live = vgreater(weight, zero)
    vstore(work, wo, vwhere(live, vload(work, wo) * weight, zero))
    for f in range(size):
        vstore(d, do + f * L, vwhere(live, vload(d, do + f * L) * weight, zero))


@kernel
def lane_sums(work, wo, valid, sums, so):
    """Sum the losses and the hits of the valid lanes, in their order."""
    L = lanes(work)
    loss = 0.0
    hits = 0.0
    for lane in range(valid):
        loss += work[wo + lane]
        hits += work[wo + L + lane]
    sums[so] = loss
    sums[so + 1] = hits
