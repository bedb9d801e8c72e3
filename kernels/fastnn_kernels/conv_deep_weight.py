"""Gradients of the weights of convolutions with filters for whole vectors, with the lanes along the filters.

Sums are made in parts of images whose number does not depend on the threads. Products run at 97% of the peak (Zen 4,
AVX-512); beside them it takes time to transpose the maps: a fifth where images have three channels.

Tried on first layers, 128x3x32x32 3x3, which are made in `conv_dots_weight.py` now, and not kept: Winograd's F(3, 2)
along rows, with a third fewer products, was 1.00 (32 filters) and 1.02 times as fast (16), 1.06 on one image of
64x16x16; two pixels at a time 0.7 to 0.8 times, since scalars were then loaded apart from the products. Where a 1x1
kernel has fewer channels than filters, images transposed in the place of maps were no faster (64x32x32x32 to 64: 0.96
times). Lanes along the pixels, tiles of 4 x 4, images read where they are: 1.05 to 1.1 times as fast on 4 and 16
of these images, and 0.90 to 0.96 times on 64, which come from memory, however they were fetched.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import either, entry, inline, kernel, lane_count
from ._public import NO
from .conv_deep_block import FEW, MANY, RUN, Ahead, Windows, outer_block
from .conv_deep_stage import (
    COLS,
    Band,
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
from .conv_plan import Conv, describe, phase_taps
from .conv_wide import wants_points
from .conv_wide_block import clear
from .idle_memory import borrow, give_back
from .reduction import tree_sum
from .sharing import share_of
from .simd import lanes, vload, vstore
from .team import share_out, threads_of
from .tile import tile
from .tile_taps import fixed

# Plans that are kept, as in `conv_deep.py`.
_KEPT = 256
# Parts that sums are made in, at most.
_PARTS = 16
# Times as large as an image at most, padded: where there is hardly anything but zeros, the flat form leaves them out.
# Fewer times than outputs (`conv_deep.py`), which have no parts to add.
_MOST_PADDED = 16


def is_deep(conv: Conv, dtype: np.dtype[Any], *, blocks: bool) -> bool:
    """Whether gradients can be made so, and it wins; `blocks` tells whether lane blocks could make them.

    2 threads of a Zen 4, us, here, in lane blocks and in the flat form: 8x32x8x8 3x3/2 to 64 52, 146, 147; one
    image of 64x4x4 3x3 to 64 30, -, 121. Lane blocks win where they have Winograd's algorithm (32x16x32x32 3x3 to
    16 771, 637, 840), and where many lanes here are filled up (32x16x14x14 3x3 to 24 301, 171, 273).
    """
    lanes = lane_count(dtype.itemsize * 8)
    if not beats_flat(conv, lanes):
        return False
    points = wants_points(conv) and conv.c % lanes == conv.oh % 2 == conv.ow % 2 == 0
    # On one block one thread alone works, who takes 38 us an image of 16x32x32 3x3 to 16; here two take 24, one 46.
    return not (blocks and conv.n > lanes and (points or 4 * whole_tiles(conv.k, lanes) > 5 * conv.k))


@either
def beats_flat(conv: Conv, lanes: int) -> bool:
    """Whether gradients can be made so, and win against the flat form; for compiled callers too."""
    if conv.groups > 1 or conv.k < COLS * lanes or conv.c * conv.kh * conv.kw < FEW:
        return False
    few_in_vain = 2 * whole_tiles(conv.k, lanes) <= 3 * conv.k
    return few_in_vain and padded_pixels(conv, False) <= _MOST_PADDED * conv.height * conv.width


class Deep(NamedTuple):
    """How gradients are summed: in tiles of `rows` kernel elements, for groups of filters; sizes in elements."""

    band: Band
    rows: int
    runs: bool  # or kernel elements of a tile may lie anywhere
    tiles: int
    groups: int
    vectors: int  # of filters, of a band's pixels
    staged: int
    sums: int  # of a part, but those of dy


@kernel
def _plan(conv, L):
    """Return view, plan and kernel elements of sums without groups and with enough filters for a tile."""
    view, target, sums = describe(conv, NO)
    # More pixels of one image: of 128, 256 and 512 the most won (3x32x32 to 32, one thread: 22.6, 21.4, 21.0 us).
    band, terms, width = plan_band(view, conv.n, conv.c, conv.oh, conv.ow, 256, 512, L), sums.terms, COLS * L
    rows = MANY if -(-terms // MANY) * MANY <= -(-terms // FEW) * FEW else FEW
    runs = conv.kw % RUN == 0 and conv.dw == 1
    if runs:
        rows = MANY
    tiles, groups = -(-terms // rows), -(-conv.k // width)
    deep = Deep(band, rows, runs, tiles, groups, band.images * band.rows * conv.ow * width,
                band.images * band.image if band.staged else ZERO, groups * tiles * rows * width)
    taps, _ = phase_taps(conv, view, target, ZERO, NO)
    return view, deep, taps


@inline
def _ahead(conv, deep, s, p, group, L):
    """Return what is read after a group of filters of rows from `p` on of images from `s` on: maps, and an image."""
    band, plane, image = deep.band, conv.oh * conv.ow, conv.c * conv.height * conv.width
    at, pixel = (s + band.images) * conv.k * plane, (s + band.images) * image
    if p + band.rows < conv.oh:
        at = s * conv.k * plane + (p + band.rows) * conv.ow
        pixel = s * image + (p + band.rows) * conv.sh * conv.width
    if group + 1 < deep.groups:
        at = (s * conv.k + first_filter(conv.k, group + 1, L)) * plane + p * conv.ow
    maps = Ahead(at, plane, -(-band.rows * conv.ow // L), np.int64(COLS * L))
    # Rows that no window reaches would be fetched in vain.
    channels = conv.c if group == 0 and conv.kh >= conv.sh else ZERO
    return maps, Ahead(pixel, conv.height * conv.width, -(-band.rows * conv.sh * conv.width // L), channels)


@kernel
def _worker(worker, workers, shares, dy, x, m, table, parts, count, numbers):
    """Do every `workers`-th share of kernel elements of a part of images, from `worker` on."""
    L, conv = lanes(x), Conv(*numbers)
    view, deep, _ = _plan(conv, L)
    band, width = deep.band, COLS * L
    plane, image = conv.oh * conv.ow, conv.c * conv.height * conv.width
    do = worker * (deep.vectors + deep.staged)
    mo = do + deep.vectors
    clear(m, mo, deep.staged)
    for unit in range(worker, count * shares, workers):
        part, share = unit // shares, unit % shares
        po = part * (deep.sums + deep.groups * width)
        first, last = share_of(share, shares, deep.tiles)
        if first == last:
            continue
        begin, end = share_of(part, count, -(-conv.n // band.images))
        for some in range(begin, end):
            s = some * band.images
            images = min(band.images, conv.n - s)
            for p in range(0, conv.oh, band.rows):
                rows = min(band.rows, conv.oh - p)
                if band.staged:
                    for i in range(images):
                        stage_band(x, (s + i) * image, view, conv.c, band, p, m, mo + i * band.image)
                at = (mo if band.staged else s * image + p * conv.sh * conv.width) + band.first
                windows = Windows(at, band.image, band.pitch * conv.sh, conv.sw, images, rows, conv.ow)
                for g in range(deep.groups):
                    k = first_filter(conv.k, g, L)
                    for i in range(images):
                        filters_to_lanes(dy, ((s + i) * conv.k + k) * plane + p * conv.ow, plane, rows * conv.ow, m,
                                         do + i * plane * width)
                    maps, pixels = _ahead(conv, deep, s, p, g, L)
                    so, to = po + g * deep.tiles * deep.rows * width, po + deep.sums + g * width
                    if band.staged:
                        _products(deep, m, do, m, windows, table, first, last, parts, so, to, dy, maps, x, pixels)
                    else:
                        _products(deep, m, do, x, windows, table, first, last, parts, so, to, dy, maps, x, pixels)


@kernel
def _products(deep, d, do, x, windows, table, first, last, sums, so, to, dy, maps, source, images):
    """Choose the tile."""
    if deep.runs:
        _sum(tile(x, MANY, COLS), fixed(RUN), d, do, x, windows, table, first, last, sums, so, to, dy, maps, source,
             images)
    elif deep.rows == FEW:
        _sum(tile(x, FEW, COLS), fixed(1), d, do, x, windows, table, first, last, sums, so, to, dy, maps, source,
             images)
    else:
        _sum(tile(x, MANY, COLS), fixed(1), d, do, x, windows, table, first, last, sums, so, to, dy, maps, source,
             images)


@inline
def _sum(form, run, d, do, x, windows, table, first, last, sums, so, to, dy, maps, source, images):
    """Sum the products; who has the first tile sums the gradients of the bias with it."""
    if first == 0:
        outer_block(form, fixed(1), run, d, do, x, windows, table, 0, 1, sums, so, to, dy, maps, source, images)
        # All lines of the maps are there.
        first, maps = 1, Ahead(maps.at, maps.stride, ZERO, ZERO)
    outer_block(form, fixed(0), run, d, do, x, windows, table, first, last, sums, so, to, dy, maps, source, images)


def _entry(team, shares, dy, x, dw, db, m, parts, count, numbers):
    """Write the gradients of weights and bias: summed in parts, then in a fixed tree."""
    L, conv, workers = lanes(x), Conv(*numbers), threads_of(team)
    view, deep, taps = _plan(conv, L)
    table, width = tap_places(view, conv.c, taps, deep.band, deep.tiles * deep.rows), COLS * L
    share_out(team, workers, _worker, (workers, shares, dy, x, m, table, parts, count, numbers))
    size, terms = deep.sums + deep.groups * width, dw.size // conv.k
    tree_sum(parts, 0, size, count, size)
    for g in range(deep.groups):
        k, at = first_filter(conv.k, g, L), g * deep.tiles * deep.rows * width
        for lane in range(0, width, L):
            lanes_to_filters(parts, at + lane, width, terms, dw, (k + lane) * terms, terms)
            vstore(db, k + lane, vload(parts, deep.sums + g * width + lane))


def _size_entry(like, numbers):
    """Return the elements of a worker's scratch and of a part's sums, and the number of parts."""
    L, conv = lanes(like), Conv(*numbers)
    _, deep, _ = _plan(conv, L)
    count = min(_PARTS, -(-conv.n // deep.band.images))
    return deep.vectors + deep.staged, deep.sums + deep.groups * COLS * L, count


SIZE, WEIGHT = entry(_size_entry), entry(_entry)


@functools.lru_cache(_KEPT)
def _kept(dtype: np.dtype[Any], numbers: tuple[int, ...]) -> Any:
    return SIZE(np.empty(0, dtype), numbers)


def gradients(numbers: tuple[int, ...], workers: int, dy: Array, x: Array, dw: Array, db: Array) -> None:
    """Write the gradients of weights and bias."""
    size, total, count = _kept(x.dtype, numbers)
    parts, scratch = np.zeros(count * total, x.dtype), borrow(workers * size, x.dtype)
    # Parts are shared by kernel elements: each worker then transposes all maps.
    shares = _threads.shares_for(count, workers)
    _threads.launch(WEIGHT, workers, shares, flat_alias(dy), flat_alias(x), dw.reshape(-1), db, scratch, parts, count,
                    numbers)
    give_back(scratch)
