"""Convolution of one lane block by Winograd's algorithm along rows: 8 products for 4 outputs of 5 weights in a row.

Down the kernel the sums are direct. So a register tile has all points of some filters, which become outputs where they
are, and nothing is stored in between; tiles of two dimensions (`winograd_block.py`) have fewer products and pass by the
cache. us on one thread for 16 samples (Zen 4, AVX-512; direct, by rows, by tiles of two dimensions): 6 -> 16 5x5 on
12x12 43, 21, -; 16 -> 16 3x3 on 32x32 703, 415, 524; 32 -> 32 on 32x32 2855, 1621, 1822; 128 -> 128 on 8x8 2787, 1475,
1406. A tile is so many columns of a row of images as there are points, and m columns of a row of maps
(`winograd_row_points.py`).

The sums have other roundings than direct ones: in float32, on normal random numbers, outputs of 6 to 128 channels have
errors of up to 1.5e-6 of the largest with 6 points and 2e-6 with 8, direct ones of up to 0.7e-6. An infinite or NaN
input makes all outputs NaN of the tiles that read it, of that image alone. Where m does not divide the width, the last
tile overlaps the one before.
"""

from ._jit import inline, kernel
from .conv_block import start_tile
from .max_pool_block import max_pool2d_block
from .simd import lanes, pointer_at, vload, vstore
from .tile import tile_cols, tile_like, tile_load, tile_relu, tile_row, tile_rows, tile_store, tile_zero
from .tile_taps import number
from .vmath import vset
from .winograd_row_tile import (
    store_column_points,
    store_output_points,
    store_weight_points,
    tile_add_columns,
    tile_add_outputs,
    tile_point_products,
)


@inline
def tile_start(q, m, width):
    """First column of tile `q`, and how many of its columns the tile before has too."""
    first = min(q * m, width - m)
    return first, q * m - first


