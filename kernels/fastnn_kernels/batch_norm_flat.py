"""Batch normalisation of (N, C, P) arrays of small maps: each sample is a row of features, the pixels of its channels.

A task owns some channels and sums their features over all samples, in their order: whole vectors, however few pixels a
map has. Means come from the sum, then from the deviations from it, so that neither a large mean nor a long sum costs
digits: the corrected two-pass algorithm (Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The
American Statistician 37, 1983). Maps of many pixels go by `group_norm_flat`, a run a map.
"""

from ._jit import inline, kernel
from .simd import lanes, vfma, vload, vstore
from .span import load_span, store_span

# Features of one task: its buffers stay in the first-level cache.
TASK_FEATURES = 512
# Samples summed in the vectors' precision before the sums go to float64.
SECTION = 256


@inline
def _move_sums(buffers, at, channels, pixels, totals, first):
    """Add the sums of the features to the totals of their channels in float64, and start over with zeros."""
    for c in range(channels):
        for p in range(at + c * pixels, at + (c + 1) * pixels):
            totals[first + c] += buffers[p]
            buffers[p] = 0.0


@inline
def _spread(values, buffers, at, channels, pixels, first):
    """Repeat the channels' values for each of their features."""
    for c in range(channels):
        for p in range(at + c * pixels, at + (c + 1) * pixels):
            buffers[p] = values[first + c]


@kernel
def column_moments(x, start, row, n, first, channels, pixels, buffers, mean, shift, variance):
    """Mean and biased variance of `channels` channels from `first` on, whose features begin at `start`.

    `mean`, `shift` (scratch) and `variance` are zeros of float64 before.
    """
    L = lanes(x)
    features, count, squares, centres = channels * pixels, n * pixels, TASK_FEATURES, 2 * TASK_FEATURES
    buffers[:] = 0.0
    for begin in range(0, n, SECTION):
        for i in range(begin, min(n, begin + SECTION)):
            a = start + i * row
            for k in range(0, features, L):
                vstore(buffers, k, vload(buffers, k) + load_span(x, a + k, features - k))
        _move_sums(buffers, 0, channels, pixels, mean, first)
    for c in range(first, first + channels):
        mean[c] /= count
    _spread(mean, buffers, centres, channels, pixels, first)
    for begin in range(0, n, SECTION):
        for i in range(begin, min(n, begin + SECTION)):
            a = start + i * row
            for k in range(0, features, L):
                d = load_span(x, a + k, features - k) - vload(buffers, centres + k)
                vstore(buffers, k, vload(buffers, k) + d)
                vstore(buffers, squares + k, vfma(d, d, vload(buffers, squares + k)))
        _move_sums(buffers, 0, channels, pixels, shift, first)
        _move_sums(buffers, squares, channels, pixels, variance, first)
    for c in range(channels):
        beside = shift[first + c] / count
        # From the centre as the vectors held it, rounded, which the deviations are from.
        mean[first + c] = buffers[centres + c * pixels] + beside
        value = variance[first + c] / count - beside * beside
        variance[first + c] = 0.0 if value < 0.0 else value  # a NaN stays


@kernel
def column_gradients(dy, x, start, row, n, first, channels, pixels, buffers, mean, total, product):
    """Add the sums of dy and of ``dy * (x - mean)`` over each of `channels` channels, from `first` on."""
    L = lanes(x)
    features, products, centres = channels * pixels, TASK_FEATURES, 2 * TASK_FEATURES
    buffers[:] = 0.0
    _spread(mean, buffers, centres, channels, pixels, first)
    for begin in range(0, n, SECTION):
        for i in range(begin, min(n, begin + SECTION)):
            a = start + i * row
            for k in range(0, features, L):
                g = load_span(dy, a + k, features - k)
                d = load_span(x, a + k, features - k) - vload(buffers, centres + k)
                vstore(buffers, k, vload(buffers, k) + g)
                vstore(buffers, products + k, vfma(g, d, vload(buffers, products + k)))
        _move_sums(buffers, 0, channels, pixels, total, first)
        _move_sums(buffers, products, channels, pixels, product, first)


@kernel
def normalise_row(x, y, start, features, mean, scale, shift):
    """``y = (x - mean) * scale + shift``, a value a feature each."""
    for k in range(0, features, lanes(x)):
        n = features - k
        d = load_span(x, start + k, n) - load_span(mean, k, n)
        store_span(y, start + k, vfma(d, load_span(scale, k, n), load_span(shift, k, n)), n)


@kernel
def row_input_gradient(dy, x, dx, start, features, mean, scale, slope, shift):
    """``dx = dy * scale - (x - mean) * slope - shift``, a value a feature each."""
    for k in range(0, features, lanes(x)):
        n = features - k
        d = load_span(x, start + k, n) - load_span(mean, k, n)
        drop = vfma(d, load_span(slope, k, n), load_span(shift, k, n))
        store_span(dx, start + k, load_span(dy, start + k, n) * load_span(scale, k, n) - drop, n)
