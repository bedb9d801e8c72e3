"""Direct convolution of one lane block with the max pooling behind it: forward, and the gradient of the weights.

The maps between the two exist a strip at a time, in the first-level cache. The pool's windows are next to each other:
its stride is its size, without padding.
"""

from ._jit import kernel
from .conv_taps_block import conv2d_taps_block, taps_weight_strip
from .max_pool_block import max_pool2d_backward_block, max_pool2d_block
from .simd import lanes, vload, vnot_below, vsum, vwhere
from .tile import tile_cols, tile_rows
from .tile_taps import number
from .vmath import vset


@kernel
def conv2d_pool_block(form, taps, ph, pw, x, xo, x_channel, x_row, packed, po, bias, bo, y, yo, y_channel, y_row,
                      index, io, i_channel, channels, kh, filters, rows, cols, has_bias, relu, want_index, m, strip):
    """Convolve and take the maxima of windows of (ph, pw), `rows` x `cols` of them.

    `form`, `taps` and what follows are those of `conv2d_taps_block`, `index`, `relu` and `want_index` those of
    `max_pool2d_block`. At `strip` of `m` is room for a tile's filters of `ph` rows.
    """
    L = lanes(x)
    kb = tile_rows(form)
    width = cols * pw
    for f in range(-(-filters // kb)):
        k = min(f * kb, filters - kb)
        for r in range(rows):
            conv2d_taps_block(form, taps, x, xo + r * ph * x_row, x_channel, x_row,
                              packed, po + f * channels * kh * number(taps) * kb, bias, bo + k,
                              m, strip, ph * width * L, width * L, channels, kh, kb, ph, width, 1, has_bias, False)
            max_pool2d_block(ph, pw, m, strip, ph * width * L, width * L, y, yo + k * y_channel + r * y_row, y_channel,
                             y_row, index, io + k * i_channel + r * cols * L, i_channel, kb, ph, width, 1, cols,
                             ph, pw, 1, 1, 0, 0, want_index, relu)


@kernel
def conv2d_pool_backward_weight_block(form, steps, ph, pw, dy, dyo, dy_channel, dy_row, index, io, i_channel,
                                      x, xo, x_channel, x_row, dw, dwo, channels, kh, filters, rows, cols, strip,
                                      m, maps, sums):
    """Gradient of the weights from that of the maxima, `strip` of the `rows` of windows at a time.

    `form` and `steps` are those of `conv2d_taps_backward_weight_block`. In `m` is room for the gradient of a strip of
    a tile's filters, at `maps`, and for their weights' sums, at `sums`.
    """
    L = lanes(x)
    kb, kw = tile_rows(form), tile_cols(form)
    width = cols * pw
    for f in range(-(-filters // kb)):
        k = min(f * kb, filters - kb)
        for start in range(0, rows, strip):
            count = min(strip, rows - start)
            channel = count * ph * width * L
            max_pool2d_backward_block(ph, pw, dy, dyo + k * dy_channel + start * dy_row, dy_channel, dy_row,
                                      index, io + k * i_channel + start * cols * L, i_channel, m, maps, channel,
                                      width * L, kb, count * ph, width, count, cols, ph, pw, 1, 1, 0, 0)
            taps_weight_strip(form, steps, m, maps, channel, width * L, x, xo + start * ph * x_row, x_channel, x_row,
                              count * ph, width, channels, kh, start == 0, start + count == rows,
                              dw, dwo + k * channels * kh * kw, m, sums)


@kernel
def pooled_sums_block(dy, dyo, dy_channel, dy_row, index, io, i_channel, channels, rows, cols, out, oo):
    """Sum each channel over the windows that have a winner, and over lanes: the gradient of a bias."""
    L = lanes(dy)
    zero, none = vset(dy, 0.0), vset(dy, -0.5)
    for c in range(channels):
        a, b = zero, zero
        for r in range(rows):
            p = dyo + c * dy_channel + r * dy_row
            q = io + c * i_channel + r * cols * L
            for w in range(cols):
                g = vwhere(vnot_below(vload(index, q + w * L), none), vload(dy, p + w * L), zero)
                # Two sums: each waits for the latency of its addition.
                a, b = b, a + g
        out[oo + c] = vsum(a + b)
