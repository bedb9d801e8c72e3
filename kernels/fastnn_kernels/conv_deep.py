"""Direct convolution with the lanes along the filters, "deep": outputs, and input gradients of stride 1.

A register tile has a few pixels of outputs, wherever they are, and a vector of filters; to it go the products of each
scalar of an image, broadcast, and the vector of its weights. No sum runs over columns beyond the maps, and products run
at 97% of the peak for maps of any width (Zen 4, AVX-512). Then the outputs are transposed to where they belong. Sums
have the bits of the flat form (`conv_flat.py`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import either, entry, inline, kernel, lane_count
from .conv_deep_block import PIXELS, pixels_block
from .conv_deep_stage import (
    COLS,
    filters_to_lanes,
    first_filter,
    lanes_to_filters,
    padded_pixels,
    plan_band,
    stage_band,
    tap_places,
    whole_tiles,
)
from .conv_flat_block import ZERO
from .conv_plan import ROW_COLS, Conv, describe, phase_taps, sizes_of
from .conv_wide import has_points, wants_points
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
# Terms from which on it takes less time to transpose outputs than to load vectors that lie in two cache lines.
_MANY_TERMS = 100
# Pixels of an image, and images, up to which 1x1 kernels win against lines of pixels, which need no transposing.
_FEW_PIXELS, _FEW_IMAGES = 256, 15


# The limits were read off 21 shapes of 1, 8, 32 and 128 images, each made in all forms (2 threads of a Zen 4 with
# AVX-512, then with AVX2 alone). What is chosen took at most 1.3 times as long as the best form, but for one image of
# 16x32x32 3x3 to 16 (59 us by Winograd's algorithm, 41 here, with bits that would depend on the number of images) and
# gradients of 5x5 images from one pixel (8 images: 261 us here, 71 in lane blocks).
def is_deep(conv: Conv, dtype: np.dtype[Any], *, backward: bool, other: str) -> bool:
    """Whether sums can be made so, and win against another form: "wide", in "blocks" or "flat".

    2 threads of a Zen 4, us, here and in the other form: one image of 6x12x12 5x5 to 16 12, 15 flat, of 64x8x8 3x3 to
    64 44, 86 flat; 128x6x12x12 5x5 to 16 194, 222 in blocks by direct sums; 128x64x8x8 1x1 to 64 345, 568 flat. Others
    win with few terms (128x1x28x28 3x3 to 16 324, 250 in blocks), by leaving out what is padded (128x32x7x7 3x3 to 32
    backward 613, 479 in blocks) and by Winograd's algorithm (128x64x8x8 3x3 to 64 2767, 1625 in blocks).
    """
    lanes = lane_count(dtype.itemsize * 8)
    if other == "flat" or not fits(conv, lanes, backward):
        return other == "flat" and beats_flat(conv, lanes, backward)
    filters, channels, rows, cols = sizes_of(conv, backward)
    image, padded, taps = _pixels(conv, backward), padded_pixels(conv, backward), conv.kh * conv.kw
    if other == "wide":
        by_points = has_points(conv, lanes, backward=backward)
        return not by_points and (taps == 1 or channels * taps >= _MANY_TERMS)
    if conv.n <= lanes:
        # On one block one thread alone works: 16 images of 64x8x8 3x3 to 64 take it as long as these two threads here.
        return padded <= 5 * image
    points = wants_points(conv) and rows % 2 == cols % 2 == 0 and rows * cols > 16
    return not points and 5 * padded <= 7 * image and 4 * whole_tiles(filters, lanes) <= 5 * filters and (
        channels * taps >= 16)


@either
def _pixels(conv: Conv, backward: bool) -> int:
    """Pixels of what sums run over: of an image or of a map."""
    return conv.oh * conv.ow if backward else conv.height * conv.width


@either
def fits(conv: Conv, lanes: int, backward: bool) -> bool:
    """Whether sums can be made so without many lanes in vain."""
    filters = conv.c if backward else conv.k
    if conv.groups > 1 or filters < COLS * lanes or (backward and conv.sh * conv.sw > 1):
        return False
    return 5 * whole_tiles(filters, lanes) <= 8 * filters


@either
def beats_flat(conv: Conv, lanes: int, backward: bool) -> bool:
    """Whether sums can be made so, and win against the flat form; for compiled callers too."""
    if not fits(conv, lanes, backward):
        return False
    _, _, rows, cols = sizes_of(conv, backward)
    image, padded = _pixels(conv, backward), padded_pixels(conv, backward)
    # What `conv_lines.has_lines` says.
    if conv.kh * conv.kw == 1 and padded == image and rows * cols == image and image % lanes == 0:
        if image >= ROW_COLS * lanes:
            return image <= _FEW_PIXELS and conv.n <= _FEW_IMAGES
    return padded <= _MOST_PADDED * image


@inline
def _plan(conv, backward, L):
    """Plan bands; return how many there are, the groups of filters, and elements of outputs in scratch with them."""
    view, target, sums = describe(conv, backward)
    _, views = phase_taps(conv, view, target, ZERO, backward)
    # So many pixels that packed weights come from the first-level cache, and outputs stay in it; twice as many of
    # either made no difference.
    band = plan_band(view, sums.n, sums.channels, sums.rows, sums.cols, 128, 512, L)
    bands = -(-sums.n // band.images) * -(-sums.rows // band.rows)
    room = -(-band.images * band.rows * sums.cols // PIXELS) * PIXELS * L
    return view, views, sums, band, bands, -(-sums.filters // (COLS * L)), room


@kernel
def _pack(w, conv, sums, groups, backward, m):
    """Pack weights as [group][term][filter of the group]; the last group overlaps."""
    L, taps = lanes(w), conv.kh * conv.kw
    width = COLS * L
    for g in range(groups):
        k, to = first_filter(sums.filters, g, L), g * sums.terms * width
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
def _worker(worker, workers, shares, x, y, m, packed, size, bias, table, pixels, numbers, backward):
    """Do a worker's share of the bands, each with a share of the filters, in scratch of `size` elements."""
    L, conv = lanes(x), Conv(*numbers)
    view, _, sums, band, bands, groups, room = _plan(conv, backward, L)
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
            k, wo = first_filter(sums.filters, g, L), g * sums.terms * width
            if band.staged:
                pixels_block(tile(x, PIXELS, COLS), m, wo, sums.terms, m, mo + band.first, table, pixels, bias, k, m,
                             so, room)
            else:
                pixels_block(tile(x, PIXELS, COLS), m, wo, sums.terms, x,
                             s * image + p * view.sh * view.width + band.first, table, pixels, bias, k, m, so, room)
            for i in range(band.images):
                for c in range(COLS):
                    lanes_to_filters(m, so + c * room + i * plane * L, L, band.rows * sums.cols, y,
                                     ((s + i) * sums.filters + k + c * L) * plane + p * sums.cols, plane)


