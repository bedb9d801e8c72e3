"""Images and maps for convolutions with the lanes along the filters: bands of images, vectors of filters and back.

Such convolutions take images as scalars, which may lie anywhere, so that maps need not be as wide as whole vectors and
strides cost nothing. Without padding images are read where they are.
"""

from typing import NamedTuple

import numpy as np

from ._jit import VECTOR_BYTES, apart, either, inline, kernel
from .conv_flat_block import ZERO
from .conv_plan import Conv
from .conv_wide_block import stage_row
from .simd import lanes, vstore
from .strided import halved
from .tile import tile_load, tile_square, tile_store, tile_transpose
from .vmath import vset

# Vectors of filters of a tile. One is as fast as two where multiply-adds take scalars from memory; where each scalar is
# loaded first, two are 1.4 times as fast (AVX2).
COLS = 1 if VECTOR_BYTES == 64 else 2
# Filters that are transposed at a time, of so many pixels: planes that are a power of two apart share eight lines of
# the first-level cache (1.6 ns a vector of 16 filters at a time, 1.2 of eight; Zen 4).
_FILTERS, _TRANSPOSED = 8, 256


@either
def whole_tiles(filters: int, lanes: int) -> int:
    """Count the filters of whole tiles, of which the last may be begun alone."""
    return -(-filters // (COLS * lanes)) * COLS * lanes


@either
def padded_pixels(conv: Conv, backward: bool) -> float:
    """Pixels of a padded image or, for input gradients of stride 1, of padded maps; no integer could hold the most."""
    reach_h, reach_w = (conv.kh - 1) * conv.dh, (conv.kw - 1) * conv.dw
    if backward:
        return float(conv.height + reach_h) * float(conv.width + reach_w)
    return float((conv.oh - 1) * conv.sh + reach_h + 1) * float((conv.ow - 1) * conv.sw + reach_w + 1)


@inline
def first_filter(filters, group, L):
    """Return the first filter of a group, of a tile's; the last group overlaps."""
    return min(group * COLS * L, filters - COLS * L)


class Band(NamedTuple):
    """What is worked on at a time: `images` images, or `rows` rows of outputs of one; sizes in elements."""

    images: int
    rows: int
    staged: bool  # or images are read where they are
    height: int  # rows of a channel
    pitch: int
    halo: int  # zeros left of a row, which are also those right of the one before
    channel: int
    image: int
    first: int  # where the first output's window starts


@kernel
def plan_band(view, n, channels, rows, cols, few, many, L):
    """Plan bands for `rows` x `cols` outputs: images of up to `few` pixels, or rows of one of about `many`."""
    apart()
    plane = rows * cols
    images, band = max(1, min(n, few // plane)), rows if plane <= many else max(1, many // cols)
    reach = (view.kh - 1) * view.dh
    below = (rows - 1) * view.sh + reach + 1 - view.top - view.height
    right = (cols - 1) * view.sw + (view.kw - 1) * view.dw + 1 - view.left - view.width
    if max(view.top, view.left, below, right) <= 0:
        channel = view.height * view.width
        return Band(images, band, False, view.height, view.width, ZERO, channel, channels * channel,
                    -view.top * view.width - view.left)
    # Whole vectors, so that rows are written aligned.
    halo = -(-max(view.left, right, 0) // L) * L
    height, pitch = (band - 1) * view.sh + reach + 1, -(-view.width // L) * L + halo
    return Band(images, band, True, height, pitch, halo, height * pitch, channels * height * pitch + halo,
                halo - view.left)


@kernel
def stage_band(x, xo, view, channels, band, first, m, mo):
    """Copy the rows that outputs from row `first` on meet to where there are zeros, or such rows were."""
    apart()
    L, zero = lanes(m), vset(m, 0.0)
    for c in range(channels):
        for row in range(band.height):
            to, r = mo + c * band.channel + row * band.pitch + band.halo, first * view.sh + row - view.top
            if 0 <= r < view.height:
                stage_row(x, xo + (c * view.height + r) * view.width, view.width, m, to)
            else:
                for q in range(0, view.width, L):
                    vstore(m, to + q, zero)


@kernel
def tap_places(view, channels, taps, band, count):
    """Where kernel elements are from a window's start: channels, rows, columns; of `count` the last row is repeated.

    The row, not its last element: where a tile has runs of elements, those of a run follow each other here too.
    """
    apart()
    table, k = np.empty(count, np.int64), ZERO
    for c in range(channels):
        for i in range(taps.count_h):
            for j in range(taps.count_w):
                row, col = taps.first_h + i * taps.step_h, taps.first_w + j * taps.step_w
                table[k] = c * band.channel + row * view.dh * band.pitch + col * view.dw
                k += 1
    for more in range(k, count):
        table[more] = table[more - taps.count_w]
    return table


class Plane(NamedTuple):
    """Strides of filters and pixels in elements, and the stride of what a vector does not run along."""

    filter: int
    pixel: int
    row: int


@kernel
def filters_to_lanes(y, yo, plane, pixels, m, to):
    """``m[to + q * COLS * L + k] = y[yo + k * plane + q]`` for the filters k of a tile; planes are `plane` apart."""
    apart()
    width = COLS * lanes(m)
    maps, vectors, place = Plane(plane, 1, plane), Plane(1, width, width), y.ctypes.data // y.itemsize + yo
    if pixels < min(lanes(m), _FILTERS):
        for k in range(width):
            for q in range(pixels):
                m[to + q * width + k] = y[yo + k * plane + q]
    elif lanes(m) > _FILTERS:
        _transpose(halved(y), yo, maps, halved(m), to, vectors, width, pixels, place)
    else:
        _transpose(y, yo, maps, m, to, vectors, width, pixels, place)


@kernel
def lanes_to_filters(m, mo, width, pixels, y, yo, plane):
    """``y[yo + lane * plane + q] = m[mo + q * width + lane]`` for the filters of a vector; planes are `plane` apart."""
    apart()
    L = lanes(m)
    maps, vectors, place = Plane(plane, 1, plane), Plane(1, width, width), y.ctypes.data // y.itemsize + yo
    if pixels < min(L, _FILTERS):
        for lane in range(L):
            for q in range(pixels):
                y[yo + lane * plane + q] = m[mo + q * width + lane]
    elif L > _FILTERS:
        _transpose(halved(m), mo, vectors, halved(y), yo, maps, L, pixels, place)
    else:
        _transpose(m, mo, vectors, y, yo, maps, L, pixels, place)


@inline
def _transpose(x, xo, source, y, yo, target, filters, pixels, place):
    """Transpose `filters` x `pixels`, as many filters at a time as the vectors here have lanes.

    `place` is where the maps start in memory.
    """
    t, few = tile_square(x), lanes(x)
    for first in range(0, pixels, _TRANSPOSED):
        # Pixels before the first one whose vector, in the maps, lies in one cache line.
        before = -(place + first) % few
        count = -(-(min(_TRANSPOSED, pixels - first) - before) // few)
        for k in range(0, filters, few):
            for part in range(-1 if before > 0 else 0, count):
                q = min(max(first + before + part * few, first), pixels - few)
                tile_load(t, x, xo + k * source.filter + q * source.pixel, source.row, 0)
                tile_transpose(t)
                tile_store(t, y, yo + k * target.filter + q * target.pixel, target.row, 0)
