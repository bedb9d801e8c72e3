"""Weight gradient of a convolution of one lane block by Winograd's algorithm along rows.

The gradient of ``Y = A' [(G g) * (B' d)]`` for g is ``G' [sum of (A dY) * (B' d)]`` over all tiles of a row of the maps
and the row of the images that meets it (see `winograd_row_block.py`). So for each point and row of the kernel there is
a product of two matrices, (filters, tiles and samples) times (tiles and samples, channels).
"""

from ._jit import kernel
from .simd import lanes
from .tile import tile_cols, tile_like, tile_load, tile_rows, tile_store, tile_store_sums, tile_zero
from .tile_product import tile_dot
from .tile_taps import number
from .winograd_row_block import image_points, map_points
from .winograd_row_tile import store_weights


@kernel
def _strip_products(form, points, v, maps, m_point, m_part, images, i_point, i_part, i_row, steps, parts, sections, kh,
                    begin, end, sums, size):
    """Add the products of a strip to its tiles, [point][part][kernel row][section], `size` elements each at `sums`.

    `begin` and `end` tell the first strip of the maps, and the last one, which sums over the lanes.
    """
    L = lanes(v)
    t = tile_like(form)
    kb, cb = tile_rows(t), tile_cols(t)
    for e in range(points):
        for f in range(parts):
            for i in range(kh):
                for s in range(sections):
                    if begin:
                        tile_zero(t)
                    else:
                        tile_load(t, v, sums, cb * L, L)
                    mp, ip = maps + e * m_point + f * m_part, images + e * i_point + s * i_part + i * i_row
                    for _ in range(steps):
                        tile_dot(t, v, mp, L, v, ip, L)
                        mp += kb * L
                        ip += cb * L
                    if end:
                        tile_store_sums(t, v, sums, cb, 1)
                    else:
                        tile_store(t, v, sums, cb * L, L)
                    sums += size


@kernel
def winograd_row_weight_block(form, pointed, m, taps, dy, dyo, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo,
                              channels, kh, filters, oh, ow, strip, passing, v, maps, images, rest, sums):
    """Write the gradient of the weights (filters, channels, kh, kw) of one lane block.

    `form` has the sizes of a register tile of (filters, channels), `pointed` of one of points; a tile of maps has `m`
    columns, a row of the kernel `taps` (both fixed). Maps are gone through by strips of so many rows, whose points
    stay in the first-level cache for a tile, and all again for each `passing` tiles of filters, whose sums wait from
    strip to strip. In `v` are, from these offsets on: the points of a strip of the maps, those of the rows of the
    images it meets, room for a tile's columns, and the sums.
    """
    L = lanes(x)
    kb, cb, count = tile_rows(form), tile_cols(form), number(m)
    tiles = -(-ow // count)
    sections = -(-channels // cb)
    # [point][part of filters][row][tile][filter of the part], and so for channels. One vector more from point to point:
    # they would meet in the same places of the caches.
    m_part, i_part = strip * tiles * kb * L, (strip + kh - 1) * tiles * cb * L
    m_point, i_point = passing * m_part + L, sections * i_part + L
    size = kb * cb * (L if strip < oh else 1)
    for f0 in range(0, -(-filters // kb), passing):
        parts = min(passing, -(-filters // kb) - f0)
        for start in range(0, oh, strip):
            rows = min(strip, oh - start)
            for f in range(parts):
                k = min((f0 + f) * kb, filters - kb)
                for r in range(rows):
                    map_points(pointed, m, dy, dyo + k * dy_channel + (start + r) * dy_row, dy_channel, kb, ow, rest, v,
                               maps + f * m_part + r * tiles * kb * L, kb * L, L, m_point)
            for s in range(sections):
                c = min(s * cb, channels - cb)
                for r in range(rows + kh - 1):
                    image_points(pointed, count, x, xo + c * x_channel + (start + r) * x_row, x_channel, cb, ow, v,
                                 images + s * i_part + r * tiles * cb * L, cb * L, L, i_point)
            _strip_products(form, tile_cols(pointed), v, maps, m_point, m_part, images, i_point, i_part,
                            tiles * cb * L, rows * tiles, parts, sections, kh, start == 0, start + rows == oh, sums,
                            size)
        place = sums
        for f in range(parts):
            k = min((f0 + f) * kb, filters - kb)
            for i in range(kh):
                for s in range(sections):
                    c = min(s * cb, channels - cb)
                    for a in range(kb):
                        for b in range(cb):
                            to = dwo + (((k + a) * channels + c + b) * kh + i) * number(taps)
                            store_weights(pointed, taps, v, place + a * cb + b, parts * kh * sections * size, dw, to)
                    place += size
