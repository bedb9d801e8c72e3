"""Max pooling of one lane block."""

from ._jit import inline, kernel
from .simd import lanes, vbeats, vequal, vload, vstore, vwhere
from .vmath import vset


@kernel
def max_pool2d_block(kh, kw, x, xo, x_channel, x_row, y, yo, y_channel, y_row, index, io,
                     channels, height, width, oh, ow, sh, sw, top, left, want_index):
    """Largest element of each window, and its number i * kw + j within the window, as a float.

    Windows are clipped to the input, which is what padding with -inf amounts to. The first maximum wins.
    """
    L = lanes(x)
    for c in range(channels):
        for h in range(oh):
            for w in range(ow):
                r = h * sh - top
                s = w * sw - left
                if r >= 0 and s >= 0 and r + kh <= height and s + kw <= width:
                    best, where = _window(kh, kw, x, xo + c * x_channel + r * x_row + s * L, x_row, L, 0, kh, 0, kw)
                else:
                    best, where = _window(kh, kw, x, xo + c * x_channel + r * x_row + s * L, x_row, L,
                                          max(0, -r), min(kh, height - r), max(0, -s), min(kw, width - s))
                vstore(y, yo + c * y_channel + h * y_row + w * L, best)
                if want_index:
                    vstore(index, io + ((c * oh + h) * ow + w) * L, where)


@inline
def _window(kh, kw, x, xo, x_row, L, i0, i1, j0, j1):
    best = vload(x, xo + i0 * x_row + j0 * L)
    where = vset(x, float(i0 * kw + j0))
    for i in range(i0, i1):
        for j in range(j0, j1):
            new = vload(x, xo + i * x_row + j * L)
            beats = vbeats(new, best)
            best = vwhere(beats, new, best)
            where = vwhere(beats, vset(x, float(i * kw + j)), where)
    return best, where


@kernel
def max_pool2d_backward_block(kh, kw, dy, do, d_channel, d_row, index, io, dx, xo, x_channel, x_row,
                              channels, height, width, oh, ow, sh, sw, top, left):
    """Hand each output's gradient to the element that won; overlapping windows add."""
    L = lanes(dx)
    zero = vset(dx, 0.0)
    apart = sh >= kh and sw >= kw and top == 0 and left == 0
    for c in range(channels):
        if not apart or oh * sh != height or ow * sw != width or sh != kh or sw != kw:
            for h in range(height):
                for w in range(width):
                    vstore(dx, xo + c * x_channel + h * x_row + w * L, zero)
        for h in range(oh):
            for w in range(ow):
                g = vload(dy, do + c * d_channel + h * d_row + w * L)
                won = vload(index, io + ((c * oh + h) * ow + w) * L)
                r = h * sh - top
                s = w * sw - left
                p = xo + c * x_channel + r * x_row + s * L
                if apart:
                    for i in range(kh):
                        for j in range(kw):
                            hit = vwhere(vequal(won, vset(dx, float(i * kw + j))), g, zero)
                            vstore(dx, p + i * x_row + j * L, hit)
                else:
                    for i in range(max(0, -r), min(kh, height - r)):
                        for j in range(max(0, -s), min(kw, width - s)):
                            hit = vwhere(vequal(won, vset(dx, float(i * kw + j))), g, zero)
                            q = p + i * x_row + j * L
                            vstore(dx, q, vload(dx, q) + hit)
