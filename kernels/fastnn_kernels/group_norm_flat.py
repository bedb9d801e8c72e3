"""Group and layer normalisation of (N, C, P) arrays: a mean and a variance for each run of `size` elements.

A run is a group of channels of one sample, contiguous in memory. Scale and shift are a number a channel for maps of
many pixels, else a number a feature, read as vectors (`wide` False or True). Means and variances are computed as those
of batch normalisation are (`batch_norm_flat`).
"""

import numpy as np

from ._jit import inline, kernel
from .simd import first_lanes, lanes, vfma, vload, vsum, vwhere
from .span import load_span, store_span
from .vmath import vset

# Elements summed in vectors before they go to a total in float64.
_PIECE = 4096
# Maps of so many pixels have their scale and shift by channel.
WIDE_BELOW = 64


@inline
def _factor(m, i, wide, count):
    """Vector of the numbers from `i` on, or of the one at `i`."""
    if wide:
        return load_span(m, i, count)
    return vset(m, m[i])


@inline
def _deviation(x, i, count, centre):
    """Vector of ``x - centre``, zeros where there is no element."""
    if count >= lanes(x):
        return vload(x, i) - centre
    return vwhere(first_lanes(x, count), load_span(x, i, count) - centre, vset(x, 0.0))


@kernel
def by_feature(values, pixels):
    """Repeat a number a channel for each of its pixels, where maps are small."""
    if pixels == 1 or pixels >= WIDE_BELOW:
        return values
    repeated = np.empty(values.size * pixels, values.dtype)
    for c in range(values.size):
        for p in range(pixels):
            repeated[c * pixels + p] = values[c]
    return repeated


@kernel
def run_moments(x, start, size):
    """Mean and biased variance of a run."""
    L = lanes(x)
    end, total = start + size, 0.0
    for first in range(start, end, _PIECE):
        last = min(end, first + _PIECE)
        sums = vset(x, 0.0)
        for i in range(first, last, L):
            sums = sums + load_span(x, i, last - i)
        total += vsum(sums)
    centre = x.dtype.type(total / size)  # rounded as the vectors hold it: the deviations are from exactly this
    shift, moment = 0.0, 0.0
    for first in range(start, end, _PIECE):
        last = min(end, first + _PIECE)
        sums, squares = vset(x, 0.0), vset(x, 0.0)
        for i in range(first, last, L):
            d = _deviation(x, i, last - i, vset(x, centre))
            sums = sums + d
            squares = vfma(d, d, squares)
        shift += vsum(sums)
        moment += vsum(squares)
    variance = (moment - shift * shift / size) / size
    if variance < 0.0:  # a NaN stays
        variance = 0.0
    return centre + shift / size, variance


@kernel
def normalise_run(x, y, start, size, mean, inverse, gamma, g, beta, wide):
    """``y = (x - mean) * inverse * gamma + beta``, with gamma and beta from `g` on."""
    centre, scale = vset(x, mean), vset(x, inverse)
    for k in range(0, size, lanes(x)):
        n = size - k
        at = g + k if wide else g
        value = vfma(load_span(x, start + k, n) - centre, scale * _factor(gamma, at, wide, n),
                     _factor(beta, at, wide, n))
        store_span(y, start + k, value, n)


@kernel
def run_gradients_wide(dy, x, start, size, mean, inverse, gamma, g, sums, at_gamma, at_beta):
    """Add a run to the gradients of gamma and beta; return the sums of ``gamma * dy`` and of that times x - mean."""
    centre, scale = vset(x, mean), vset(x, inverse)
    total, product = vset(x, 0.0), vset(x, 0.0)
    for k in range(0, size, lanes(x)):
        n = size - k
        # Behind the end dy is 0, and so is all that it is multiplied with.
        d_y, d = load_span(dy, start + k, n), load_span(x, start + k, n) - centre
        store_span(sums, at_gamma + k, vfma(d_y, d * scale, load_span(sums, at_gamma + k, n)), n)
        store_span(sums, at_beta + k, load_span(sums, at_beta + k, n) + d_y, n)
        scaled = d_y * load_span(gamma, g + k, n)
        total = total + scaled
        product = vfma(scaled, d, product)
    return np.float64(vsum(total)), np.float64(vsum(product))


@kernel
def map_gradients(dy, x, start, size, mean):
    """Sum dy and ``dy * (x - mean)`` over one map."""
    centre, L = vset(x, mean), lanes(x)
    total, product = 0.0, 0.0
    for first in range(start, start + size, _PIECE):
        last = min(start + size, first + _PIECE)
        sums, products = vset(x, 0.0), vset(x, 0.0)
        for i in range(first, last, L):
            d_y = load_span(dy, i, last - i)
            sums = sums + d_y
            products = vfma(d_y, load_span(x, i, last - i) - centre, products)
        total += vsum(sums)
        product += vsum(products)
    return total, product


@kernel
def run_input_gradient(dy, x, dx, start, size, mean, inverse, gamma, g, wide, slope, shift):
    """``dx = dy * gamma * inverse - (x - mean) * slope - shift``."""
    centre, scale, tilt, offset = vset(x, mean), vset(x, inverse), vset(x, slope), vset(x, shift)
    for k in range(0, size, lanes(x)):
        n = size - k
        scaled = load_span(dy, start + k, n) * (scale * _factor(gamma, g + k if wide else g, wide, n))
        value = scaled - vfma(load_span(x, start + k, n) - centre, tilt, offset)
        store_span(dx, start + k, value, n)
