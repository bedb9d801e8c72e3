"""Products with the lanes along the filters: outputs, and what the pixels of an image add to gradients of weights.

The scalar of the image that a kernel element meets is multiplied by vectors of filters: by those of the element's
weights for outputs, by those of a pixel's gradients for the gradients of the element's weights. No lanes are summed.
"""

from typing import NamedTuple

from ._jit import FEW_REGISTERS, apart, kernel
from .conv_deep_stage import COLS
from .machine_state import prefetch_near
from .simd import lanes
from .tile import tile_add, tile_like, tile_load, tile_row, tile_rows, tile_store, tile_zero
from .tile_product import tile_rows_at, tile_scale_at
from .tile_taps import number

# Kernel elements of a tile of gradients: the number with fewer left over. Kernels of 3 x 3 have nine.
FEW, MANY = (5, 6) if FEW_REGISTERS else (8, 9)
# Pixels of a tile of outputs.
PIXELS = 6 if FEW_REGISTERS else 8


@kernel
def pixels_block(form, w, wo, terms, x, xo, table, places, bias, bo, y, yo, room):
    """``y[p, k] = bias[k] + sum over terms t of w[t, k] * x[places[p] + table[t]]`` for the filters k of a tile.

    `places` has whole tiles of pixels. Vectors of filters are `room` elements apart in `y`, beside each other in `w`.
    """
    apart()
    t, L = tile_like(form), lanes(w)
    height = tile_rows(t)
    for p in range(0, places.size, height):
        pixels, at = tile_rows_at(t, places, p), wo
        tile_load(t, bias, bo, 0, L)
        for k in range(terms):
            tile_scale_at(t, w, at, x, xo + table[k], pixels)
            at += COLS * L
        tile_store(t, y, yo + p * L, L, room)


class Ahead(NamedTuple):
    """Lines that are read next, `lines` of each of `rows` rows from `at` on: fetched while products are made."""

    at: int
    stride: int  # from row to row
    lines: int
    rows: int


@kernel
def outer_block(form, total, d, do, x, xo, x_image, pitch, step, table, first, last, images, rows, cols, sums, so, to,
                dy, maps, source, pixels):
    """Add the products of all pixels to vectors of sums, from `so` on, of kernel elements of tiles `first` to `last`.

    The pixels' vectors of filters follow each other in `d`; with `total` 1 they are added to those at `to`, beside the
    products. A pixel on the right is `step` elements on in `x`, one below `pitch`; `table` has the places of kernel
    elements. What is read next are `maps` of `dy` and `pixels` of `source`: where nothing was fetched 64x128x16x16 1x1
    to 128 took 103 us an image and not 78, 128x3x32x32 3x3 to 32 22.1 and not 20.3 (Zen 4, one thread).
    """
    apart()
    t, L = tile_like(form), lanes(d)
    height, width, all_pixels = tile_rows(t), COLS * L, tile_row(t)
    line, run, left = maps.at, maps.lines, maps.lines * maps.rows
    other, other_run, other_left = pixels.at, pixels.lines, pixels.lines * pixels.rows
    tile_zero(all_pixels)
    for e in range(first, last):
        places, at = tile_rows_at(t, table, e * height), do
        tile_zero(t)
        for s in range(images):
            for p in range(rows):
                pixel = xo + s * x_image + p * pitch
                for q in range(cols):
                    tile_scale_at(t, d, at, x, pixel + q * step, places)
                    if number(total):
                        tile_add(all_pixels, d, at, 0, L)
                    at += width
                    if left > 0:
                        prefetch_near(dy, line)
                        line, run, left = line + L, run - 1, left - 1
                        if run == 0:
                            line, run = line + maps.stride - maps.lines * L, maps.lines
                    elif other_left > 0:
                        prefetch_near(source, other)
                        other, other_run, other_left = other + L, other_run - 1, other_left - 1
                        if other_run == 0:
                            other, other_run = other + pixels.stride - pixels.lines * L, pixels.lines
        tile_add(t, sums, so + e * height * width, width, L)
        tile_store(t, sums, so + e * height * width, width, L)
    if number(total):
        tile_add(all_pixels, sums, to, 0, L)
        tile_store(all_pixels, sums, to, 0, L)
