"""Cross-entropy of logits over classes: the loss of each sample, and the gradient; predictions that are right."""

from ._jit import inline, kernel
from .simd import lanes, vbeats, vequal, vgreater, vload, vstore, vwhere
from .vlog import vlog
from .vmath import vexp, vset

# Vectors of scratch that a block takes.
SOFTMAX_WORK = 3


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
    losses, hits, wanted = at, at + L, at + 2 * L
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
    vstore(work, losses, vwhere(live, mass * vlog(total) - product, zero))
    vstore(work, hits, vwhere(vequal(winner, vload(work, wanted)), vset(x, 1.0), zero))
    factor, step = mass * vset(x, scale) / total, vset(x, scale)
    for c in range(classes):
        g = vload(d, do + c * L) * factor - vload(q, qo + c * L) * step
        vstore(d, do + c * L, vwhere(live, g, zero))


@kernel
def hits_block(x, xo, t, to, classes, work, at):
    """Write 1 for each lane whose largest prediction is that of its largest target, else 0."""
    _, winner = _largest(x, xo, classes)
    _, wanted = _largest(t, to, classes)
    vstore(work, at, vwhere(vequal(winner, wanted), vset(x, 1.0), vset(x, 0.0)))
