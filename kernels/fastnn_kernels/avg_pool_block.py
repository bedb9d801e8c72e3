"""Average pooling of one lane block: over windows of one size, and over as many windows as are asked for."""

from ._jit import inline, kernel
from .simd import lanes, vload, vstore
from .vmath import vset


@inline
def _total(x, xo, x_row, i0, i1, j0, j1):
    """Sum of the elements of one window, first down its columns: the order of `average_plane`, hence the same bits."""
    L = lanes(x)
    total = vset(x, 0.0)
    for j in range(j0, j1):
        column = vload(x, xo + i0 * x_row + j * L)
        for i in range(i0 + 1, i1):
            column = column + vload(x, xo + i * x_row + j * L)
        total = total + column
    return total


@inline
def _add(share, dx, xo, x_row, i0, i1, j0, j1):
    """Add `share` to the elements of one window."""
    L = lanes(dx)
    for i in range(i0, i1):
        for j in range(j0, j1):
            q = xo + i * x_row + j * L
            vstore(dx, q, vload(dx, q) + share)


@inline
def _clipped(start, k, size, after, include_pad):
    """Range of a window's elements that lie inside the image, and how many of them count."""
    first, last = max(0, -start), min(k, size - start)
    return first, last, min(k, size + after - start) if include_pad else last - first


@inline
def _adaptive(p, places, size):
    """Start and end of window p of an adaptive average."""
    return p * size // places, ((p + 1) * size + places - 1) // places


@kernel
def _clear(dx, xo, x_channel, x_row, channels, height, width):
    L = lanes(dx)
    zero = vset(dx, 0.0)
    for c in range(channels):
        for h in range(height):
            for w in range(width):
                vstore(dx, xo + c * x_channel + h * x_row + w * L, zero)


@kernel
def avg_pool2d_block(kh, kw, x, xo, x_channel, x_row, y, yo, y_channel, y_row,
                     channels, height, width, oh, ow, sh, sw, top, bottom, left, right, include_pad):
    """Average of each window."""
    L = lanes(x)
    for c in range(channels):
        for h in range(oh):
            for w in range(ow):
                r = h * sh - top
                s = w * sw - left
                p = xo + c * x_channel + r * x_row + s * L
                if r >= 0 and s >= 0 and r + kh <= height and s + kw <= width:
                    mean = _total(x, p, x_row, 0, kh, 0, kw) / vset(x, float(kh * kw))
                else:
                    i0, i1, high = _clipped(r, kh, height, bottom, include_pad)
                    j0, j1, wide = _clipped(s, kw, width, right, include_pad)
                    mean = _total(x, p, x_row, i0, i1, j0, j1) / vset(x, float(high * wide))
                vstore(y, yo + c * y_channel + h * y_row + w * L, mean)


@kernel
def avg_pool2d_backward_block(kh, kw, dy, do, d_channel, d_row, dx, xo, x_channel, x_row,
                              channels, height, width, oh, ow, sh, sw, top, bottom, left, right, include_pad):
    """Hand each output's gradient, by its divisor, to all elements of its window; overlapping windows add."""
    L = lanes(dx)
    cover = kh == sh and kw == sw and top == 0 and left == 0 and oh * kh == height and ow * kw == width
    if not cover:
        _clear(dx, xo, x_channel, x_row, channels, height, width)
    for c in range(channels):
        for h in range(oh):
            for w in range(ow):
                g = vload(dy, do + c * d_channel + h * d_row + w * L)
                r = h * sh - top
                s = w * sw - left
                p = xo + c * x_channel + r * x_row + s * L
                if cover:
                    share = g / vset(dx, float(kh * kw))
                    for i in range(kh):
                        for j in range(kw):
                            vstore(dx, p + i * x_row + j * L, share)
                else:
                    i0, i1, high = _clipped(r, kh, height, bottom, include_pad)
                    j0, j1, wide = _clipped(s, kw, width, right, include_pad)
                    _add(g / vset(dx, float(high * wide)), dx, p, x_row, i0, i1, j0, j1)


@kernel
def adaptive_avg_pool2d_block(x, xo, x_channel, x_row, y, yo, y_channel, y_row, channels, height, width, oh, ow):
    """Average of oh x ow windows that cover the map."""
    L = lanes(x)
    for c in range(channels):
        for h in range(oh):
            i0, i1 = _adaptive(h, oh, height)
            for w in range(ow):
                j0, j1 = _adaptive(w, ow, width)
                total = _total(x, xo + c * x_channel, x_row, i0, i1, j0, j1)
                mean = total / vset(x, float((i1 - i0) * (j1 - j0)))
                vstore(y, yo + c * y_channel + h * y_row + w * L, mean)


@kernel
def adaptive_avg_pool2d_backward_block(dy, do, d_channel, d_row, dx, xo, x_channel, x_row,
                                       channels, height, width, oh, ow):
    """Hand each output's gradient, by the size of its window, to all elements of the window; overlaps add."""
    L = lanes(dx)
    _clear(dx, xo, x_channel, x_row, channels, height, width)
    for c in range(channels):
        for h in range(oh):
            i0, i1 = _adaptive(h, oh, height)
            for w in range(ow):
                j0, j1 = _adaptive(w, ow, width)
                g = vload(dy, do + c * d_channel + h * d_row + w * L)
                share = g / vset(dx, float((i1 - i0) * (j1 - j0)))
                _add(share, dx, xo + c * x_channel, x_row, i0, i1, j0, j1)
