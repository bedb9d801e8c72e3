"""Convolutions of images as wide as whole vectors, one image at a time: outputs, and input gradients of stride 1.

An image is staged once, with zeros around it; then register tiles of (filters x vectors of a row) take their sums
straight to the maps. Nothing is turned round on the way, as it is for lane blocks (`conv_rows.py`), and nothing waits
in scratch for its place, as in the flat form (`conv_flat.py`), whose weights and order of terms these are: direct sums
have its bits. Where Winograd's algorithm wins, the lanes are tiles of outputs (`winograd_wide_block.py`).

Measured against the form that each was made in before (float32, 2 threads of a Sapphire Rapids, times as fast):
128x3x32x32 3x3 to 32 1.6, 32x32x32x32 3x3 to 32 1.2, 64x64x16x16 3x3 to 64 1.1, one image of 64x16x16 1.5, two of
64x224x224 2.1; 64x128x16x16 3x3 to 128, whose weights fill the cache, 0.9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, entry, inline, kernel, lane_count
from .conv_flat_block import ZERO, pack_taps
from .conv_plan import WIDE_COLS as COLS
from .conv_plan import WIDE_ROWS as ROWS
from .conv_plan import Conv, describe, phase_taps, sizes_of
from .conv_wide_block import clear, fits_rows, plan_rows, stage_rows, terms_table, wide_block
from .finite_block import all_finite
from .idle_memory import borrow, give_back
from .layout import copy_elements
from .sharing import share_of
from .simd import lanes
from .team import share_out
from .tile import tile
from .tile_taps import fixed
from .winograd_block import POINTS
from .winograd_wide_block import transform_weights, winograd_wide_block

# Tiles of (filters, vectors of tiles of outputs).
POINT_ROWS, POINT_COLS = (6, 4) if TILE_LIMIT >= 24 else (4, 2)
# Channels and filters between which Winograd's algorithm wins.
_FEWEST, _MOST = 16, 256
# Bytes of transformed weights that stay in a second-level cache beside an image.
_WEIGHT_BYTES = 1 << 19


def wants_points(conv: Conv) -> bool:
    """Whether Winograd's algorithm makes such sums, if maps are as it needs them."""
    few, many = sorted((conv.c, conv.k))
    return conv[6:8] + conv[10:14] == (3, 3, 1, 1, 1, 1) and few >= _FEWEST and many <= _MOST


def has_points(conv: Conv, lanes: int, *, backward: bool) -> bool:
    """Whether sums are made by Winograd's algorithm here, if all numbers are finite."""
    _, _, rows, cols = sizes_of(conv, backward)
    vectors = rows // 2 * (cols // (2 * lanes)) if cols > lanes else -(-rows // 4)
    whole = cols == lanes or cols % (2 * lanes) == 0
    return wants_points(conv) and whole and rows % 2 == 0 and rows >= 4 and vectors >= POINT_COLS