@kernel
def image_points(pointed, m, x, xo, x_channel, channels, width, v, vo, v_tile, v_channel, v_point):
    """Make the points of a row of images, by tiles of `m` outputs; `pointed` has the sizes of (1, points)."""
    L = lanes(x)
    for q in range(-(-width // m)):
        first, _ = tile_start(q, m, width)
        for c in range(channels):
            store_column_points(pointed, x, xo + c * x_channel + first * L, v, vo + q * v_tile + c * v_channel, v_point)


@kernel
def map_points(pointed, m, dy, dyo, dy_channel, filters, width, rest, v, vo, v_tile, v_filter, v_point):
    """Make the points of a row of maps, by tiles of `m` (fixed) columns, of which each belongs to one.

    At `rest` of `v` is room for the columns of a tile.
    """
    L = lanes(dy)
    count = number(m)
    for q in range(-(-width // count)):
        first, shared = tile_start(q, count, width)
        for k in range(filters):
            columns = pointer_at(dy, dyo + k * dy_channel + first * L)
            if shared > 0:
                for i in range(count):
                    vstore(v, rest + i * L, vset(dy, 0.0) if i < shared else vload(columns, i * L))
                columns = pointer_at(v, rest)
            store_output_points(pointed, m, columns, 0, v, vo + q * v_tile + k * v_filter, v_point)


@inline
def _products(t, v, vo, v_row, first, rows, kh, channels, u, uo):
    """Add the products of `rows` rows of points, from `first` on, which take turns in `kh` places."""
    L = lanes(v)
    for i in range(rows):
        vp = vo + (first + i) % kh * v_row
        for _ in range(channels):
            tile_point_products(t, v, vp, u, uo)
            vp += tile_cols(t) * L
            uo += tile_cols(t) * tile_rows(t)


@kernel
def winograd_row_block(form, outs, x, xo, x_channel, x_row, u, uo, bias, bo, y, yo, y_channel, y_row, channels, kh,
                       filters, oh, ow, from_row, has_bias, relu, v, vo):
    """Convolve one lane block, from row `from_row` of the outputs to `oh`.

    `form` and `outs` have the sizes of register tiles of (filters, points) and (filters, outputs). `u` has the weights
    as `pack_points` packs them. `v` is scratch for the points of `kh` rows of images, of which those of the rows of
    the outputs before are there.
    """
    L = lanes(x)
    t, out, pointed = tile_like(form), tile_like(outs), tile_row(form)
    kb, points, m = tile_rows(t), tile_cols(t), tile_cols(out)
    v_tile, part = channels * points * L, kh * channels * points * kb
    v_row = -(-ow // m) * v_tile
    for r in range(from_row + kh - 1 if from_row > 0 else 0, oh + kh - 1):
        image_points(pointed, m, x, xo + r * x_row, x_channel, channels, ow, v, vo + r % kh * v_row, v_tile, points * L,
                     L)
        h = r - kh + 1
        if h >= 0:
            for q in range(-(-ow // m)):
                first, _ = tile_start(q, m, ow)
                for f in range(-(-filters // kb)):
                    k = min(f * kb, filters - kb)
                    tile_zero(t)
                    _products(t, v, vo + q * v_tile, v_row, h, kh, kh, channels, u, uo + f * part)
                    start_tile(out, bias, bo + k, has_bias)
                    tile_add_outputs(out, t)
                    if relu:
                        tile_relu(out)
                    tile_store(out, y, yo + k * y_channel + (h - from_row) * y_row + first * L, y_channel, L)


@kernel
def winograd_row_pool_block(form, outs, ph, pw, x, xo, x_channel, x_row, u, uo, bias, bo, y, yo, y_channel, y_row,
                            index, io, i_channel, channels, kh, filters, ow, rows, cols, has_bias, relu, want_index,
                            v, vo, strip):
    """Convolve and take the maxima of windows of (ph, pw) next to each other, `rows` x `cols` of them.

    The arguments are those of `winograd_row_block` and, for the maxima, of `max_pool2d_block`. At `strip` of `v` is
    room for `ph` rows of all maps.
    """
    L = lanes(x)
    channel = ph * ow * L
    for r in range(rows):
        winograd_row_block(form, outs, x, xo, x_channel, x_row, u, uo, bias, bo, v, strip, channel, ow * L, channels,
                           kh, filters, (r + 1) * ph, ow, r * ph, has_bias, False, v, vo)
        max_pool2d_block(ph, pw, v, strip, channel, ow * L, y, yo + r * y_row, y_channel, y_row,
                         index, io + r * cols * L, i_channel, filters, ph, ow, 1, cols, ph, pw, 1, 1, 0, 0,
                         want_index, relu)


@kernel
def winograd_row_backward_input_block(form, m, dy, dyo, dy_channel, dy_row, u, uo, bias, bo, dx, dxo, dx_channel,
                                      dx_row, channels, height, width, kh, filters, oh, ow, top, left, has_bias,
                                      v, vo, sums):
    """Gradient of the input of one lane block: the algorithm backwards, from points of maps to points of images.

    `form` has the sizes of a register tile of (input channels, points). `v` is scratch for the points of `kh` rows of
    maps, with room for one tile behind them, and at `sums` for a padded row of all parts of images.
    """
    L = lanes(dy)
    t, out, pointed = tile_like(form), tile_like(form), tile_row(form)
    cb, points, count = tile_rows(t), tile_cols(t), number(m)
    tiles, v_tile, row = -(-ow // count), filters * points * L, filters * points * cb
    # A row with its padding, all of which the windows of a stride of 1 meet.
    v_row, channel = tiles * v_tile, (ow + points - count) * L
    made = 0
    for h in range(height):
        # Rows of the maps that meet this row of the images, from the last one up: the first is met by kernel row 0.
        last = min(h + top, oh - 1)
        first = max(h + top - kh + 1, 0)
        while made <= last:
            map_points(pointed, m, dy, dyo + made * dy_row, dy_channel, filters, ow, vo + kh * v_row, v,
                       vo + made % kh * v_row, v_tile, points * L, L)
            made += 1
        for c in range(channels):
            start = vset(dy, bias[bo + c] if has_bias else 0.0)
            for p in range(0, channel, L):
                vstore(v, sums + c * channel + p, start)
        for q in range(tiles):
            col, _ = tile_start(q, count, ow)
            for f in range(-(-channels // cb) if first <= last else 0):
                tile_zero(t)
                for r in range(first, last + 1):
                    _products(t, v, vo + q * v_tile, v_row, r, 1, kh, filters, u,
                              uo + (f * kh + h + top - r) * row)
                place = sums + f * cb * channel + col * L
                tile_load(out, v, place, channel, L)
                tile_add_columns(out, t)
                tile_store(out, v, place, channel, L)
        for c in range(channels):
            for w in range(width):
                vstore(dx, dxo + c * dx_channel + h * dx_row + w * L, vload(v, sums + c * channel + (left + w) * L))


@kernel
def pack_points(form, taps, w, wo, first, inner, f_stride, i_stride, kh, f, overlap, u, uo):
    """Make the points of the weights of part `f` of the firsts, packed as [part][kernel row][inner][point][first].

    Rows of `taps` (fixed) weights follow each other in w; first and inner are `f_stride` and `i_stride` apart. Where
    parts do not divide the firsts, the last one overlaps the one before or, without `overlap`, ends in zeros.
    """
    kb, points = tile_rows(form), tile_cols(form)
    k0 = min(f * kb, first - kb) if overlap else f * kb
    for i in range(kh):
        for c in range(inner):
            to = uo + ((f * kh + i) * inner + c) * points * kb
            for k in range(kb):
                if k0 + k < first:
                    p = wo + (k0 + k) * f_stride + c * i_stride + i * number(taps)
                    store_weight_points(form, taps, w, p, u, to + k, kb)
                else:
                    for e in range(points):
                        u[to + e * kb + k] = 0.0
