"""Direct convolution of one lane block: forward, input gradient, weight gradient.

All three are built from register tiles that are placed so that they cover a map exactly: where the tile does not
divide it, the last tile overlaps the one before and computes a few elements twice, to the same bits. A remainder
tile one vector wide costs more (a 14-wide map fell to a third of the speed).

Memory is indexed by element. A tensor is given by the offset of its first interior element, its channel stride and
its row stride; its columns are `lanes` apart.
"""

from ._jit import inline, kernel
from .simd import lanes, vload, vsum
from .tile import tile_cols, tile_like, tile_load, tile_rows, tile_splat, tile_store, tile_store_sums, tile_zero
from .tile_product import tile_dot, tile_fma
from .vmath import vset


@inline
def start_tile(t, bias, bo, has_bias):
    """Start a tile of sums: from the bias of each row, or from zero."""
    if has_bias:
        tile_splat(t, bias, bo, 1)
    else:
        tile_zero(t)


@inline
def product(t, x, xo, x_col, x_channel, x_row, x_step, w, wo, w_tile, w_channel, w_row, w_step, channels, rows, steps):
    """``t += sum over (channel, row, step) of w * x``: the hot loop of every product of weights and vectors.

    The tile's columns are `x_col` apart in `x`, its rows `w_tile` apart in `w`.
    """
    for c in range(channels):
        for i in range(rows):
            xp = xo + c * x_channel + i * x_row
            wp = wo + c * w_channel + i * w_row
            for _ in range(steps):
                tile_fma(t, x, xp, x_col, w, wp, w_tile)
                xp += x_step
                wp += w_step