def is_wide(conv: Conv, dtype: np.dtype[Any], *, backward: bool) -> bool:
    """Whether images can be convolved so, and it beats lane blocks and the flat form."""
    lanes, (filters, _, rows, _) = lane_count(dtype.itemsize * 8), sizes_of(conv, backward)
    if conv.groups > 1 or conv[6:8] + conv[10:12] == (1, 1, 1, 1) or not fits_rows(conv, lanes, backward=backward):
        return False
    if wants_points(conv):  # maps too small to fill lanes with tiles of outputs are for lane blocks
        return has_points(conv, lanes, backward=backward)
    # Whole tiles may have a quarter more filters.
    return rows >= 2 and filters >= ROWS and -(-filters // ROWS) * ROWS * 4 <= 5 * filters


@inline
def _point_strides(channels, L):
    """Elements from point to point of inputs and sums: odd numbers of vectors, or they would meet in the caches."""
    return (channels * POINT_COLS | 1) * L, (POINT_ROWS * POINT_COLS | 1) * L


@inline
def _tiles(filters, points):
    return -(-filters // (POINT_ROWS if points else ROWS))


@inline
def _part(filters, points, begin, end, L):
    """Return the filters of tiles `begin` to `end`: the first, and how many; at least what is packed at a time."""
    height, least = (POINT_ROWS, max(POINT_ROWS, L)) if points else (ROWS, ROWS)
    last = min(end * height, filters)
    first = max(0, min(begin * height, last - least))
    return first, max(last - first, least)


@inline
def _scratch(conv, sums, staged, filters, points, L):
    """Elements of packed weights, of what packing needs, and of an image with its points."""
    image = sums.channels * staged.channel
    if not points:
        return -(-_tiles(filters, points) * ROWS * sums.terms // L) * L, ZERO, image
    v_point, m_point = _point_strides(sums.channels, L)
    return (POINTS * filters * sums.channels, -(-(conv.k * conv.c * 9) // L + 22 + L) * L,
            image + POINTS * (v_point + m_point))


def _size_entry(like, numbers, parts, backward, by_points):
    """Return the elements of a worker's scratch, whichever way sums are made."""
    L, conv, size = lanes(like), Conv(*numbers), ZERO
    view, _, sums = describe(conv, backward)
    staged = plan_rows(view, sums.rows, sums.cols, L)
    for points in (False, True):
        if by_points or not points:
            _, filters = _part(sums.filters, points, 0, -(-_tiles(sums.filters, points) // parts), L)
            packed, copied, image = _scratch(conv, sums, staged, filters, points, L)
            size = max(size, packed + copied + image)
    return size


@kernel
def _pack(w, conv, view, target, sums, first, filters, points, backward, m, to, copied):
    """Pack the weights of `filters` filters from `first` on, as their sums take them."""
    taps = conv.kh * conv.kw
    row_stride, channel_stride = (taps, sums.filters * taps) if backward else (sums.terms, taps)
    if points:
        # A copy, since a vector behind the weights is read.
        copy_elements(w, ZERO, m, copied, w.size)
        transform_weights(m, copied + first * row_stride, filters, sums.channels, row_stride, channel_stride, backward,
                          copied + w.size + lanes(w), to)
    else:
        weights, _ = phase_taps(conv, view, target, ZERO, backward)
        pack_taps(tile(w, ROWS, 1), w, first * row_stride, filters, row_stride, sums.channels, channel_stride, conv.kw,
                  weights, m, to)


@kernel
def _wide_worker(worker, workers, parts, x, w, bias, y, m, size, numbers, backward, by_points, refused):
    """Do a share of the parts of images, in scratch of `size` elements; there are 1 or `workers` parts."""
    L, conv = lanes(x), Conv(*numbers)
    view, target, sums = describe(conv, backward)
    staged = plan_rows(view, sums.rows, sums.cols, L)
    image, plane = sums.channels * view.height * view.width, sums.rows * sums.cols
    points = by_points and all_finite(w, ZERO, w.size)
    # With several parts a worker has the same of each image, since there are as many; its weights stay in its cache.
    part, tiles = worker % parts, _tiles(sums.filters, points)
    begin, end = share_of(part, parts, tiles)
    if begin == end:
        return
    k, filters = _part(sums.filters, points, begin, end, L)
    packed, copied, _ = _scratch(conv, sums, staged, filters, points, L)
    po = worker * size
    mo = po + packed + copied
    vo = mo + sums.channels * staged.channel
    _pack(w, conv, view, target, sums, k, filters, points, backward, m, po, po + packed)
    table, pitch = terms_table(conv, view, target, sums.channels, staged, backward), view.sh * staged.pitch
    three = conv.kw == 3 and conv.sw == 1 and conv.dw == 1
    clear(m, mo, sums.channels * staged.channel)
    # A worker's images follow each other: what the processor fetches ahead is then its own (5 to 9% where memory
    # is waited for; Zen 4).
    first, last = share_of(worker // parts, workers // parts, sums.n)
    for s in range(first, last):
        # All of the image, so that it does not depend on the parts.
        if points and not all_finite(x, s * image, image):
            refused[worker] = 1
            return
        stage_rows(x, s * image, sums.channels, view, staged, m, mo)
        yo = (s * sums.filters + k) * plane
        if points:
            v_point, m_point = _point_strides(sums.channels, L)
            winograd_wide_block(tile(x, POINT_ROWS, POINT_COLS), m, mo + staged.halo - view.left, staged.channel,
                                staged.pitch, sums.channels, m, po, bias, k, y, yo, plane, filters, sums.rows,
                                sums.cols, m, vo, v_point, m, vo + POINTS * v_point, m_point)
        elif three and not backward:
            wide_block(tile(x, ROWS, COLS), fixed(3), fixed(0), m, mo, pitch, table, sums.terms, m, po, bias, k, y, yo,
                       plane, filters, sums.rows, sums.cols)
        elif three:
            wide_block(tile(x, ROWS, COLS), fixed(3), fixed(1), m, mo, pitch, table, sums.terms, m, po, bias, k, y, yo,
                       plane, filters, sums.rows, sums.cols)
        else:
            wide_block(tile(x, ROWS, COLS), fixed(1), fixed(0), m, mo, pitch, table, sums.terms, m, po, bias, k, y, yo,
                       plane, filters, sums.rows, sums.cols)


def _wide_entry(team, workers, parts, x, w, bias, y, m, size, numbers, backward, by_points, refused):
    """Write outputs or, `backward`, input gradients."""
    share_out(team, workers, _wide_worker, (workers, parts, x, w, bias, y, m, size, numbers, backward, by_points,
                                            refused))


SIZE, WIDE = entry(_size_entry), entry(_wide_entry)


def sums(
    numbers: tuple[int, ...], workers: int, x: Array, w: Array, b: Array | None, y: Array, *, backward: bool,
    exact: bool,
) -> None:  # fmt: skip
    """Write outputs or, `backward`, input gradients: `exact` ones, or where a number is not finite, by direct sums."""
    images, bias = flat_alias(x), np.zeros(y.shape[1], x.dtype) if b is None else flat_alias(b)
    by_points = not exact and has_points(Conv(*numbers), lane_count(x.itemsize * 8), backward=backward)
    # Few images, or many weights: all workers on each image, with filters of their own.
    much = POINTS * x.itemsize * x.shape[1] * y.shape[1] > _WEIGHT_BYTES
    parts = workers if len(x) < 4 * workers or much else 1
    size = SIZE(images, numbers, parts, backward, by_points)
    scratch, refused = borrow(workers * size, x.dtype), np.zeros(workers, np.int64)
    _threads.launch(WIDE, workers, workers, parts, images, flat_alias(w), bias, y.reshape(-1), scratch, size, numbers,
                    backward, by_points, refused)
    give_back(scratch)
    if refused.any():
        sums(numbers, workers, x, w, b, y, backward=backward, exact=True)
