"""Dropout on flat arrays and on lane blocks: which elements stay is drawn from (seed, op, step, sample, element)."""

from ._jit import inline, kernel
from .random_vector import keep_elements, keep_samples
from .simd import lanes, vequal, vload, vstore, vwhere
from .span import load_span, store_span
from .vmath import vset


@inline
def _scaled(x, factor):
    """``x * factor``, and 0 where the factor is 0, whatever x is."""
    zero = vset(factor, 0.0)
    return vwhere(vequal(factor, zero), zero, x * factor)


@inline
def _drop(x, y, mask, i, count, keep, scale):
    """Write one vector of factors and of results, or the first `count` elements of it."""
    factor = vwhere(keep, vset(x, scale), vset(x, 0.0))
    store_span(mask, i, factor, count)
    store_span(y, i, _scaled(load_span(x, i, count), factor), count)


@kernel
def dropout_flat(x, y, mask, offset, first, last, key0, key1, position, c2, c3, threshold, scale):
    """Drop elements `first` (a multiple of four vectors) to `last` of the sample that starts at `offset`."""
    L = lanes(x)
    for e in range(first, last, 4 * L):
        keep = keep_elements(x, key0, key1, e >> 2, position, c2, c3, threshold)
        i, count = offset + e, last - e
        _drop(x, y, mask, i, count, keep[0], scale)
        _drop(x, y, mask, i + L, count - L, keep[1], scale)
        _drop(x, y, mask, i + 2 * L, count - 2 * L, keep[2], scale)
        _drop(x, y, mask, i + 3 * L, count - 3 * L, keep[3], scale)


@kernel
def scale_flat(x, mask, y, first, last):
    """``y = x * mask`` for elements `first` to `last`; 0 where the mask is 0."""
    for i in range(first, last, lanes(x)):
        n = last - i
        store_span(y, i, _scaled(load_span(x, i, n), load_span(mask, i, n)), n)


@kernel
def mask_block(mask, mo, size, key0, key1, position, c2, c3, threshold, scale):
    """Fill in the factors of one lane block of `size` elements a sample; lane 0 is the sample at `position`."""
    L = lanes(mask)
    for e in range(0, size, 4):
        keep = keep_samples(mask, key0, key1, e >> 2, position, c2, c3, threshold)
        vstore(mask, mo + e * L, vwhere(keep[0], vset(mask, scale), vset(mask, 0.0)))
        if e + 1 < size:
            vstore(mask, mo + (e + 1) * L, vwhere(keep[1], vset(mask, scale), vset(mask, 0.0)))
        if e + 2 < size:
            vstore(mask, mo + (e + 2) * L, vwhere(keep[2], vset(mask, scale), vset(mask, 0.0)))
        if e + 3 < size:
            vstore(mask, mo + (e + 3) * L, vwhere(keep[3], vset(mask, scale), vset(mask, 0.0)))


@kernel
def scale_block(x, xo, x_channel, x_row, mask, mo, y, yo, y_channel, y_row, channels, height, width):
    """``y = x * mask`` for `width` vectors of each row; the mask has no halo."""
    L = lanes(x)
    for c in range(channels):
        for h in range(height):
            a = xo + c * x_channel + h * x_row
            b = mo + (c * height + h) * width * L
            e = yo + c * y_channel + h * y_row
            for w in range(width):
                vstore(y, e + w * L, _scaled(vload(x, a + w * L), vload(mask, b + w * L)))
