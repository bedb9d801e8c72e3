"""Augmentation of one sample: what is drawn for it, and the rows it moves.

Samples are (channels, height, width), of any dtype: indices are unsigned, which spares Numba the question whether one
is negative, and LLVM then copies rows by vectors. The random numbers of a sample are those of (key0, key1, op, step,
position), as `random.draw` has it.
"""

import math

import numpy as np

from ._jit import inline, kernel
from .convert import as_element
from .random import below, draw, uniform


@inline
def copy_row(x, xo, y, yo, count):
    """Copy `count` elements."""
    a, b = np.uint64(xo), np.uint64(yo)
    for j in range(np.uint64(count)):
        y[b + j] = x[a + j]


@inline
def copy_reversed(x, xo, y, yo, count):
    """Copy `count` elements, the last one first."""
    a, b = np.uint64(xo + count - 1), np.uint64(yo)
    for j in range(np.uint64(count)):
        y[b + j] = x[a - j]


@inline
def fill_row(y, yo, count, value):
    """Write `value` into `count` elements."""
    b = np.uint64(yo)
    for j in range(np.uint64(count)):
        y[b + j] = value


@kernel
def flip_sample(x, xo, y, yo, channels, height, width, key0, key1, op, step, position, horizontal, vertical,
                probability):
    """Mirror a sample, each of the wanted directions with a probability."""
    w0, w1, _, _ = draw(key0, key1, op, step, position, 0)
    across = horizontal and uniform(w0) < probability
    down = vertical and uniform(w1) < probability
    for c in range(channels):
        for i in range(height):
            a = xo + (c * height + (height - 1 - i if down else i)) * width
            b = yo + (c * height + i) * width
            if across:
                copy_reversed(x, a, y, b, width)
            else:
                copy_row(x, a, y, b, width)


@kernel
def window_sample(x, xo, y, yo, channels, height, width, key0, key1, op, step, position, oh, ow, places_h, places_w,
                  before_h, before_w, fill):
    """Cut a window of ``oh x ow`` at one of ``places_h x places_w`` places, the first `before` pixels outside."""
    w0, w1, _, _ = draw(key0, key1, op, step, position, 0)
    top, left = below(w0, places_h) - before_h, below(w1, places_w) - before_w
    # Columns of the window that lie on the image.
    first = min(ow, max(0, -left))
    last = max(first, min(ow, width - left))
    for c in range(channels):
        for i in range(oh):
            b = yo + (c * oh + i) * ow
            if 0 <= i + top < height:
                fill_row(y, b, first, fill)
                copy_row(x, xo + (c * height + i + top) * width + left + first, y, b + first, last - first)
                fill_row(y, b + last, ow - last, fill)
            else:
                fill_row(y, b, ow, fill)


@inline
def turn(angle):
    """Cosine and sine of an angle in degrees, exact at multiples of 90."""
    quarter = math.floor(angle / 90.0 + 0.5)
    rest = (angle - 90.0 * quarter) * (math.pi / 180.0)
    c, s = math.cos(rest), math.sin(rest)
    if quarter % 2 == 1:
        c, s = -s, c
    if quarter % 4 >= 2:
        c, s = -c, -s
    return c, s


@inline
def _between(a, b, c, d, down, right):
    """Interpolate between two pixels and the two below them."""
    upper, lower = a + right * (b - a), c + right * (d - c)
    return upper + down * (lower - upper)


@inline
def _inside(j, height, width, h0, dh, w0, dw, centre):
    """Whether all four pixels around the place that column j comes from are inside the image."""
    h, w = h0 + dh * (j - centre), w0 + dw * (j - centre)
    return 0.0 <= h < height - 1 and 0.0 <= w < width - 1


@inline
def _inner(x, xo, y, yo, channels, height, width, first, last, h0, dh, w0, dw, centre):
    """Interpolate columns `first` to `last` of one row, which all come from inside the image."""
    row, plane, one = np.uint64(width), np.uint64(height * width), np.uint64(1)
    for j in range(first, last):
        h, w = h0 + dh * (j - centre), w0 + dw * (j - centre)
        r, q = np.int64(h), np.int64(w)
        down, right = as_element(y, h - r), as_element(y, w - q)
        a, b = np.uint64(xo + r * width + q), np.uint64(yo + j)
        for _ in range(channels):
            y[b] = _between(x[a], x[a + one], x[a + row], x[a + row + one], down, right)
            a += plane
            b += plane


