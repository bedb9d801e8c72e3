"""Batch normalisation on lane blocks: each block's moments, their tree over the blocks, and the passes that use them.

Moments are (centre, mean less centre, sum of squared deviations from the mean), `channels` numbers each. They are
merged by the formula of Chan, Golub, LeVeque ("Updating formulae and a pairwise algorithm for computing sample
variances", 1979). A mean in two parts has twice the digits: with one part, float32 blocks of mean 10,000 and
deviation 1 gave a variance that was off by 3e-5.
"""

import numpy as np

from ._jit import kernel
from .simd import first_lanes, lanes, vfma, vload, vstore, vsum, vwhere
from .vmath import vset


@kernel
def block_moments(x, xo, channels, pixels, valid, y, yo):
    """Moments of each channel over the first `valid` lanes."""
    L = lanes(x)
    keep, zero, count = first_lanes(x, valid), vset(x, 0.0), valid * pixels
    for c in range(channels):
        a = xo + c * pixels * L
        sums = zero
        for p in range(pixels):
            sums = sums + vload(x, a + p * L)
        y[yo + c] = vsum(vwhere(keep, sums, zero)) / count
        centre = vset(x, y[yo + c])
        shifts, squares = zero, zero
        for p in range(pixels):
            d = vload(x, a + p * L) - centre
            shifts = shifts + d
            squares = vfma(d, d, squares)
        shift = vsum(vwhere(keep, shifts, zero)) / count
        square = vsum(vwhere(keep, squares, zero)) - shift * shift * count
        y[yo + channels + c] = shift
        y[yo + 2 * channels + c] = 0.0 if square < 0.0 else square  # a NaN stays


@kernel
def merge_moments(m, offset, stride, blocks, channels, pixels, n):
    """Merge the moments of the blocks, `stride` apart, by the balanced tree into those of the first block.

    All blocks but the last hold `lanes` samples of the `n`.
    """
    L = lanes(m)
    step = 1
    while step < blocks:
        of_first = float(step * L * pixels)
        for b in range(0, blocks - step, 2 * step):
            of_second = float((min(n, (b + 2 * step) * L) - (b + step) * L) * pixels)
            share = of_second / (of_first + of_second)
            first = offset + b * stride
            second = first + step * stride
            for c in range(channels):
                shift, square = channels + c, 2 * channels + c
                d = (m[second + c] - m[first + c]) + (m[second + shift] - m[first + shift])
                m[first + shift] += d * share
                m[first + square] += m[second + square] + d * d * (of_first * share)
        step *= 2


@kernel
def finish_moments(m, offset, channels, count, eps, y, yo):
    """Make (mean, 1 / sqrt(biased variance + eps), unbiased variance) of the moments of `count` values a channel."""
    for c in range(channels):
        square = m[offset + 2 * channels + c]
        y[yo + c] = m[offset + c] + m[offset + channels + c]
        y[yo + channels + c] = 1.0 / np.sqrt(square / count + eps)
        y[yo + 2 * channels + c] = square / (count - 1)


@kernel
def normalise_map(x, xo, y, yo, pixels, mean, scale, shift):
    """``y = (x - mean) * scale + shift`` for one channel."""
    L = lanes(x)
    a, b, c = vset(x, mean), vset(x, scale), vset(x, shift)
    for p in range(pixels):
        vstore(y, yo + p * L, vfma(vload(x, xo + p * L) - a, b, c))


@kernel
def block_gradients(dy, do, x, xo, channels, pixels, stats, so, y, yo):
    """Sum ``dy * (x - mean) / std`` and dy over the block: `channels` numbers each; dy is 0 in spare lanes."""
    L = lanes(x)
    for c in range(channels):
        a, b = do + c * pixels * L, xo + c * pixels * L
        mean = vset(x, stats[so + c])
        totals, products = vset(x, 0.0), vset(x, 0.0)
        for p in range(pixels):
            g = vload(dy, a + p * L)
            totals = totals + g
            products = vfma(g, vload(x, b + p * L) - mean, products)
        y[yo + c] = vsum(products) * stats[so + channels + c]
        y[yo + channels + c] = vsum(totals)


@kernel
def block_input_gradient(dy, do, x, xo, channels, pixels, stats, so, gamma, go, sums, to, count, valid, dx, dxo):
    """``dx = gamma / std * (dy - sum(dy) / count - z * sum(dy * z) / count)``; spare lanes get 0."""
    L = lanes(x)
    keep, zero = first_lanes(x, valid), vset(x, 0.0)
    for c in range(channels):
        a, b, e = do + c * pixels * L, xo + c * pixels * L, dxo + c * pixels * L
        inverse = stats[so + channels + c]
        mean, scale = vset(x, stats[so + c]), vset(x, gamma[go + c] * inverse)
        slope = vset(x, sums[to + c] * inverse / count)
        shift = vset(x, sums[to + channels + c] / count)
        for p in range(pixels):
            drop = vfma(vload(x, b + p * L) - mean, slope, shift)
            vstore(dx, e + p * L, vwhere(keep, (vload(dy, a + p * L) - drop) * scale, zero))
