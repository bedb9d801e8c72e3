"""Cross-entropies over classes: the loss of each sample, and the gradient."""

import numpy as np

from ._jit import inline, kernel
from .simd import lanes, vbeats, vequal, vgreater, vload, vstore, vwhere
from .vmath import vexp, vset

# Vectors of scratch that the blocks take.
SOFTMAX_WORK = 5
CATEGORICAL_WORK = 2


@inline
def label_weight(label, weights, wo, weighted, ignore_index):
    """Weight of a sample with this label: that of its class, 0 where the label is left out."""
    if label == ignore_index:
        return 0.0
    return float(weights[wo + label]) if weighted else 1.0


@inline
def inverse(total):
    """``1 / total``; 0 for 0, so that a batch in which nothing counts has loss 0 and gradient 0."""
    return 1.0 / total if total != 0.0 else 0.0


@inline
def _largest(x, xo, classes):
    """Largest of each lane, or its first NaN, and its class: the first one where several are equal."""
    L = lanes(x)
    largest = vload(x, xo)
    winner = vset(x, 0.0)
    for c in range(1, classes):
        new = vload(x, xo + c * L)
        beats = vbeats(new, largest)
        largest = vwhere(beats, new, largest)
        winner = vwhere(beats, vset(x, float(c)), winner)
    return largest, winner


@inline
def _largest_share(soft, start, classes):
    """Class with the largest share, the first one where several are equal."""
    best = 0
    for c in range(1, classes):
        if soft[start + c] > soft[start + best]:
            best = c
    return best


@kernel
def _fill_shares(q, qo, classes, labels, soft, use_soft, samples, first, valid, ignore_index, wanted, at):
    """Write the target of each lane as shares of the classes, and at `wanted` its class: -1 where it takes no part."""
    L = lanes(q)
    for c in range(classes):
        vstore(q, qo + c * L, vset(q, 0.0))
    vstore(wanted, at, vset(q, -1.0))
    for lane in range(valid):
        sample = samples[first + lane]
        if use_soft:
            for c in range(classes):
                q[qo + c * L + lane] = soft[sample * classes + c]
            wanted[at + lane] = _largest_share(soft, sample * classes, classes)
        elif labels[sample] != ignore_index:
            q[qo + labels[sample] * L + lane] = 1.0
            wanted[at + lane] = labels[sample]


@kernel
def softmax_cross_entropy_block(x, xo, classes, labels, soft, use_soft, samples, first, valid, weights, wo, weighted,
                                ignore_index, smoothing, scale, d, do, q, qo, work, at):
    """Loss and gradient of one block of logits (classes, lanes).

    Targets are `labels` (one integer a sample) or `soft` (a row of `classes` shares a sample). With the shares q,
    smoothed and weighted, the loss is ``-sum(q * log_softmax(x))`` and the gradient ``softmax(x) * sum(q) - q``, here
    multiplied by `scale`. Both are zero where the label is `ignore_index`, the gradient in spare lanes too.
    `q` has room for the shares, `work` for SOFTMAX_WORK vectors; the first two then hold the loss of each lane, and
    1 where the largest logit is that of the target, else 0.
    """
    L = lanes(x)
    losses, hits, mass_at, products, wanted = at, at + L, at + 2 * L, at + 3 * L, at + 4 * L
    _fill_shares(q, qo, classes, labels, soft, use_soft, samples, first, valid, ignore_index, work, wanted)
    largest, winner = _largest(x, xo, classes)
    zero = vset(x, 0.0)
    own, others = vset(x, 1.0 - smoothing), vset(x, smoothing / classes)
    total, mass, product = zero, zero, zero
    for c in range(classes):
        share = vload(q, qo + c * L) * own + others
        if weighted:
            share = share * vset(x, float(weights[wo + c]))
        z = vload(x, xo + c * L) - largest
        e = vexp(z)
        total = total + e
        mass = mass + share
        product = product + vwhere(vequal(share, zero), zero, share * z)  # a share of 0 takes no part, also at -inf
        vstore(q, qo + c * L, share)
        vstore(d, do + c * L, e)
    live = vgreater(vload(work, wanted), vset(x, -0.5))
    vstore(work, hits, vwhere(vequal(winner, vload(work, wanted)), vset(x, 1.0), zero))
    vstore(work, losses, total)
    vstore(work, mass_at, mass)
    vstore(work, products, product)
    factor, step = mass * vset(x, scale) / total, vset(x, scale)
    for c in range(classes):
        g = vload(d, do + c * L) * factor - vload(q, qo + c * L) * step
        vstore(d, do + c * L, vwhere(live, g, zero))
    for lane in range(L):
        counts = work[wanted + lane] >= 0.0
        log_total = np.log(work[losses + lane])
        work[losses + lane] = work[mass_at + lane] * log_total - work[products + lane] if counts else 0.0


@kernel
def categorical_cross_entropy_sample(p, po, step, t, to, classes, scale, d, do):
    """Return ``-sum(t * log(p))`` of one sample; `d` gets ``-t / p`` times `scale`.

    Elements of `p` and `d` are `step` apart. A target of 0 takes no part, also where p is 0; a NaN stays one.
    """
    loss = 0.0
    for c in range(classes):
        share, chance = t[to + c], p[po + c * step]
        if share == 0.0 and chance == chance:
            d[do + c * step] = 0.0
        else:
            loss -= share * np.log(chance)
            d[do + c * step] = -share / chance * scale
    return loss


@kernel
def categorical_cross_entropy_block(p, po, classes, t, samples, first, valid, scale, d, do, work, wo):
    """Loss and gradient of one block of probabilities (classes, lanes); `work` as for softmax_cross_entropy_block."""
    L = lanes(p)
    _, winner = _largest(p, po, classes)
    vstore(work, wo + L, winner)
    for c in range(classes):
        vstore(d, do + c * L, vset(p, 0.0))
    for lane in range(valid):
        start = samples[first + lane] * classes
        work[wo + lane] = categorical_cross_entropy_sample(p, po + lane, L, t, start, classes, scale, d, do + lane)
        work[wo + L + lane] = 1.0 if work[wo + L + lane] == _largest_share(t, start, classes) else 0.0