def _sums_entry(team, shares, x, y, w, b, has_bias, m, packed, size, table, pixels, numbers, backward):
    """Write outputs or, `backward`, input gradients."""
    L, conv, workers = lanes(x), Conv(*numbers), threads_of(team)
    _, _, sums, _, _, groups, _ = _plan(conv, backward, L)
    bias = b if has_bias else np.zeros(sums.filters, w.dtype)
    _pack(w, conv, sums, groups, backward, m)
    share_out(team, workers, _worker, (workers, shares, x, y, m, packed, size, bias, table, pixels, numbers, backward))


def _plan_entry(like, numbers, backward):
    """Return bands, the elements of packed weights and of a worker's scratch, and the places of terms and pixels."""
    L, conv = lanes(like), Conv(*numbers)
    view, taps, sums, band, bands, groups, room = _plan(conv, backward, L)
    pixels, k = np.empty(room // L, np.int64), ZERO
    for i in range(band.images):
        for p in range(band.rows):
            for q in range(sums.cols):
                pixels[k] = i * band.image + p * view.sh * band.pitch + q * view.sw
                k += 1
    for more in range(k, pixels.size):
        pixels[more] = pixels[k - 1]
    size = COLS * room + (band.images * band.image if band.staged else ZERO)
    table = tap_places(view, sums.channels, taps, band, sums.terms)
    return bands, groups * sums.terms * COLS * L, -(-size // L) * L, table, pixels


PLAN, SUMS = entry(_plan_entry), entry(_sums_entry)


@functools.lru_cache(_KEPT)
def _kept(dtype: np.dtype[Any], numbers: tuple[int, ...], backward: bool) -> Any:
    return PLAN(np.empty(0, dtype), numbers, backward)


def sums(
    numbers: tuple[int, ...], workers: int, x: Array, w: Array, b: Array | None, y: Array, *, backward: bool
) -> None:
    """Write outputs or, `backward`, input gradients."""
    bands, packed, size, table, pixels = _kept(x.dtype, numbers, backward)
    # Few bands are shared by all workers, filter by filter.
    shares = workers if bands < 4 * workers and bands % workers else 1
    scratch, weights = borrow(packed + workers * size, x.dtype), flat_alias(w)
    bias = weights if b is None else flat_alias(b)
    _threads.launch(SUMS, workers, shares, flat_alias(x), y.reshape(-1), weights, bias, b is not None, scratch, packed,
                    size, table, pixels, numbers, backward)
    give_back(scratch)
