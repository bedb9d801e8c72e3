"""Direct convolution of one lane block: forward, input gradient, weight gradient.

All three are built from register tiles that are placed so that they cover a map exactly: where the tile does not
divide it, the last tile overlaps the one before and computes a few elements twice, to the same bits. A remainder
tile one vector wide costs more (a 14-wide map fell to a third of the speed).

Memory is indexed by element. A tensor is given by the offset of its first interior element, its channel stride and
its row stride; its columns are `lanes` apart.
"""

from ._jit import inline, kernel
from .simd import lanes, vload, vsum
from .tile import (
    tile_cols,
    tile_dot,
    tile_fma,
    tile_like,
    tile_rows,
    tile_splat,
    tile_store,
    tile_store_sums,
    tile_zero,
)
from .vmath import vset


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
def pack_weights(w, wo, first, inner, f_stride, i_stride, taps, width, packed, po):
    """Pack (first, inner, taps) weights as [tile of `width` firsts][inner][tap][width].

    A tile's scalars are then next to each other; the last tile overlaps where `width` does not divide.
    """
    for f in range(-(-first // width)):
        f0 = min(f * width, first - width)
        for c in range(inner):
            for p in range(taps):
                to = po + ((f * inner + c) * taps + p) * width
                for k in range(width):
                    packed[to + k] = w[wo + (f0 + k) * f_stride + c * i_stride + p]


@kernel
def conv2d_block(form, x, xo, x_channel, x_row, packed, po, bias, bo, y, yo, y_channel, y_row,
                 channels, kh, kw, filters, oh, ow, sh, sw, has_bias):
    """Convolve one lane block; `form` has the sizes of a tile of (filters, output columns)."""
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    for f in range(-(-filters // kb)):
        k = min(f * kb, filters - kb)
        wo = po + f * channels * kh * kw * kb
        for h in range(oh):
            for q in range(-(-ow // xb)):
                col = min(q * xb, ow - xb)
                if has_bias:
                    tile_splat(t, bias, bo + k, 1)
                else:
                    tile_zero(t)
                product(t, x, xo + h * sh * x_row + col * sw * L, sw * L, x_channel, x_row, L,
                        packed, wo, 1, kh * kw * kb, kw * kb, kb, channels, kh, kw)
                tile_store(t, y, yo + k * y_channel + h * y_row + col * L, y_channel, L)


@kernel
def conv2d_backward_input_block(form, dy, dyo, dy_channel, dy_row, packed, po, dx, dxo, dx_channel, dx_row,
                                channels, height, width, kh, kw, filters, oh, ow, sh, sw, top, left):
    """Gradient of the input of one lane block; `form` has the sizes of a tile of (input channels, input columns).

    Input row h takes from output row (h + top - i) / stride, for the kernel rows i where that divides and exists:
    the range of i is clipped here, outside the hot loop, and so is that of the kernel columns, for a tile as a
    whole; `dy` has a halo of zero columns for the rest. A halo of kernel size - 1 all around would cost a third.
    With a stride, each of its phases is a convolution of its own with every stride-th tap.
    """
    L = lanes(dy)
    t = tile_like(form)
    cb = tile_rows(t)
    xb = tile_cols(t)
    for f in range(-(-channels // cb)):
        c = min(f * cb, channels - cb)
        wo = po + f * filters * kh * kw * cb
        for h in range(height):
            ri = (h + top) % sh
            qi = (h + top) // sh
            i_first = max(0, qi - (oh - 1))
            i_count = min((kh - 1 - ri + sh) // sh - 1, qi) - i_first + 1
            for s in range(sw):
                # Columns whose phase is s: w0, w0 + sw, ...
                w0 = (s - left) % sw
                count = -(-(width - w0) // sw)
                for u in range(-(-count // xb)):
                    start = min(u * xb, count - xb)
                    q = (w0 + start * sw + left) // sw
                    j_first = max(0, q - (ow - 1))
                    j_count = min((kw - 1 - s + sw) // sw - 1, q + xb - 1) - j_first + 1
                    tile_zero(t)
                    if i_count > 0 and j_count > 0:
                        product(t, dy, dyo + (qi - i_first) * dy_row + (q - j_first) * L, L, dy_channel, -dy_row, -L,
                                packed, wo + ((ri + i_first * sh) * kw + s + j_first * sw) * cb, 1,
                                kh * kw * cb, sh * kw * cb, sw * cb, filters, i_count, j_count)
                    tile_store(t, dx, dxo + c * dx_channel + h * dx_row + (w0 + start * sw) * L, dx_channel, sw * L)


@kernel
def conv2d_backward_weight_block(form, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo,
                                 channels, kh, kw, filters, oh, ow, sh, sw, across_channels):
    """Gradient of the weights of one lane block, (filters, channels, kh, kw), summed over pixels and lanes.

    `form` has the sizes of a tile of (filters, kernel columns), or of (filters, input channels) for a narrow
    kernel.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    tiled, tiled_x, tiled_w, single, single_x, single_w = kw, L, 1, channels, x_channel, kh * kw
    if across_channels:
        tiled, tiled_x, tiled_w, single, single_x, single_w = single, single_x, single_w, tiled, tiled_x, tiled_w
    for f in range(-(-filters // kb)):
        k = min(f * kb, filters - kb)
        for a in range(single):
            for i in range(kh):
                for b in range(-(-tiled // xb)):
                    j = min(b * xb, tiled - xb)
                    tile_zero(t)
                    for h in range(oh):
                        dp = dyo + k * dy_channel + h * dy_row
                        xp = xo + a * single_x + j * tiled_x + (h * sh + i) * x_row
                        for _ in range(ow):
                            tile_dot(t, dy, dp, dy_channel, x, xp, tiled_x)
                            dp += L
                            xp += sw * L
                    tile_store_sums(t, dw, dwo + k * channels * kh * kw + a * single_w + i * kw + j * tiled_w,
                                    channels * kh * kw, tiled_w)


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
