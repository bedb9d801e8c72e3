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
from .tile_taps import fixed, number

# Kernel elements of a tile of gradients: that number is taken which leaves less of the last tile empty.
FEW, MANY = (5, 6) if FEW_REGISTERS else (8, 9)
# Kernel elements that have one address, where a row of the kernel is whole runs, without dilation. MANY is a multiple.
RUN = 3
# With the branches that fetch, LLVM moves multiply-adds behind them, and accumulators to the stack where registers are
# few: the weight gradient of 64x32x32x32 1x1 to 64 took 4,750 us, and 2,500 without them (AVX2, two threads).
_FETCHES = not FEW_REGISTERS
# Pixels of a tile of outputs.
PIXELS = 6 if FEW_REGISTERS else 8


class Ahead(NamedTuple):
    """What is read next, `vectors` of each of `rows` rows from `at` on: fetched while products are made."""

    at: int
    stride: int  # from row to row
    vectors: int
    rows: int


class Windows(NamedTuple):
    """Windows of `rows` x `cols` pixels of each of `images` images, from `at` on; strides are in elements."""

    at: int
    image: int
    pitch: int
    step: int
    images: int
    rows: int
    cols: int


@kernel
def pixels_block(form, w, wo, terms, x, xo, table, pixels, bias, bo, y, yo, room):
    """``y[p, k] = bias[k] + sum over terms t of w[t, k] * x[pixels[p] + table[t]]`` for the filters k of a tile.

    `pixels` has whole tiles of them. Vectors of filters are `room` elements apart in `y`, beside each other in `w`. To
    fetch the next image meanwhile, as `outer_block` does, won nothing.
    """
    apart()
    t, L = tile_like(form), lanes(w)
    height = tile_rows(t)
    for p in range(0, pixels.size, height):
        here, at = tile_rows_at(t, pixels, p), wo
        tile_load(t, bias, bo, 0, L)
        for k in range(terms):
            tile_scale_at(t, w, at, x, xo + table[k], here, fixed(1))
            at += COLS * L
        tile_store(t, y, yo + p * L, L, room)


@kernel
def outer_block(form, total, run, d, do, x, windows, table, first, last, sums, so, to, dy, maps, source, images):
    """Add the products of all pixels to vectors of sums, from `so` on, of kernel elements of tiles `first` to `last`.

    The pixels' vectors of filters follow each other in `d`; with `total` 1, for one tile, they are added to those at
    `to`, beside the products. `table` has the places of kernel elements in a window, of which `run` follow each other.
    What is read next are `maps` of `dy` and `images` of `source`, fetched where registers are many: where nothing was
    64x128x16x16 1x1 to 128 took 103 us an image and not 78, 128x3x32x32 3x3 to 32 22.1 and not 20.3 (Zen 4, a thread).
    """
    apart()
    t, L = tile_like(form), lanes(d)
    height, width, all_pixels = tile_rows(t), COLS * L, tile_row(t)
    line, line_left, left = maps.at, maps.vectors, maps.vectors * maps.rows
    other, row_left, other_left = images.at, images.vectors, images.vectors * images.rows
    tile_zero(all_pixels)
    for e in range(first, last):
        places, at = tile_rows_at(t, table, e * height), do
        tile_zero(t)
        for s in range(windows.images):
            for p in range(windows.rows):
                pixel = windows.at + s * windows.image + p * windows.pitch
                for q in range(windows.cols):
                    tile_scale_at(t, d, at, x, pixel + q * windows.step, places, run)
                    if number(total):
                        tile_add(all_pixels, d, at, 0, L)
                    at += width
                    if _FETCHES and left > 0:
                        prefetch_near(dy, line)
                        line, line_left, left = line + L, line_left - 1, left - 1
                        if line_left == 0:
                            line, line_left = line + maps.stride - maps.vectors * L, maps.vectors
                    elif _FETCHES and other_left > 0:
                        prefetch_near(source, other)
                        other, row_left, other_left = other + L, row_left - 1, other_left - 1
                        if row_left == 0:
                            other, row_left = other + images.stride - images.vectors * L, images.vectors
        tile_add(t, sums, so + e * height * width, width, L)
        tile_store(t, sums, so + e * height * width, width, L)
    if number(total):
        tile_add(all_pixels, sums, to, 0, L)
        tile_store(all_pixels, sums, to, 0, L)
