"""Weight gradient of a convolution of one lane block by Winograd's algorithm along rows.

The gradient of ``Y = A' [(G g) * (B' d)]`` for g is ``G' [sum of (A dY) * (B' d)]`` over all tiles of a row of the maps
and the row of the images that meets it (see `winograd_row_points.py`). So for each point and row of the kernel there is
a product of two matrices, (filters, tiles and samples) times (tiles and samples, channels); of few channels the rows of
the kernel are taken instead, as the columns of one matrix.

Maps are gone through by strips of so many rows that their points stay in the first-level cache for a register tile, and
all again for each group of tiles of filters, whose sums wait from strip to strip.
"""

import numpy as np

from ._jit import inline, kernel
from .conv_flat_block import ONE, ZERO
from .max_pool_block import max_pool2d_backward_block
from .simd import lanes
from .tile import tile_cols, tile_like, tile_load, tile_rows, tile_store, tile_store_sums, tile_zero
from .tile_product import tile_dot
from .tile_taps import number
from .winograd_row_block import image_points, map_points
from .winograd_row_tile import store_weights


@inline
def _wide(form, by_rows):
    """Channels of a section."""
    return 1 if by_rows else tile_cols(form)


@kernel
def _map_strip(pointed, m, dy, dyo, dy_channel, dy_row, kb, rows, width, v, maps, m_point, rest):
    """Make the points of `rows` rows of the maps of a part of `kb` filters, [point][row][tile][filter]."""
    L = lanes(v)
    tiles = -(-width // number(m))
    for r in range(rows):
        map_points(pointed, m, dy, dyo + r * dy_row, dy_channel, kb, width, rest, v, maps + r * tiles * kb * L, kb * L,
                   L, m_point)


@kernel
def _image_strip(pointed, m, x, xo, x_channel, x_row, channels, wide, rows, width, v, images, i_point, i_part):
    """Make the points of `rows` rows of images, [point][section of `wide` channels][row][tile][channel]."""
    L = lanes(x)
    tiles = -(-width // m)
    for s in range(-(-channels // wide)):
        c = min(s * wide, channels - wide)
        for r in range(rows):
            image_points(pointed, m, x, xo + c * x_channel + r * x_row, x_channel, wide, width, v,
                         images + s * i_part + r * tiles * wide * L, wide * L, L, i_point)


@kernel
def _strip_products(form, pointed, v, maps, m_point, m_part, images, i_point, i_part, tiles, rows, parts, channels, kh,
                    by_rows, begin, end, sums, size):
    """Add the products of a strip to its tiles, [point][part][kernel row][section], `size` elements each at `sums`.

    `begin` and `end` tell the first strip of the maps, and the last one, which sums over the lanes.
    """
    L = lanes(v)
    t = tile_like(form)
    kb, cb, wide = tile_rows(t), tile_cols(t), _wide(form, by_rows)
    i_row = tiles * wide * L
    column = i_row if by_rows else L
    for e in range(tile_cols(pointed)):
        for f in range(parts):
            for i in range(1 if by_rows else kh):
                for s in range(-(-channels // wide)):
                    if begin:
                        tile_zero(t)
                    else:
                        tile_load(t, v, sums, cb * L, L)
                    mp, ip = maps + e * m_point + f * m_part, images + e * i_point + s * i_part + i * i_row
                    for _ in range(rows * tiles):
                        tile_dot(t, v, mp, L, v, ip, column)
                        mp += kb * L
                        ip += wide * L
                    if end:
                        tile_store_sums(t, v, sums, cb, 1)
                    else:
                        tile_store(t, v, sums, cb * L, L)
                    sums += size


@kernel
def _write_weights(pointed, taps, v, place, size, kb, cb, first, parts, filters, channels, kh, by_rows, dw, dwo):
    """Write the gradients of the filters of `parts` parts, from part `first` on, from the sums of their points."""
    wide = 1 if by_rows else cb
    sections = -(-channels // wide)
    heights = 1 if by_rows else kh
    step = parts * heights * sections * size
    for f in range(parts):
        k = min((first + f) * kb, filters - kb)
        for i in range(heights):
            for s in range(sections):
                c = min(s * wide, channels - wide)
                for a in range(kb):
                    for b in range(cb):
                        channel, row = (c, b) if by_rows else (c + b, i)
                        to = dwo + (((k + a) * channels + channel) * kh + row) * number(taps)
                        store_weights(pointed, taps, v, place + a * cb + b, step, dw, to)
                place += size


@inline
def _strides(kb, wide, strip, tiles, passing, channels, kh, L):
    """Elements from part to part and from point to point, of maps and images.

    One vector more from point to point: they would meet in the same places of the caches.
    """
    m_part, i_part = strip * tiles * kb * L, (strip + kh - 1) * tiles * wide * L
    return m_part, passing * m_part + L, i_part, -(-channels // wide) * i_part + L


@kernel
def winograd_row_weight_block(form, pointed, m, taps, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo,
                              channels, kh, filters, oh, ow, strip, passing, by_rows, v, maps, images, rest, sums):
    """Write the gradient of the weights (filters, channels, kh, kw) of one lane block.

    `form` has the sizes of a register tile of (filters, channels) or, `by_rows`, of (filters, kernel rows); `pointed`
    of one of points; a tile of maps has `m` columns, a row of the kernel `taps` (both fixed). `strip` rows of the maps
    are taken at a time, and `passing` tiles of filters. In `v` are, from these offsets on: the points of a strip of the
    maps, those of the rows of the images it meets, room for a tile's columns, and the sums.
    """
    L, kb, cb, wide = lanes(x), tile_rows(form), tile_cols(form), _wide(form, by_rows)
    tiles, whole = -(-ow // number(m)), -(-filters // kb)
    m_part, m_point, i_part, i_point = _strides(kb, wide, strip, tiles, passing, channels, kh, L)
    size = kb * cb * (L if strip < oh else 1)
    for f0 in range(0, whole, passing):
        parts = min(passing, whole - f0)
        for start in range(0, oh, strip):
            rows = min(strip, oh - start)
            for f in range(parts):
                k = min((f0 + f) * kb, filters - kb)
                _map_strip(pointed, m, dy, dyo + k * dy_channel + start * dy_row, dy_channel, dy_row, kb, rows, ow, v,
                           maps + f * m_part, m_point, rest)
            _image_strip(pointed, number(m), x, xo + start * x_row, x_channel, x_row, channels, wide, rows + kh - 1, ow,
                         v, images, i_point, i_part)
            _strip_products(form, pointed, v, maps, m_point, m_part, images, i_point, i_part, tiles, rows, parts,
                            channels, kh, by_rows, start == 0, start + rows == oh, sums, size)
        _write_weights(pointed, taps, v, sums, size, kb, cb, f0, parts, filters, channels, kh, by_rows, dw, dwo)


@kernel
def winograd_row_pool_weight_block(form, pointed, m, taps, ph, pw, dy, dyo, dy_channel, dy_row, index, io, i_channel,
                                   x, xo, x_channel, x_row, dw, dwo, channels, kh, filters, rows, cols, strip, passing,
                                   by_rows, v, maps, images, rest, sums, pooled):
    """Write the gradient of the weights from that of maxima of (ph, pw) windows that cover the maps, rows x cols.

    `strip` rows of windows are taken at a time. At `pooled` of `v` is room for those rows of the maps of a part of the
    filters; the other arguments are those of `winograd_row_weight_block` and of `max_pool2d_backward_block`.
    """
    L, kb, cb, wide, width = lanes(x), tile_rows(form), tile_cols(form), _wide(form, by_rows), cols * pw
    tiles, whole = -(-width // number(m)), -(-filters // kb)
    m_part, m_point, i_part, i_point = _strides(kb, wide, strip * ph, tiles, passing, channels, kh, L)
    size = kb * cb * (L if strip < rows else 1)
    # Not literal, as elsewhere: each type is compiled for itself.
    step_h, step_w = np.int64(ph), np.int64(pw)
    for f0 in range(0, whole, passing):
        parts = min(passing, whole - f0)
        for start in range(0, rows, strip):
            count = min(strip, rows - start)
            high = count * ph
            for f in range(parts):
                k = min((f0 + f) * kb, filters - kb)
                max_pool2d_backward_block(ph, pw, dy, dyo + k * dy_channel + start * dy_row, dy_channel, dy_row,
                                          index, io + k * i_channel + start * cols * L, i_channel, v, pooled,
                                          high * width * L, width * L, kb, high, width, count, cols, step_h,
                                          step_w, ONE, ONE, ZERO, ZERO)
                _map_strip(pointed, m, v, pooled, high * width * L, width * L, kb, high, width, v, maps + f * m_part,
                           m_point, rest)
            _image_strip(pointed, number(m), x, xo + start * ph * x_row, x_channel, x_row, channels, wide,
                         high + kh - 1, width, v, images, i_point, i_part)
            _strip_products(form, pointed, v, maps, m_point, m_part, images, i_point, i_part, tiles, high, parts,
                            channels, kh, by_rows, start == 0, start + count == rows, sums, size)
        _write_weights(pointed, taps, v, sums, size, kb, cb, f0, parts, filters, channels, kh, by_rows, dw, dwo)
