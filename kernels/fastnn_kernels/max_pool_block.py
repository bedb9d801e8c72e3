"""Max pooling of one lane block."""

from ._jit import inline, kernel
from .elementwise_block import vrelu
from .pool_plane import elements_inside
from .simd import lanes, vbeats, vequal, vload, vnot_below, vstore, vwhere
from .vmath import vset


@kernel
def max_pool2d_block(kh, kw, x, xo, x_channel, x_row, y, yo, y_channel, y_row, index, io, i_channel,
                     channels, height, width, oh, ow, sh, sw, dh, dw, top, left, want_index, relu):
    """Largest element of each window, and its number i * kw + j within the window, as a float.

    Windows are clipped to the input, which is what padding with -inf amounts to. The first maximum wins. With `relu`
    its relu is taken, and where that has no gradient the number is -1. The numbers of a channel follow each other,
    channels are `i_channel` apart.
    """
    L = lanes(x)
    zero = vset(x, 0.0)
    i_step, j_step = dh * x_row, dw * L
    for c in range(channels):
        for h in range(oh):
            for w in range(ow):
                r = h * sh - top
                s = w * sw - left
                p = xo + c * x_channel + r * x_row + s * L
                if r >= 0 and s >= 0 and r + (kh - 1) * dh < height and s + (kw - 1) * dw < width:
                    best, where = _window(kh, kw, x, p, i_step, j_step, 0, kh, 0, kw)
                else:
                    i0, i1 = elements_inside(r, kh, dh, height)
                    j0, j1 = elements_inside(s, kw, dw, width)
                    best, where = _window(kh, kw, x, p, i_step, j_step, i0, i1, j0, j1)
                if relu:
                    where = vwhere(vnot_below(best, zero), where, vset(x, -1.0))
                    best = vrelu(best)
                vstore(y, yo + c * y_channel + h * y_row + w * L, best)
                if want_index:
                    vstore(index, io + c * i_channel + (h * ow + w) * L, where)


@inline
def _window(kh, kw, x, xo, i_step, j_step, i0, i1, j0, j1):
    best = vload(x, xo + i0 * i_step + j0 * j_step)
    where = vset(x, float(i0 * kw + j0))
    for i in range(i0, i1):
        for j in range(j0, j1):
            new = vload(x, xo + i * i_step + j * j_step)
            beats = vbeats(new, best)
            best = vwhere(beats, new, best)
            where = vwhere(beats, vset(x, float(i * kw + j)), where)
    return best, where


@kernel
def max_pool2d_backward_block(kh, kw, dy, do, d_channel, d_row, index, io, i_channel, dx, xo, x_channel, x_row,
                              channels, height, width, oh, ow, sh, sw, dh, dw, top, left):
    """Hand each output's gradient to the element that won; overlapping windows add."""
    L = lanes(dx)
    zero = vset(dx, 0.0)
    i_step, j_step = dh * x_row, dw * L
    # Windows that neither overlap nor hang over an edge, and those of them that leave no pixel out.
    apart = (sh >= kh and sw >= kw and dh == 1 and dw == 1 and top == 0 and left == 0
             and (oh - 1) * sh + kh <= height and (ow - 1) * sw + kw <= width)
    cover = apart and oh * sh == height and ow * sw == width and sh == kh and sw == kw
    for c in range(channels):
        if not cover:
            for h in range(height):
                for w in range(width):
                    vstore(dx, xo + c * x_channel + h * x_row + w * L, zero)
        for h in range(oh):
            for w in range(ow):
                g = vload(dy, do + c * d_channel + h * d_row + w * L)
                won = vload(index, io + c * i_channel + (h * ow + w) * L)
                r = h * sh - top
                s = w * sw - left
                p = xo + c * x_channel + r * x_row + s * L
                if apart:
                    for i in range(kh):
                        for j in range(kw):
                            hit = vwhere(vequal(won, vset(dx, float(i * kw + j))), g, zero)
                            vstore(dx, p + i * i_step + j * j_step, hit)
                else:
                    i0, i1 = elements_inside(r, kh, dh, height)
                    j0, j1 = elements_inside(s, kw, dw, width)
                    for i in range(i0, i1):
                        for j in range(j0, j1):
                            hit = vwhere(vequal(won, vset(dx, float(i * kw + j))), g, zero)
                            q = p + i * i_step + j * j_step
                            vstore(dx, q, vload(dx, q) + hit)
