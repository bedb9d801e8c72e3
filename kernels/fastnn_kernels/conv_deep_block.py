"""Sums of outer products with the lanes along the filters: what the pixels of an image add to gradients of weights.

The gradients of a pixel's maps are turned into vectors of filters. The scalar of the image that a kernel element meets
there, times these vectors, is the pixel's part of that element's gradients. Scalars may lie anywhere, so that maps need
not be as wide as whole vectors and strides cost nothing; no lanes are summed.
"""

from typing import NamedTuple

import numpy as np

from ._jit import FEW_REGISTERS, VECTOR_BYTES, inline, kernel
from .conv_flat_block import ZERO
from .conv_wide_block import stage_row
from .machine_state import prefetch_near
from .simd import lanes, vstore
from .strided import halved
from .tile import (
    tile_add,
    tile_like,
    tile_load,
    tile_row,
    tile_rows,
    tile_square,
    tile_store,
    tile_transpose,
    tile_zero,
)
from .tile_product import tile_rows_at, tile_scale_at
from .tile_taps import number
from .vmath import vset

# Vectors of filters of a tile. One is as fast as two where multiply-adds take scalars from memory; where each scalar is
# loaded first, two are 1.4 times as fast (AVX2).
COLS = 1 if VECTOR_BYTES == 64 else 2
# Kernel elements of a tile: the number with fewer left over. Kernels of 3 x 3 have nine.
FEW, MANY = (5, 6) if FEW_REGISTERS else (8, 9)
# Pixels at a time, about: of 128, 256 and 512 the most won (32 filters of 3x32x32, one thread: 22.6, 21.4, 21.0 us an
# image).
_PIXELS = 512
# Filters that are turned round at a time, of so many pixels: planes that are a power of two apart share eight lines of
# the first-level cache (1.6 ns a vector of 16 filters at a time, 1.2 of eight).
_FILTERS, _TURNED = 8, 256


class Deep(NamedTuple):
    """How gradients are summed: `images` at a time, or a `band` of rows of one, in tiles of `rows` kernel elements."""

    images: int
    band: int
    rows: int
    tiles: int
    groups: int  # of filters
    staged: bool  # or images are read where they are; in elements:
    lines: int  # rows of a channel
    pitch: int
    halo: int  # zeros left of a row, which are also those right of the one before
    channel: int
    image: int


@kernel
def plan_deep(conv, L):
    """Plan the sums of a convolution's weight gradients, which has no groups and enough filters for a tile."""
    plane, terms = conv.oh * conv.ow, conv.c * conv.kh * conv.kw
    images = max(1, min(conv.n, _PIXELS // 2 // plane))
    band = conv.oh if plane <= _PIXELS else max(1, _PIXELS // conv.ow)
    rows = MANY if -(-terms // MANY) * MANY <= -(-terms // FEW) * FEW else FEW
    reach = (conv.kh - 1) * conv.dh
    below = (conv.oh - 1) * conv.sh + reach + 1 - conv.top - conv.height
    right = (conv.ow - 1) * conv.sw + (conv.kw - 1) * conv.dw + 1 - conv.left - conv.width
    staged = max(conv.top, conv.left, below, right) > 0
    lines, pitch, halo = conv.height, conv.width, ZERO
    if staged:
        # Whole vectors, so that rows are written aligned.
        halo = -(-max(conv.left, right) // L) * L
        lines, pitch = (band - 1) * conv.sh + reach + 1, -(-conv.width // L) * L + halo
    channel = lines * pitch
    return Deep(images, band, rows, -(-terms // rows), -(-conv.k // (COLS * L)), staged, lines, pitch, halo, channel,
                conv.c * channel + halo)


@kernel
def places_of(conv, deep):
    """Where kernel elements meet their first pixels, in the order of the weights; those too many repeat the last."""
    table, k = np.empty(deep.tiles * deep.rows, np.int64), ZERO
    first = deep.halo - conv.left
    for c in range(conv.c):
        for i in range(conv.kh):
            for j in range(conv.kw):
                table[k] = first + c * deep.channel + i * conv.dh * deep.pitch + j * conv.dw
                k += 1
    for more in range(k, table.size):
        table[more] = table[k - 1]
    return table


@kernel
def stage_band(x, xo, conv, deep, first, m, mo):
    """Copy the rows that outputs from row `first` on meet to where there are zeros, or such rows were."""
    L, zero = lanes(m), vset(m, 0.0)
    for c in range(conv.c):
        for line in range(deep.lines):
            to, r = mo + c * deep.channel + line * deep.pitch + deep.halo, first * conv.sh + line - conv.top
            if 0 <= r < conv.height:
                stage_row(x, xo + (c * conv.height + r) * conv.width, conv.width, m, to)
            else:
                for q in range(0, conv.width, L):
                    vstore(m, to + q, zero)


@kernel
def filters_to_lanes(dy, do, plane, pixels, m, to):
    """``m[to + q * COLS * L + k] = dy[do + k * plane + q]``, for filters k of a tile, from `plane` to `plane`."""
    L = lanes(m)
    if pixels < L:
        for k in range(COLS * L):
            for q in range(pixels):
                m[to + q * COLS * L + k] = dy[do + k * plane + q]
        return
    place = dy.ctypes.data // dy.itemsize + do
    for first in range(0, pixels, _TURNED):
        if L > _FILTERS:
            _turn(halved(dy), do, plane, first, pixels, place, halved(m), to, COLS * L)
        else:
            _turn(dy, do, plane, first, pixels, place, m, to, COLS * L)


@inline
def _turn(dy, do, plane, first, pixels, place, m, to, filters):
    """Turn pixels from `first` on round, as many filters at a time as the vectors here have lanes."""
    t, few = tile_square(m), lanes(m)
    # Pixels before the first one whose vector lies in one cache line.
    before = -(place + first) % few
    count = -(-(min(_TURNED, pixels - first) - before) // few)
    for k in range(0, filters, few):
        for part in range(-1 if before > 0 else 0, count):
            q = min(max(first + before + part * few, first), pixels - few)
            tile_load(t, dy, do + k * plane + q, plane, 0)
            tile_transpose(t)
            tile_store(t, m, to + q * filters + k, filters, 0)


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
