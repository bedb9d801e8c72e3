"""Batch normalisation on lane blocks: each block's moments, their tree over the blocks, and the passes that use them.

Moments are (centre, mean less centre, sum of squared deviations from the mean), `channels` numbers each. They are
merged by the formula of Chan, Golub, LeVeque ("Updating formulae and a pairwise algorithm for computing sample
variances", 1979). A mean in two parts has twice the digits: with one part, float32 blocks of mean 10,000 and
deviation 1 gave a variance that was off by 3e-5.
"""

import numpy as np

from ._jit import inline, kernel
from .elementwise_block import vrelu, vrelu_backward
from .simd import first_lanes, lanes, vfma, vload, vstore, vsum, vwhere
from .vmath import vset


@kernel
def block_moments(x, xo, x_channel, x_row, channels, rows, cols, valid, y, yo):
    """Moments of each channel of `rows` x `cols` pixels over the first `valid` lanes."""
    L = lanes(x)
    keep, zero, count = first_lanes(x, valid), vset(x, 0.0), valid * rows * cols
    for c in range(channels):
        sums = zero
        for h in range(rows):
            a = xo + c * x_channel + h * x_row
            for p in range(cols):
                sums = sums + vload(x, a + p * L)
        y[yo + c] = vsum(vwhere(keep, sums, zero)) / count
        centre = vset(x, y[yo + c])
        shifts, squares = zero, zero
        for h in range(rows):
            a = xo + c * x_channel + h * x_row
            for p in range(cols):
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
def normalise_map(x, xo, x_row, z, zo, z_row, y, yo, y_row, rows, cols, mean, scale, shift, adds, relu):
    """``y = (x - mean) * scale + shift`` for one channel; then z added where `adds`, then relu where `relu`."""
    L = lanes(x)
    a, b, c = vset(x, mean), vset(x, scale), vset(x, shift)
    for h in range(rows):
        for p in range(cols):
            v = vfma(vload(x, xo + h * x_row + p * L) - a, b, c)
            if adds:
                v = v + vload(z, zo + h * z_row + p * L)
            if relu:
                v = vrelu(v)
            vstore(y, yo + h * y_row + p * L, v)


@inline
def _through(g, y, p, relu):
    """Gradient in front of the relu that gave y, where there is one."""
    if relu:
        return vrelu_backward(g, vload(y, p))
    return g


@kernel
def block_gradients(dy, do, d_channel, d_row, x, xo, x_channel, x_row, y, yo, y_channel, y_row, channels, rows, cols,
                    stats, so, sums, to, relu):
    """Sum ``dy * (x - mean) / std`` and dy over the block: `channels` numbers each; dy is 0 in spare lanes."""
    L = lanes(x)
    for c in range(channels):
        mean = vset(x, stats[so + c])
        totals, products = vset(x, 0.0), vset(x, 0.0)
        for h in range(rows):
            a, b, e = do + c * d_channel + h * d_row, xo + c * x_channel + h * x_row, yo + c * y_channel + h * y_row
            for p in range(cols):
                g = _through(vload(dy, a + p * L), y, e + p * L, relu)
                totals = totals + g
                products = vfma(g, vload(x, b + p * L) - mean, products)
        sums[to + c] = vsum(products) * stats[so + channels + c]
        sums[to + channels + c] = vsum(totals)


@kernel
def input_gradient_map(dy, do, d_row, x, xo, x_row, y, yo, y_row, dx, dxo, dx_row, dz, dzo, dz_row, rows, cols,
                       mean, scale, slope, shift, valid, relu, wants_dx, wants_dz):
    """``dx = (dy - shift - (x - mean) * slope) * scale`` for one channel; spare lanes get 0.

    With `relu` dy is taken through it, and is then the gradient dz of what was added in front of it.
    """
    L = lanes(x)
    keep, zero = first_lanes(x, valid), vset(x, 0.0)
    a, b, c, e = vset(x, mean), vset(x, scale), vset(x, slope), vset(x, shift)
    for h in range(rows):
        for p in range(cols):
            g = _through(vload(dy, do + h * d_row + p * L), y, yo + h * y_row + p * L, relu)
            if wants_dz:
                vstore(dz, dzo + h * dz_row + p * L, g)
            if wants_dx:
                drop = vfma(vload(x, xo + h * x_row + p * L) - a, c, e)
                vstore(dx, dxo + h * dx_row + p * L, vwhere(keep, (g - drop) * b, zero))
