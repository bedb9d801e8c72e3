"""Losses on lane blocks: loss of each lane, and the gradient of the batch's mean."""

import numpy as np

from ._jit import kernel
from .simd import lanes, vbeats, vload, vstore, vwhere
from .vmath import vexp, vset


@kernel
def softmax_cross_entropy_block(x, xo, classes, labels, soft, use_soft, samples, first, valid, scale, d, do, work, wo):
    """Loss and gradient of one block of logits (classes, lanes).

    Targets are `labels` (one integer a sample) or `soft` (a row of `classes` numbers a sample); the gradient is
    multiplied by `scale`, and is zero in spare lanes. `work` has room for 5 vectors; the first two then hold the
    loss of each lane, and 1 where the largest logit is that of the target, else 0.
    """
    L = lanes(x)
    losses, hits, top, total_at, factors = wo, wo + L, wo + 2 * L, wo + 3 * L, wo + 4 * L
    largest = vload(x, xo)
    winner = vset(x, 0.0)
    for c in range(1, classes):
        new = vload(x, xo + c * L)
        beats = vbeats(new, largest)
        largest = vwhere(beats, new, largest)
        winner = vwhere(beats, vset(x, float(c)), winner)
    total = vset(x, 0.0)
    for c in range(classes):
        e = vexp(vload(x, xo + c * L) - largest)
        total = total + e
        vstore(d, do + c * L, e)
    vstore(work, total_at, total)
    vstore(work, hits, winner)
    vstore(work, top, largest)
    for lane in range(L):
        factor = scale
        if use_soft and lane < valid:
            # The gradient is softmax * sum of the targets - target: rows need not sum to one.
            mass = 0.0
            for c in range(classes):
                mass += soft[samples[first + lane] * classes + c]
            factor = scale * mass
        work[factors + lane] = factor if lane < valid else 0.0
    factor = vload(work, factors) / total
    for c in range(classes):
        vstore(d, do + c * L, vload(d, do + c * L) * factor)
    for lane in range(valid):
        sample = samples[first + lane]
        log_total = np.log(work[total_at + lane])
        if use_soft:
            loss = 0.0
            best = 0
            for c in range(classes):
                share = soft[sample * classes + c]
                loss += share * (log_total - (x[xo + c * L + lane] - work[top + lane]))
                d[do + c * L + lane] -= scale * share
                if share > soft[sample * classes + best]:
                    best = c
            work[losses + lane] = loss
            work[hits + lane] = 1.0 if work[hits + lane] == best else 0.0
        else:
            label = labels[sample]
            work[losses + lane] = log_total - (x[xo + label * L + lane] - work[top + lane])
            d[do + label * L + lane] -= scale
            work[hits + lane] = 1.0 if work[hits + lane] == label else 0.0


@kernel
def sum_squared_error_block(x, xo, size, target, samples, first, valid, scale, d, do, work, wo):
    """``0.5 * sum((x - t)**2)`` of each valid lane, and its gradient times `scale`; `work` as for cross-entropy."""
    L = lanes(x)
    for f in range(size):
        vstore(d, do + f * L, vset(x, 0.0))
    for lane in range(valid):
        sample = samples[first + lane]
        loss = 0.0
        for f in range(size):
            e = x[xo + f * L + lane] - target[sample * size + f]
            loss += 0.5 * e * e
            d[do + f * L + lane] = e * scale
        work[wo + lane] = loss
        work[wo + L + lane] = 0.0


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
