"""Group and layer normalisation on lane blocks: each lane is a sample, with means and variances of its own.

A sample has `groups` groups of `channels` channels of `pixels` pixels. `step` leads from a group's scale and shift to
those of the next: `channels` for group normalisation, 0 where all groups share them (layer normalisation of rows).
"""

from ._jit import kernel
from .simd import lanes, vfma, vgreater, vload, vsqrt, vstore, vsum, vwhere
from .vmath import vset


@kernel
def group_norm_block(x, xo, groups, channels, pixels, step, gamma, go, beta, bo, eps, y, yo, stats, so):
    """Normalise; `stats` gets the vectors of means, then those of ``1 / sqrt(var + eps)``, one a group."""
    L = lanes(x)
    size = channels * pixels
    zero, count = vset(x, 0.0), vset(x, float(size))
    for g in range(groups):
        a, b = xo + g * size * L, yo + g * size * L
        sums = zero
        for i in range(size):
            sums = sums + vload(x, a + i * L)
        mean = sums / count
        shifts, squares = zero, zero
        for i in range(size):
            d = vload(x, a + i * L) - mean
            shifts = shifts + d
            squares = vfma(d, d, squares)
        # The deviations do not quite sum to 0, as the mean is rounded: put both right by what is left.
        shift = shifts / count
        mean = mean + shift
        variance = squares / count - shift * shift
        variance = vwhere(vgreater(zero, variance), zero, variance)  # a NaN stays
        inverse = vset(x, 1.0) / vsqrt(variance + vset(x, eps))
        vstore(stats, so + g * L, mean)
        vstore(stats, so + (groups + g) * L, inverse)
        for c in range(channels):
            scale = inverse * vset(x, gamma[go + g * step + c])
            offset = vset(x, beta[bo + g * step + c])
            for i in range(c * pixels, (c + 1) * pixels):
                vstore(y, b + i * L, vfma(vload(x, a + i * L) - mean, scale, offset))


@kernel
def group_norm_backward_block(dy, do, x, xo, groups, channels, pixels, step, gamma, go, stats, so, dx, dxo, has_dx,
                              dgamma, dgo, has_gamma, dbeta, dbo, has_beta):
    """Gradients of x, and of scale and shift summed over the block; dy is 0 in spare lanes, and so is dx."""
    L = lanes(x)
    size, channels_in_all = channels * pixels, step * (groups - 1) + channels
    zero, count = vset(x, 0.0), vset(x, float(size))
    if has_gamma:
        for c in range(channels_in_all):
            dgamma[dgo + c] = 0.0
    if has_beta:
        for c in range(channels_in_all):
            dbeta[dbo + c] = 0.0
    for g in range(groups):
        a, b, e = do + g * size * L, xo + g * size * L, dxo + g * size * L
        mean, inverse = vload(stats, so + g * L), vload(stats, so + (groups + g) * L)
        total, product = zero, zero
        for c in range(channels):
            sums, products = zero, zero
            for i in range(c * pixels, (c + 1) * pixels):
                d_y = vload(dy, a + i * L)
                sums = sums + d_y
                products = vfma(d_y, (vload(x, b + i * L) - mean) * inverse, products)
            scale = vset(x, gamma[go + g * step + c])
            total = vfma(scale, sums, total)
            product = vfma(scale, products, product)
            if has_gamma:
                dgamma[dgo + g * step + c] += vsum(products)
            if has_beta:
                dbeta[dbo + g * step + c] += vsum(sums)
        if has_dx:
            shift, slope = total / count, product / count * inverse
            for c in range(channels):
                scale = vset(x, gamma[go + g * step + c])
                for i in range(c * pixels, (c + 1) * pixels):
                    drop = vfma(vload(x, b + i * L) - mean, slope, shift)
                    vstore(dx, e + i * L, (vload(dy, a + i * L) * scale - drop) * inverse)