@kernel
def pack_weights(w, wo, groups, first, inner, f_stride, i_stride, taps, width, packed, po):
    """Pack each group's (first, inner, taps) weights as [tile of `width` firsts][inner][tap][width].

    A tile's scalars are then next to each other; the last tile overlaps where `width` does not divide.
    """
    tiles = -(-first // width)
    for f in range(groups * tiles):
        group = f // tiles
        f0 = min((f - group * tiles) * width, first - width)
        start = wo + group * first * inner * taps + f0 * f_stride
        for c in range(inner):
            for p in range(taps):
                to = po + ((f * inner + c) * taps + p) * width
                for k in range(width):
                    packed[to + k] = w[start + k * f_stride + c * i_stride + p]


@kernel
def conv2d_block(form, x, xo, x_channel, x_row, packed, po, bias, bo, y, yo, y_channel, y_row,
                 channels, kh, kw, filters, oh, ow, sh, sw, gap_h, gap_w, groups, has_bias):
    """Convolve one lane block; `form` has the sizes of a tile of (filters, output columns).

    `channels` and `filters` are those of one group; `gap_h` and `gap_w` are the dilation.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    tiles = -(-filters // kb)
    for f in range(groups * tiles):
        group = f // tiles
        k = group * filters + min((f - group * tiles) * kb, filters - kb)
        xg = xo + group * channels * x_channel
        wo = po + f * channels * kh * kw * kb
        for h in range(oh):
            for q in range(-(-ow // xb)):
                col = min(q * xb, ow - xb)
                start_tile(t, bias, bo + k, has_bias)
                product(t, x, xg + h * sh * x_row + col * sw * L, sw * L, x_channel, gap_h * x_row, gap_w * L,
                        packed, wo, 1, kh * kw * kb, kw * kb, kb, channels, kh, kw)
                tile_store(t, y, yo + k * y_channel + h * y_row + col * L, y_channel, L)


@inline
def common_divisor(a, b):
    """Return the greatest common divisor of two positive numbers."""
    while b:
        a, b = b, a % b
    return a


@inline
def first_tap(place, gap, stride, taps):
    """Return the first tap i for which `stride` divides ``place - i * gap``; `taps` where there is none."""
    for i in range(taps):
        if (place - i * gap) % stride == 0:
            return i
    return taps


@inline
def tap_range(q, last, tap, taps, period, reach, size):
    """Return (first, count) of the taps ``tap + m * period`` that meet one of `size` outputs; a count below 1: none.

    The m-th takes a tile of inputs from outputs ``q - m * reach`` to ``last - m * reach``.
    """
    first = max(0, -((size - 1 - q) // reach))
    return first, min((taps - 1 - tap) // period, last // reach) - first + 1


@kernel
def conv2d_backward_input_block(form, dy, dyo, dy_channel, dy_row, packed, po, bias, bo, dx, dxo, dx_channel, dx_row,
                                channels, height, width, kh, kw, filters, oh, ow, sh, sw, top, left,
                                gap_h, gap_w, groups, has_bias):
    """Gradient of the input of one lane block; `form` has the sizes of a tile of (input channels, input columns).

    Input row h takes from output row (h + top - i * gap_h) / sh, for the kernel rows i where sh divides that and the
    row exists. With g the common divisor of sh and gap_h, every (sh / g)-th kernel row from the first such one on
    does (none, where g does not divide h + top), and the output row goes back by gap_h / g. The range of i is
    clipped here, outside the hot loop, and so is that of the kernel columns, for a tile as a whole; `dy` has a halo
    of zero columns for the rest. A halo of kernel size - 1 all around would cost a third. With a stride, each phase
    of the columns is a convolution of its own.

    A transposed convolution runs this forward, with a bias.
    """
    L = lanes(dy)
    t = tile_like(form)
    cb = tile_rows(t)
    xb = tile_cols(t)
    common_h, common_w = common_divisor(sh, gap_h), common_divisor(sw, gap_w)
    period_h, period_w = sh // common_h, sw // common_w
    reach_h, reach_w = gap_h // common_h, gap_w // common_w
    tiles = -(-channels // cb)
    for f in range(groups * tiles):
        group = f // tiles
        c = group * channels + min((f - group * tiles) * cb, channels - cb)
        dyg = dyo + group * filters * dy_channel
        wo = po + f * filters * kh * kw * cb
        for h in range(height):
            i = first_tap(h + top, gap_h, sh, kh)
            p = (h + top - i * gap_h) // sh
            i_first, i_count = tap_range(p, p, i, kh, period_h, reach_h, oh)
            for phase in range(min(sw, width)):
                # Columns phase, phase + sw, ...
                j = first_tap(phase + left, gap_w, sw, kw)
                start = (phase + left - j * gap_w) // sw
                count = -(-(width - phase) // sw)
                for u in range(-(-count // xb)):
                    col = min(u * xb, count - xb)
                    q = start + col
                    j_first, j_count = tap_range(q, q + xb - 1, j, kw, period_w, reach_w, ow)
                    start_tile(t, bias, bo + c, has_bias)
                    if i_count > 0 and j_count > 0:
                        product(t, dy, dyg + (p - i_first * reach_h) * dy_row + (q - j_first * reach_w) * L, L,
                                dy_channel, -reach_h * dy_row, -reach_w * L,
                                packed, wo + ((i + i_first * period_h) * kw + j + j_first * period_w) * cb, 1,
                                kh * kw * cb, period_h * kw * cb, period_w * cb, filters, i_count, j_count)
                    tile_store(t, dx, dxo + c * dx_channel + h * dx_row + (phase + col * sw) * L, dx_channel, sw * L)


@kernel
def conv2d_backward_weight_block(form, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo,
                                 channels, kh, kw, filters, oh, ow, sh, sw, gap_h, gap_w, groups, across_channels,
                                 strip, passing, sums, so):
    """Gradient of the weights of one lane block, (groups * filters, channels, kh, kw), summed over pixels and lanes.

    `form` has the sizes of a tile of (filters, kernel columns), or of (filters, input channels) for a narrow
    kernel. Maps are gone through by strips of so many rows that those of a tile's filters stay in the first-level
    cache for all weights, and all the maps' rows in the second-level cache for all of `passing` tiles of filters; in
    between the tiles wait in `sums`. Without strips 16 -> 16 3x3 on 32x32 ran at 96 GFLOP/s instead of 121.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    tiled, tiled_x, tiled_w, single, single_x, single_w = kw, gap_w * L, 1, channels, x_channel, kh * kw
    if across_channels:
        tiled, tiled_x, tiled_w, single, single_x, single_w = single, single_x, single_w, tiled, tiled_x, tiled_w
    tiles = -(-filters // kb)
    for f0 in range(0, groups * tiles, passing):
        for first in range(0, oh, strip):
            last = min(first + strip, oh)
            place = so
            for f in range(f0, min(f0 + passing, groups * tiles)):
                group = f // tiles
                k = group * filters + min((f - group * tiles) * kb, filters - kb)
                xg = xo + group * channels * x_channel
                for a in range(single):
                    for i in range(kh):
                        for b in range(-(-tiled // xb)):
                            j = min(b * xb, tiled - xb)
                            if first == 0:
                                tile_zero(t)
                            else:
                                tile_load(t, sums, place, xb * L, L)
                            for h in range(first, last):
                                dp = dyo + k * dy_channel + h * dy_row
                                xp = xg + a * single_x + j * tiled_x + (h * sh + i * gap_h) * x_row
                                for _ in range(ow):
                                    tile_dot(t, dy, dp, dy_channel, x, xp, tiled_x)
                                    dp += L
                                    xp += sw * L
                            if last < oh:
                                tile_store(t, sums, place, xb * L, L)
                            else:
                                to = dwo + k * channels * kh * kw + a * single_w + i * kw + j * tiled_w
                                tile_store_sums(t, dw, to, channels * kh * kw, tiled_w)
                            place += kb * xb * L


@kernel
def channel_sums_block(dy, dyo, dy_channel, dy_row, channels, height, width, out, oo):
    """Sum each channel over pixels and lanes: the gradient of a bias."""
    L = lanes(dy)
    for c in range(channels):
        # Four sums at a time: one alone would wait for the latency of each addition.
        a = vset(dy, 0.0)
        b, d, e = a, a, a
        for h in range(height):
            p = dyo + c * dy_channel + h * dy_row
            w = 0
            while w + 4 <= width:
                a = a + vload(dy, p + w * L)
                b = b + vload(dy, p + (w + 1) * L)
                d = d + vload(dy, p + (w + 2) * L)
                e = e + vload(dy, p + (w + 3) * L)
                w += 4
            while w < width:
                a = a + vload(dy, p + w * L)
                w += 1
        out[oo + c] = vsum((a + b) + (d + e))
