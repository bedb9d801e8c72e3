"""Losses of single elements, on lane blocks and on flat arrays: the value and its derivative."""

from ._jit import inline, kernel
from .simd import lanes, vabs, vcopysign, vfma, vgreater, vload, vload_first, vstore, vstore_first, vsum, vwhere
from .vmath import is_single, vexp, vset

# Numbers of the losses: constants of the compiled functions, so that each holds one branch.
HALF_SQUARE, SQUARE, HUBER, LOGISTIC = range(4)
# Vectors summed before their sum joins the total, so that no sum in float32 has many terms.
_RUN = 32


@inline
def _log1p(e):
    """``log(1 + e)`` for 0 <= e <= 1: ``2 * atanh(s)`` with ``s = e / (2 + e) <= 1/3``, by its series."""
    s = e / (vset(e, 2.0) + e)
    z = s * s
    total = vset(e, 0.0)
    for k in range(8 if is_single(e) else 17, 0, -1):
        total = vfma(total, z, vset(e, 1.0 / (2 * k + 1)))
    return vfma(total * z, s + s, s + s)


@inline
def loss_of(kind, x, t, delta):
    """Loss of each element; NaN where x or t is NaN."""
    if kind == LOGISTIC:
        # max(x, 0) - x * t + log(1 + exp(-|x|)), without a difference of large terms.
        a = vabs(x)
        other = vwhere(vgreater(x, vset(x, 0.0)), vset(x, 1.0) - t, t)
        return vfma(a, other, _log1p(vexp(vset(x, 0.0) - a)))
    e = x - t
    if kind == HALF_SQUARE:
        return vset(x, 0.5) * e * e
    if kind == SQUARE:
        return e * e
    a = vabs(e)
    bounded = vwhere(vgreater(a, vset(x, delta)), vset(x, delta), a)
    return bounded * (a - vset(x, 0.5) * bounded)


@inline
def slope_of(kind, x, t, delta):
    """Return the derivative of the loss with respect to x."""
    if kind == LOGISTIC:
        # sigmoid(x) - t, from the smaller of the two shares.
        e = vexp(vset(x, 0.0) - vabs(x))
        share = e / (vset(x, 1.0) + e)
        return vwhere(vgreater(x, vset(x, 0.0)), (vset(x, 1.0) - t) - share, share - t)
    e = x - t
    if kind == HALF_SQUARE:
        return e
    if kind == SQUARE:
        return e + e
    a = vabs(e)
    return vcopysign(vwhere(vgreater(a, vset(x, delta)), vset(x, delta), a), e)


@kernel
def loss_flat(kind, x, t, d, losses, keep, first, last, scale, delta):
    """Sum the losses of elements `first` to `last` of flat arrays; `d` gets their derivatives times `scale`.

    With `keep` each loss is written to `losses` as well.
    """
    L = lanes(x)
    total = 0.0
    i = first
    while i + L <= last:
        part = vset(x, 0.0)
        stop = min(last, i + _RUN * L)
        while i + L <= stop:
            a, b = vload(x, i), vload(t, i)
            loss = loss_of(kind, a, b, delta)
            part = part + loss
            vstore(d, i, slope_of(kind, a, b, delta) * vset(x, scale))
            if keep:
                vstore(losses, i, loss)
            i += L
        total += vsum(part)
    if i < last:
        n = last - i
        a, b = vload_first(x, i, n), vload_first(t, i, n)
        loss = loss_of(kind, a, b, delta)
        # By way of memory, so that the sum has zeros behind the end, where the loss of 0 need not be 0.
        vstore_first(d, i, loss, n)
        total += vsum(vload_first(d, i, n))
        vstore_first(d, i, slope_of(kind, a, b, delta) * vset(x, scale), n)
        if keep:
            vstore_first(losses, i, loss, n)
    return total


@kernel
def loss_block(kind, x, xo, t, to, d, do, size, valid, scale, delta, work, wo):
    """Losses of a block of (size, lanes), and their derivatives times `scale`, zero in spare lanes.

    `work` has room for 2 vectors, which then hold the summed loss of each lane and zeros: no predictions of classes.
    """
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
            part = part + loss_of(kind, a, b, delta)
            vstore(d, do + f * L, vwhere(live, slope_of(kind, a, b, delta) * vset(x, scale), zero))
        total = total + part
    vstore(work, wo, total)
    vstore(work, wo + L, zero)


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
