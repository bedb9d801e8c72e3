"""Convolutions with the lanes along the filters: outputs, and input gradients of stride 1.

A register tile has a few pixels of outputs, wherever they are, and a vector of filters: each scalar of an image times a
vector of weights. No sum runs over columns beyond the maps, and products run at 97% of the peak for maps of any width
(Zen 4, AVX-512). Sums have the bits of the flat form (`conv_flat.py`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba.extending import register_jitable

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, inline, kernel, lane_count
from .conv_deep_block import PIXELS, pixels_block
from .conv_deep_stage import (
    COLS,
    filters_to_lanes,
    lanes_to_filters,
    padded_pixels,
    plan_band,
    stage_band,
    tap_places,
    whole_tiles,
)
from .conv_flat_block import ZERO
from .conv_plan import Conv, describe, phase_taps
from .conv_wide import has_points
from .conv_wide_block import clear
from .idle_memory import borrow, give_back
from .sharing import share_of
from .simd import lanes, vload, vstore
from .team import share_out, threads_of
from .tile import tile

# Plans that are kept: to make one takes longer than the sums of a small image.
_KEPT = 256
# Times as large as an image at most, padded: where there is hardly anything but zeros, the flat form leaves them out.
_MOST_PADDED = 100
# Terms from which on it takes less time to turn outputs round than to load vectors that lie in two cache lines.
_MANY_TERMS = 100


def is_deep(conv: Conv, dtype: np.dtype[Any], *, backward: bool, other: str) -> bool:
    """Whether sums can be made so, and win against another form: "wide", in "blocks" or "flat".

    2 threads of a Zen 4, us, here and in the other form: one image of 6x12x12 5x5 to 16 11, 15 flat, of 64x8x8 3x3 to
    64 44, 86 flat, of 16x32x32 3x3 to 16 41, 59 wide; 128x6x12x12 5x5 to 16 194, 222 in blocks; 128x64x8x8 1x1 to 64
    345, 568 flat. Others win with few terms (128x1x28x28 3x3 to 16 324, 250 in blocks), by leaving out what is padded
    (128x32x7x7 3x3 to 32 backward 613, 479 in blocks) and by Winograd's algorithm.
    """
    lanes = lane_count(dtype.itemsize * 8)
    if other == "flat" or not fits(conv, lanes, backward):
        return other == "flat" and beats_flat(conv, lanes, backward)
    filters, channels, rows, cols, image = sizes_of(conv, backward)
    padded, taps = padded_pixels(conv, backward), conv.kh * conv.kw
    if other == "wide":
        if has_points(conv, lanes, backward=backward):
            return conv.n < 4 and conv.c < 32
        return taps == 1 or channels * taps >= _MANY_TERMS
    if conv.n <= lanes:  # one block, which one thread alone works on
        return padded <= 5 * image
    points = conv[6:8] + conv[10:14] == (3, 3, 1, 1, 1, 1) and rows * cols > 16 and rows % 2 == cols % 2 == 0
    filled = whole_tiles(filters, lanes)
    return not points and 5 * padded <= 7 * image and 4 * filled <= 5 * filters and channels * taps >= 16


@register_jitable
def sizes_of(conv: Conv, backward: bool) -> tuple[int, int, int, int, int]:
    """Return filters, channels, rows and columns of sums, and the pixels of what they run over."""
    if backward:
        return conv.c, conv.k, conv.height, conv.width, conv.oh * conv.ow
    return conv.k, conv.c, conv.oh, conv.ow, conv.height * conv.width


@register_jitable
def fits(conv: Conv, lanes: int, backward: bool) -> bool:
    """Whether sums can be made so without many lanes in vain."""
    filters = conv.c if backward else conv.k
    if conv.groups > 1 or filters < COLS * lanes or (backward and conv.sh * conv.sw > 1):
        return False
    return 5 * whole_tiles(filters, lanes) <= 8 * filters


@register_jitable
def beats_flat(conv: Conv, lanes: int, backward: bool) -> bool:
    """Whether sums can be made so, and win against the flat form; for compiled callers too."""
    if not fits(conv, lanes, backward):
        return False
    _, _, rows, cols, image = sizes_of(conv, backward)
    padded = padded_pixels(conv, backward)
    # Lines of pixels, one after the other (`conv_lines.py`).
    if conv.kh * conv.kw == 1 and padded == image and rows * cols == image:
        if image % lanes == 0 and image >= 8 * lanes:
            return image <= 256 and conv.n < 16
    return padded <= _MOST_PADDED * image


@inline
def _plan(conv, backward, L):
    """Plan bands; return with them how many there are, the groups of filters, and elements of outputs in scratch."""
    view, _, sums = describe(conv, backward)
    band = plan_band(view, sums.n, sums.channels, sums.rows, sums.cols, 128, 512, L)
    bands = -(-sums.n // band.images) * -(-sums.rows // band.rows)
    room = -(-band.images * band.rows * sums.cols // PIXELS) * PIXELS * L
    return view, sums, band, bands, -(-sums.filters // (COLS * L)), room


@kernel
def _pack(w, conv, sums, groups, backward, m, mo, copied):
    """Pack weights as [group][term][filter of the group]; the last group overlaps."""
    L, taps = lanes(w), conv.kh * conv.kw
    width = COLS * L
    for g in range(groups):
        k, to = min(g * width, sums.filters - width), mo + g * sums.terms * width
        if not backward:
            filters_to_lanes(w, k * sums.terms, sums.terms, sums.terms, m, to)
        elif taps == 1:
            for c in range(sums.channels):
                for q in range(0, width, L):
                    vstore(m, to + c * width + q, vload(w, c * sums.filters + k + q))
        else:
            for c in range(sums.channels):
                filters_to_lanes(w, (c * sums.filters + k) * taps, taps, taps, m, to + c * taps * width)


@kernel
def _worker(worker, workers, shares, x, y, m, packed, size, bias, table, places, numbers, backward):
    """Do every worker's share of the bands, each with a share of the filters, in scratch of `size` elements."""
    L, conv = lanes(x), Conv(*numbers)
    view, sums, band, bands, groups, room = _plan(conv, backward, L)
    width, across = COLS * L, -(-sums.rows // band.rows)
    plane, image = sums.rows * sums.cols, sums.channels * view.height * view.width
    so = packed + worker * size
    mo = so + COLS * room
    if band.staged:
        clear(m, mo, band.images * band.image)
    begin, end = share_of(worker, workers, bands * shares)
    for unit in range(begin, end):
        part, share = unit // shares, unit % shares
        # The last band overlaps, so that all are alike.
        s, p = min(part // across * band.images, sums.n - band.images), min(part % across * band.rows,
                                                                            sums.rows - band.rows)
        first, last = share_of(share, shares, groups)
        if band.staged and first < last:
            for i in range(band.images):
                stage_band(x, (s + i) * image, view, sums.channels, band, p, m, mo + i * band.image)
        for g in range(first, last):
            k, wo = min(g * width, sums.filters - width), g * sums.terms * width
            if band.staged:
                pixels_block(tile(x, PIXELS, COLS), m, wo, sums.terms, m, mo + band.first, table, places, bias, k, m,
                             so, room)
            else:
                pixels_block(tile(x, PIXELS, COLS), m, wo, sums.terms, x,
                             s * image + p * view.sh * view.width + band.first, table, places, bias, k, m, so, room)
            for i in range(band.images):
                for c in range(COLS):
                    lanes_to_filters(m, so + c * room + i * plane * L, band.rows * sums.cols, y,
                                     ((s + i) * sums.filters + k + c * L) * plane + p * sums.cols, plane)


def _sums_entry(team, shares, x, y, w, b, has_bias, m, packed, size, table, places, numbers, backward):
    """Write outputs or, `backward`, input gradients."""
    L, conv, workers = lanes(x), Conv(*numbers), threads_of(team)
    _, sums, _, _, groups, _ = _plan(conv, backward, L)
    bias = b if has_bias else np.zeros(sums.filters, w.dtype)
    _pack(w, conv, sums, groups, backward, m, ZERO, packed)
    share_out(team, workers, _worker, (workers, shares, x, y, m, packed, size, bias, table, places, numbers, backward))


def _plan_entry(like, numbers, backward):
    """Return bands, the elements of packed weights and of a worker's scratch, and the places of terms and pixels."""
    L, conv = lanes(like), Conv(*numbers)
    view, sums, band, bands, groups, room = _plan(conv, backward, L)
    _, target, _ = describe(conv, backward)
    _, taps = phase_taps(conv, view, target, ZERO, backward)
    places, k = np.empty(room // L, np.int64), ZERO
    for i in range(band.images):
        for p in range(band.rows):
            for q in range(sums.cols):
                places[k] = i * band.image + p * view.sh * band.pitch + q * view.sw
                k += 1
    for more in range(k, places.size):
        places[more] = places[k - 1]
    size = COLS * room + (band.images * band.image if band.staged else ZERO)
    return (bands, groups * sums.terms * COLS * L, -(-size // L) * L, tap_places(view, sums.channels, taps, band,
                                                                               sums.terms), places)


PLAN, SUMS = entry(_plan_entry), entry(_sums_entry)


@functools.lru_cache(_KEPT)
def _kept(dtype: np.dtype[Any], numbers: tuple[int, ...], backward: bool) -> Any:
    return PLAN(np.empty(0, dtype), numbers, backward)


def sums(
    numbers: tuple[int, ...], workers: int, x: Array, w: Array, b: Array | None, y: Array, *, backward: bool
) -> None:
    """Write outputs or, `backward`, input gradients."""
    bands, packed, size, table, places = _kept(x.dtype, numbers, backward)
    # Few bands are shared by all workers, filter by filter.
    shares = workers if bands < 4 * workers and bands % workers else 1
    scratch, weights = borrow(packed + workers * size, x.dtype), flat_alias(w)
    bias = weights if b is None else flat_alias(b)
    _threads.launch(SUMS, workers, shares, flat_alias(x), y.reshape(-1), weights, bias, b is not None, scratch, packed,
                    size, table, places, numbers, backward)
    give_back(scratch)
