"""Direct convolution of one lane block with a stride and a dilation of 1: forward, input gradient, weight gradient.

The sums are those of `conv_block.py`, to the same bits. Here a row of the kernel is unrolled (`tile_taps.py`): the
second convolution of LeNet-5, 5x5 from 6 to 16 channels, took 29, 32 and 39 us a block (forward, input gradient,
weight gradient) and takes 25 each.
"""

from ._jit import kernel
from .conv_block import start_tile
from .simd import lanes
from .tile import tile_cols, tile_like, tile_load, tile_relu, tile_rows, tile_store, tile_store_sums, tile_zero
from .tile_taps import fixed, number, tile_taps, tile_taps_back, tile_taps_dot


@kernel
def conv2d_taps_block(form, taps, x, xo, x_channel, x_row, packed, po, bias, bo, y, yo, y_channel, y_row,
                      channels, kh, filters, oh, ow, groups, has_bias, relu):
    """Convolve one lane block; `form` has the sizes of a tile of (filters, columns), `taps` the kernel's width.

    `channels` and `filters` are those of one group; `relu` tells whether to take that of the sums.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    step = number(taps) * kb
    tiles = -(-filters // kb)
    for f in range(groups * tiles):
        group = f // tiles
        k = group * filters + min((f - group * tiles) * kb, filters - kb)
        xg = xo + group * channels * x_channel
        for h in range(oh):
            for q in range(-(-ow // xb)):
                col = min(q * xb, ow - xb)
                start_tile(t, bias, bo + k, has_bias)
                wp = po + f * channels * kh * step
                for c in range(channels):
                    xp = xg + c * x_channel + h * x_row + col * L
                    for _ in range(kh):
                        tile_taps(t, taps, x, xp, packed, wp)
                        xp += x_row
                        wp += step
                if relu:
                    tile_relu(t)
                tile_store(t, y, yo + k * y_channel + h * y_row + col * L, y_channel, L)


@kernel
def conv2d_taps_backward_input_block(form, taps, left, maps, dy, dyo, dy_channel, dy_row, packed, po, bias, bo,
                                     dx, dxo, dx_channel, dx_row, channels, height, kh, filters, oh, top, groups,
                                     has_bias):
    """Gradient of the input of one lane block; `form` has the sizes of a tile of (input channels, whole rows).

    `left` is the padding on the left, `maps` the width of `dy`. Which taps meet which columns is known where the
    kernel is compiled, so none is run in vain, and `dy` needs no halo.
    """
    L = lanes(dy)
    t = tile_like(form)
    cb = tile_rows(t)
    step = number(taps) * cb
    tiles = -(-channels // cb)
    for f in range(groups * tiles):
        group = f // tiles
        c = group * channels + min((f - group * tiles) * cb, channels - cb)
        for h in range(height):
            first, last = max(0, h + top - oh + 1), min(kh, h + top + 1)
            start_tile(t, bias, bo + c, has_bias)
            for k in range(filters):
                dyp = dyo + (group * filters + k) * dy_channel + (h + top - first) * dy_row
                wp = po + ((f * filters + k) * kh + first) * step
                for _ in range(first, last):
                    tile_taps_back(t, taps, left, maps, dy, dyp, packed, wp)
                    dyp -= dy_row
                    wp += step
            tile_store(t, dx, dxo + c * dx_channel + h * dx_row, dx_channel, L)


@kernel
def taps_weight_strip(form, steps, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, rows, ow, channels, kh,
                      begin, end, dw, to, m, place):
    """Add the products of `rows` rows of maps to a tile of filters' weight gradients, for all channels and rows of w.

    Between the strips of a map the tiles wait at `place`: `begin` and `end` tell the first strip and the last, which
    sums over the lanes.
    """
    L = lanes(x)
    t = tile_like(form)
    kw = tile_cols(t)
    span = number(steps)
    size = tile_rows(t) * kw * L
    for c in range(channels):
        for i in range(kh):
            if begin:
                tile_zero(t)
            else:
                tile_load(t, m, place, kw * L, L)
            for h in range(rows):
                dyp = dyo + h * dy_row
                xp = xo + c * x_channel + (h + i) * x_row
                for _ in range(ow // span):
                    tile_taps_dot(t, steps, dy, dyp, dy_channel, x, xp)
                    dyp += span * L
                    xp += span * L
                for _ in range(ow % span):
                    tile_taps_dot(t, fixed(1), dy, dyp, dy_channel, x, xp)
                    dyp += L
                    xp += L
            if end:
                tile_store_sums(t, dw, to + (c * kh + i) * kw, channels * kh * kw, 1)
            else:
                tile_store(t, m, place, kw * L, L)
            place += size


@kernel
def conv2d_taps_backward_weight_block(form, steps, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo,
                                      channels, kh, filters, oh, ow, groups, strip, passing, sums, so):
    """Gradient of the weights of one lane block, (groups * filters, channels, kh, kw), summed over pixels and lanes.

    `form` has the sizes of a tile of (filters, kernel columns), `steps` columns are unrolled. Strips, `passing` and
    `sums` are those of `conv2d_backward_weight_block`.
    """
    L = lanes(x)
    kb, kw = tile_rows(form), tile_cols(form)
    tiles = -(-filters // kb)
    for f0 in range(0, groups * tiles, passing):
        for start in range(0, oh, strip):
            rows = min(strip, oh - start)
            for f in range(f0, min(f0 + passing, groups * tiles)):
                group = f // tiles
                k = group * filters + min((f - group * tiles) * kb, filters - kb)
                taps_weight_strip(
                    form, steps, dy, dyo + k * dy_channel + start * dy_row, dy_channel, dy_row,
                    x, xo + group * channels * x_channel + start * x_row, x_channel, x_row, rows, ow, channels, kh,
                    start == 0, start + rows == oh, dw, dwo + k * channels * kh * kw,
                    sums, so + (f - f0) * channels * kh * kb * kw * L,
                )  # fmt: skip
