"""Batch normalisation of (N, C, ...) arrays: each task owns some channels and sums all samples, in their order.

A task sees each sample as a run of features, the pixels of its channels. It sums feature by feature over the samples
(whole vectors, however few pixels a map has), then over the pixels of a channel. Means come from the sum, then from
the deviations from it, so that neither a large mean nor a long sum costs digits: the corrected two-pass algorithm
(Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983).
"""

from ._jit import inline, kernel
from .simd import lanes, vfma, vload, vstore
from .span import load_span, store_span

# Features summed at a time: buffers of this size stay in the first-level cache.
PIECE = 1024
# Channels of small maps are taken together until they have so many features.
TASK_FEATURES = 64


@inline
def _clear(buffers, at, width):
    for k in range(width):
        buffers[at + k] = 0.0


@inline
def _add_pixels(buffers, at, first, width, pixels, totals):
    """Add the sums of features `first` to `first + width` to the totals of their channels."""
    c, p = first // pixels, first % pixels
    for k in range(width):
        totals[c] += buffers[at + k]
        p += 1
        if p == pixels:
            c, p = c + 1, 0


@inline
def _spread(values, buffers, at, first, width, pixels):
    """Repeat the channels' values for features `first` to `first + width`."""
    c, p = first // pixels, first % pixels
    for k in range(width):
        buffers[at + k] = values[c]
        p += 1
        if p == pixels:
            c, p = c + 1, 0


@kernel
def channel_moments(x, start, row, n, features, pixels, buffers, mean, moment, shift):
    """Mean and sum of squared deviations of each channel of a task; arrays of float64, `shift` is scratch."""
    L = lanes(x)
    channels, count = features // pixels, n * pixels
    mean[:channels] = 0.0
    for first in range(0, features, PIECE):
        width = min(PIECE, features - first)
        _clear(buffers, 0, width)
        for i in range(n):
            a = start + i * row + first
            for k in range(0, width, L):
                vstore(buffers, k, vload(buffers, k) + load_span(x, a + k, width - k))
        _add_pixels(buffers, 0, first, width, pixels, mean)
    for c in range(channels):
        # Rounded as the vectors will hold it: the deviations are from exactly this.
        buffers[0] = mean[c] / count
        mean[c] = buffers[0]
    moment[:channels] = 0.0
    shift[:channels] = 0.0
    for first in range(0, features, PIECE):
        width = min(PIECE, features - first)
        _spread(mean, buffers, 2 * PIECE, first, width, pixels)
        _clear(buffers, 0, width)
        _clear(buffers, PIECE, width)
        for i in range(n):
            a = start + i * row + first
            for k in range(0, width, L):
                d = load_span(x, a + k, width - k) - vload(buffers, 2 * PIECE + k)
                vstore(buffers, k, vload(buffers, k) + d)
                vstore(buffers, PIECE + k, vfma(d, d, vload(buffers, PIECE + k)))
        _add_pixels(buffers, 0, first, width, pixels, shift)
        _add_pixels(buffers, PIECE, first, width, pixels, moment)
    for c in range(channels):
        mean[c] += shift[c] / count
        moment[c] -= shift[c] * shift[c] / count
        if moment[c] < 0.0:  # a NaN stays
            moment[c] = 0.0


@kernel
def normalise_channels(x, y, start, row, n, features, pixels, buffers, mean, scale, shift):
    """``y = (x - mean) * scale + shift``, a value a channel each."""
    L = lanes(x)
    for first in range(0, features, PIECE):
        width = min(PIECE, features - first)
        _spread(mean, buffers, 0, first, width, pixels)
        _spread(scale, buffers, PIECE, first, width, pixels)
        _spread(shift, buffers, 2 * PIECE, first, width, pixels)
        for i in range(n):
            a = start + i * row + first
            for k in range(0, width, L):
                d = load_span(x, a + k, width - k) - vload(buffers, k)
                value = vfma(d, vload(buffers, PIECE + k), vload(buffers, 2 * PIECE + k))
                store_span(y, a + k, value, width - k)


@kernel
def channel_gradients(dy, x, start, row, n, features, pixels, buffers, mean, total, product):
    """Sum dy and ``dy * (x - mean)`` for each channel of a task."""
    L = lanes(x)
    channels = features // pixels
    total[:channels] = 0.0
    product[:channels] = 0.0
    for first in range(0, features, PIECE):
        width = min(PIECE, features - first)
        _spread(mean, buffers, 2 * PIECE, first, width, pixels)
        _clear(buffers, 0, width)
        _clear(buffers, PIECE, width)
        for i in range(n):
            a = start + i * row + first
            for k in range(0, width, L):
                g = load_span(dy, a + k, width - k)
                d = load_span(x, a + k, width - k) - vload(buffers, 2 * PIECE + k)
                vstore(buffers, k, vload(buffers, k) + g)
                vstore(buffers, PIECE + k, vfma(g, d, vload(buffers, PIECE + k)))
        _add_pixels(buffers, 0, first, width, pixels, total)
        _add_pixels(buffers, PIECE, first, width, pixels, product)


@kernel
def channel_input_gradient(dy, x, dx, start, row, n, features, pixels, buffers, mean, scale, slope, shift):
    """``dx = dy * scale - (x - mean) * slope - shift``, a value a channel each."""
    L = lanes(x)
    for first in range(0, features, PIECE):
        width = min(PIECE, features - first)
        _spread(mean, buffers, 0, first, width, pixels)
        _spread(scale, buffers, PIECE, first, width, pixels)
        _spread(slope, buffers, 2 * PIECE, first, width, pixels)
        _spread(shift, buffers, 3 * PIECE, first, width, pixels)
        for i in range(n):
            a = start + i * row + first
            for k in range(0, width, L):
                d = load_span(x, a + k, width - k) - vload(buffers, k)
                g = load_span(dy, a + k, width - k)
                value = g * vload(buffers, PIECE + k) - vfma(d, vload(buffers, 2 * PIECE + k),
                                                            vload(buffers, 3 * PIECE + k))
                store_span(dx, a + k, value, width - k)
