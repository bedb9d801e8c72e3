"""Images and maps for convolutions with the lanes along the filters: bands of images, vectors of filters and back.

Such convolutions take images as scalars, which may lie anywhere, so that maps need not be as wide as whole vectors and
strides cost nothing. Without padding images are read where they are.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from ._jit import VECTOR_BYTES, apart, inline, kernel
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
# Filters that are turned round at a time, of so many pixels: planes that are a power of two apart share eight lines of
# the first-level cache (1.6 ns a vector of 16 filters at a time, 1.2 of eight).
_FILTERS, _TURNED = 8, 256


@register_jitable
def whole_tiles(filters: int, lanes: int) -> int:
    """Count the filters of whole tiles, of which the last may be begun alone."""
    return -(-filters // (COLS * lanes)) * COLS * lanes


@register_jitable
def padded_pixels(conv: Conv, backward: bool) -> int:
    """Pixels of a padded image or, for input gradients of stride 1, of padded maps."""
    reach_h, reach_w = (conv.kh - 1) * conv.dh, (conv.kw - 1) * conv.dw
    if backward:
        return (conv.height + reach_h) * (conv.width + reach_w)
    return ((conv.oh - 1) * conv.sh + reach_h + 1) * ((conv.ow - 1) * conv.sw + reach_w + 1)


class Band(NamedTuple):
    """What is worked on at a time: `images` images, or `rows` rows of outputs of one; sizes in elements."""

    images: int
    rows: int
    staged: bool  # or images are read where they are
    lines: int  # rows of a channel
    pitch: int
    halo: int  # zeros left of a row, which are also those right of the one before
    channel: int
    image: int
    first: int  # where the first output's window starts


@kernel
def plan_band(view, n, channels, rows, cols, few, many, L):
    """Plan bands for `rows` x `cols` outputs: up to `few` pixels of several images, or `many` of one."""
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
    lines, pitch = (band - 1) * view.sh + reach + 1, -(-view.width // L) * L + halo
    return Band(images, band, True, lines, pitch, halo, lines * pitch, channels * lines * pitch + halo,
                halo - view.left)


@kernel
def stage_band(x, xo, view, channels, band, first, m, mo):
    """Copy the rows that outputs from row `first` on meet to where there are zeros, or such rows were."""
    apart()
    L, zero = lanes(m), vset(m, 0.0)
    for c in range(channels):
        for line in range(band.lines):
            to, r = mo + c * band.channel + line * band.pitch + band.halo, first * view.sh + line - view.top
            if 0 <= r < view.height:
                stage_row(x, xo + (c * view.height + r) * view.width, view.width, m, to)
            else:
                for q in range(0, view.width, L):
                    vstore(m, to + q, zero)


@kernel
def tap_places(view, channels, taps, band, count):
    """Where kernel elements are from a window's start: channels, rows, columns; of `count` the last is repeated."""
    apart()
    table, k = np.empty(count, np.int64), ZERO
    for c in range(channels):
        for i in range(taps.count_h):
            for j in range(taps.count_w):
                row, col = taps.first_h + i * taps.step_h, taps.first_w + j * taps.step_w
                table[k] = c * band.channel + row * view.dh * band.pitch + col * view.dw
                k += 1
    for more in range(k, count):
        table[more] = table[k - 1]
    return table


@kernel
def filters_to_lanes(y, yo, plane, pixels, m, to):
    """``m[to + q * COLS * L + k] = y[yo + k * plane + q]``, for the filters k of a tile, from `plane` to `plane`."""
    apart()
    L = lanes(m)
    if pixels < L:
        for k in range(COLS * L):
            for q in range(pixels):
                m[to + q * COLS * L + k] = y[yo + k * plane + q]
    elif L > _FILTERS:
        _turn(halved(y), yo, y.ctypes.data // y.itemsize + yo, plane, pixels, halved(m), to, COLS * L)
    else:
        _turn(y, yo, y.ctypes.data // y.itemsize + yo, plane, pixels, m, to, COLS * L)


@inline
def _turn(y, yo, place, plane, pixels, m, to, filters):
    """Turn filters into lanes, as many at a time as the vectors here have; `place` is that of `yo` in memory."""
    t, few = tile_square(m), lanes(m)
    for first in range(0, pixels, _TURNED):
        # Pixels before the first one whose vector lies in one cache line.
        before = -(place + first) % few
        count = -(-(min(_TURNED, pixels - first) - before) // few)
        for k in range(0, filters, few):
            for part in range(-1 if before > 0 else 0, count):
                q = min(max(first + before + part * few, first), pixels - few)
                tile_load(t, y, yo + k * plane + q, plane, 0)
                tile_transpose(t)
                tile_store(t, m, to + q * filters + k, filters, 0)


@kernel
def lanes_to_filters(m, mo, pixels, y, yo, plane):
    """``y[yo + lane * plane + q] = m[mo + q * L + lane]``, for the filters of a vector."""
    apart()
    L = lanes(m)
    if pixels < L:
        for lane in range(L):
            for q in range(pixels):
                y[yo + lane * plane + q] = m[mo + q * L + lane]
    elif L > _FILTERS:
        _turn_back(halved(m), mo, pixels, halved(y), yo, y.ctypes.data // y.itemsize + yo, plane, L)
    else:
        _turn_back(m, mo, pixels, y, yo, y.ctypes.data // y.itemsize + yo, plane, L)


@inline
def _turn_back(m, mo, pixels, y, yo, place, plane, filters):
    """Turn lanes into filters, as `_turn` does the other way."""
    t, few = tile_square(m), lanes(m)
    for first in range(0, pixels, _TURNED):
        before = -(place + first) % few
        count = -(-(min(_TURNED, pixels - first) - before) // few)
        for k in range(0, filters, few):
            for part in range(-1 if before > 0 else 0, count):
                q = min(max(first + before + part * few, first), pixels - few)
                tile_load(t, m, mo + q * filters + k, filters, 0)
                tile_transpose(t)
                tile_store(t, y, yo + k * plane + q, plane, 0)