@inline
def _pixel(x, plane, height, width, i, j, fill):
    """One pixel of a plane; `fill` stands for those outside."""
    if 0 <= i < height and 0 <= j < width:
        return x[plane + i * width + j]
    return fill


@inline
def _edge(x, xo, y, yo, channels, height, width, h, w, fill):
    """Interpolate at (h, w), some of whose four pixels may be outside the image."""
    r, q = math.floor(h), math.floor(w)
    down, right, outside = as_element(y, h - r), as_element(y, w - q), as_element(y, fill)
    for c in range(channels):
        a = xo + c * height * width
        y[yo + c * height * width] = _between(
            _pixel(x, a, height, width, r, q, outside),
            _pixel(x, a, height, width, r, q + 1, outside),
            _pixel(x, a, height, width, r + 1, q, outside),
            _pixel(x, a, height, width, r + 1, q + 1, outside),
            down,
            right,
        )


@kernel
def rotate_sample(x, xo, y, yo, channels, height, width, key0, key1, op, step, position, low, high, fill):
    """Rotate a sample about its centre by an angle between `low` and `high`, with bilinear interpolation."""
    word, _, _, _ = draw(key0, key1, op, step, position, 0)
    cos, sin = turn(low + (high - low) * uniform(word))
    centre_h, centre_w = 0.5 * (height - 1), 0.5 * (width - 1)
    for i in range(height):
        # Column j comes from its place turned back about the centre: (h0 + sin * v, w0 + cos * v), v = j - centre_w.
        h0, w0 = centre_h + cos * (i - centre_h), centre_w - sin * (i - centre_h)
        # Both grow or fall along the row, also when rounded: the columns from inside the image follow each other.
        first, last = 0, width
        while first < last and not _inside(first, height, width, h0, sin, w0, cos, centre_w):
            first += 1
        while first < last and not _inside(last - 1, height, width, h0, sin, w0, cos, centre_w):
            last -= 1
        _inner(x, xo, y, yo + i * width, channels, height, width, first, last, h0, sin, w0, cos, centre_w)
        for k in range(width - (last - first)):
            j = k if k < first else k + last - first
            v = j - centre_w
            _edge(x, xo, y, yo + i * width + j, channels, height, width, h0 + sin * v, w0 + cos * v, fill)


@kernel
def cutout_sample(x, xo, y, yo, channels, height, width, key0, key1, op, step, position, size_h, size_w, fill):
    """Copy a sample, then write `fill` into one rectangle about a pixel of it, as far as that is on the image."""
    w0, w1, _, _ = draw(key0, key1, op, step, position, 0)
    top, left = below(w0, height) - size_h // 2, below(w1, width) - size_w // 2
    first, last = max(0, left), min(width, left + size_w)
    copy_row(x, xo, y, yo, channels * height * width)
    for c in range(channels):
        for i in range(max(0, top), min(height, top + size_h)):
            fill_row(y, yo + (c * height + i) * width + first, last - first, fill)


@kernel
def mixup_partners(partner, n, key0, key1, op, step, position):
    """Write a random permutation of n samples (Fisher and Yates), the first of them at `position`."""
    for i in range(n):
        partner[i] = i
    for i in range(n - 1, 0, -1):
        _, _, w2, _ = draw(key0, key1, op, step, position + i, 0)
        j = below(w2, i + 1)
        partner[i], partner[j] = partner[j], partner[i]


@inline
def mixup_share(key0, key1, op, step, position, alpha):
    """Draw from Beta(alpha, alpha): the share of a sample itself."""
    w0, w1, _, _ = draw(key0, key1, op, step, position, 0)
    p = (1.0 - uniform(w0)) ** (1.0 / alpha)
    c = math.cos(2.0 * math.pi * uniform(w1))
    return 0.5 * (1.0 + c * math.sqrt((1.0 - p) / (p + (1.0 - p) * (c * c))))


@kernel
def mix(x, xo, po, y, yo, count, share):
    """Write ``share * x + (1 - share) * partner``, `count` elements from `xo` and `po` on, in the dtype of y."""
    a, p, b = np.uint64(xo), np.uint64(po), np.uint64(yo)
    mine = as_element(y, share)
    other = as_element(y, 1.0) - mine
    for j in range(np.uint64(count)):
        y[b + j] = mine * x[a + j] + other * x[p + j]
