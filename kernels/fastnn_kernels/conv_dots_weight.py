"""Gradients of the weights of convolutions whose maps have rows of whole vectors, with the lanes along the pixels.

The maps are read where they are. Images are staged once for each column of the kernel, shifted so that the first pixel
that a kernel element meets starts a vector: then products take 1.06 times as long as the multiply-adds alone, also
where maps do not start with a cache line (Zen 4). The lanes are summed once for each part of the images, and the number
of parts does not depend on the threads.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import FEW_REGISTERS, apart, either, entry, kernel, lane_count
from .conv_flat_block import ZERO
from .conv_plan import Conv
from .conv_wide_block import clear
from .idle_memory import borrow, give_back
from .machine_state import prefetch_near
from .reduction import tree_sum
from .sharing import share_of
from .simd import lanes, vload, vstore
from .team import share_out, threads_of
from .tile import tile, tile_add, tile_add_sums, tile_load, tile_square, tile_store, tile_zero
from .tile_product import tile_columns, tile_dot_at

# Plans that are kept, as in `conv_deep.py`.
_KEPT = 256
# Parts that sums are made in, at most: to sum the lanes of a part of 16 filters takes 0.5 us.
_PARTS = 8
# Tiles of (filters, kernel elements). With 2 x 9, 8 x 3, 4 x 6 and 3 x 9 an image of 3x32x32, 3x3 to 16, took 29.4,
# 33.3, 33.6 and 34.6 thousand cycles, of which 27.6 are products. With AVX2 4 x 3, 3 x 4 and 2 x 5 took 182, 206 and
# 217 us for 16 images, 3 x 3 and 2 x 4 more than 230.
ROWS, COLS = (4, 3) if FEW_REGISTERS else (2, 9)
# Pixels of maps at a time, of one image or of several, and elements of staged images: a part of the second-level cache.
_PIXELS, _STAGED = 4096, 49152
# Kernel elements of a filter for which gradients are made so, at most, and where the other form is the flat one.
_TERMS, _TERMS_BESIDE_FLAT = 54, 72
# Pixels of all maps, at least: the lanes of each sum are summed once, however few pixels it has.
_LEAST_PIXELS = 1024


@either
def _rows(conv: Conv) -> int:
    """Rows of a band, of which there are as few as fit, of nearly equal height."""
    most = max(1, min(_PIXELS, _STAGED // (conv.c * conv.kw)) // conv.ow)
    return -(-conv.oh // -(-conv.oh // most))


def is_for_dots(conv: Conv, dtype: np.dtype[Any]) -> bool:
    """Whether gradients can be made so, and few rows are staged twice."""
    L = lane_count(dtype.itemsize * 8)
    if conv.groups > 1 or (conv.sh, conv.sw) != (1, 1) or conv.k < ROWS or conv.ow != conv.width or conv.ow % L:
        return False
    right = (conv.kw - 1) * conv.dw - conv.left
    return max(conv.left, right) <= L and (conv.kh - 1) * conv.dh <= _rows(conv)


def beats(conv: Conv, other: str) -> bool:
    """Whether gradients are made faster so than in the form `other`: "deep", "flat", or "blocks" with narrow kernels.

    Times as fast, images of 32x32 on 2 threads of a Zen 4, by channels:

    - 128 images, 3x3 to 16 filters, deep: 1.5 (1 channel), 1.15 (3), 1.11 (4), 1.01 (5), 0.98 (8)
    - 128 images, 3x3 to 8 filters, in blocks: 2.3 (1), 1.6 (3), 1.04 (8), 0.83 (16)
    - 4 images, 3x3 to 8 filters, flat: 1.75 (1), 1.1 (3), 1.1 (8), 1.0 (16)
    - 128 images, 1x1 to 16 filters, flat: 1.6 (1), 1.35 (3); deep: 0.7 (16)

    On one thread one image of 3x16x16 to 16 filters, 256 pixels, takes 14 us and 12 deep, one of 32x32 as long.
    """
    terms = conv.c * conv.kh * conv.kw
    if conv.n * conv.oh * conv.ow < _LEAST_PIXELS or (other == "deep" and conv.kh * conv.kw == 1):
        return False
    return terms <= (_TERMS_BESIDE_FLAT if other == "flat" else _TERMS)


class Dots(NamedTuple):
    """How gradients are summed, for groups of as many filters as a tile has."""

    images: int  # at a time
    rows: int  # of maps, of one image
    height: int  # rows of a staged channel
    copy: int  # elements from a staged column of the kernel to the next
    image: int  # elements from a staged image to the next
    groups: int
    tiles: int  # of a group
    line: int  # sums of a group: those of its tiles, then those of dy; a multiple of the lanes


@kernel
def _plan(conv, L):
    apart()
    rows, terms = _rows(conv), conv.c * conv.kh * conv.kw
    most = max(1, min(_PIXELS, _STAGED // (conv.c * conv.kw)) // (conv.oh * conv.ow))
    images = -(-conv.n // -(-conv.n // most))
    height = rows + (conv.kh - 1) * conv.dh
    copy = height * conv.ow + L
    groups, tiles = -(-conv.k // ROWS), -(-terms // COLS)
    return Dots(images, rows, height, copy, conv.c * conv.kw * copy + L, groups, tiles,
                -(-(tiles * COLS + 1) * ROWS // L) * L)


@kernel
def _table(conv, dots):
    """Return where kernel elements of a filter meet their first pixel; sums of those beyond the last are not read."""
    table, k = np.zeros(dots.tiles * COLS, np.int64), ZERO
    for c in range(conv.c):
        for i in range(conv.kh):
            for j in range(conv.kw):
                table[k] = (c * conv.kw + j) * dots.copy + i * conv.dh * conv.ow
                k += 1
    return table


@kernel
def _stage(x, xo, conv, dots, first, m, mo):
    """Copy the rows that maps from row `first` on meet, for each column of the kernel.

    Rows follow each other in images and in copies, so that all are copied at once; then what came from the end of the
    row before, or the start of the next, is set to zero.
    """
    apart()
    L, cols = lanes(m), conv.ow
    start = first - conv.top
    above = min(max(-start, 0), dots.height)
    rows = max(0, min(conv.height, start + dots.height) - max(start, 0))
    for c in range(conv.c):
        line, size = xo + (c * conv.height + start + above) * cols, rows * cols
        for j in range(conv.kw):
            shift, to = j * conv.dw - conv.left, mo + (c * conv.kw + j) * dots.copy
            at = to + above * cols
            if size > 0:
                if shift < 0:
                    vstore(m, at - shift, vload(x, line))
                for q in range(L if shift < 0 else 0, size - L if shift > 0 else size, L):
                    vstore(m, at + q, vload(x, line + q + shift))
                if shift > 0:
                    vstore(m, at + size - L - shift, vload(x, line + size - L))
            for row in range(at, at + size, cols):
                for q in range(-shift):
                    m[row + q] = 0
                for q in range(cols - shift, cols):
                    m[row + q] = 0
            clear(m, to, above * cols)
            clear(m, at + size, (dots.height - above - rows) * cols)


@kernel
def _products(dy, do, conv, dots, images, pixels, groups, fresh, wanted, m, mo, table, so, ahead):
    """Add to vectors of sums from `so` on, or, `fresh`, write them, for groups of filters (first, behind the last).

    Sums of dy are `wanted` or not. Each tile fetches a map of what is read next, of the next filters or from `ahead`
    on: without it 128x3x32x32 to 32 took 1.3 times as long.
    """
    apart()
    t, total, L = tile(m, ROWS, COLS), tile(m, ROWS, 1), lanes(m)
    plane = conv.oh * conv.ow
    for f in range(groups[0], groups[1]):
        k, to = min(f * ROWS, conv.k - ROWS), so + f * dots.line * L
        behind = do + min((f + 1) * ROWS, conv.k - ROWS) * plane if f + 1 < groups[1] else ahead
        for e in range(dots.tiles):
            columns, at = tile_columns(t, table, e * COLS), to + e * ROWS * COLS * L
            if fresh:
                tile_zero(t)
            else:
                tile_load(t, m, at, COLS * L, L)
            for s in range(images):
                a, b = do + (s * conv.k + k) * plane, mo + s * dots.image
                fetched = behind + (s * conv.k + min(e, ROWS - 1)) * plane
                for q in range(0, pixels, L):
                    tile_dot_at(t, dy, a + q, plane, m, b + q, columns)
                    prefetch_near(dy, fetched + q)
            tile_store(t, m, at, COLS * L, L)
        if wanted:
            at = to + dots.tiles * ROWS * COLS * L
            if fresh:
                tile_zero(total)
            else:
                tile_load(total, m, at, L, 0)
            for s in range(images):
                a = do + (s * conv.k + k) * plane
                for q in range(0, pixels, L):
                    tile_add(total, dy, a + q, plane, 0)
            tile_store(total, m, at, L, 0)


@kernel
def _worker(worker, workers, shares, wanted, dy, x, m, table, parts, count, numbers):
    """Do every `workers`-th share of filters of a part of images, from `worker` on."""
    L, conv, square = lanes(x), Conv(*numbers), tile_square(x)
    dots = _plan(conv, L)
    plane, image = conv.oh * conv.ow, conv.c * conv.height * conv.width
    so = worker * (dots.groups * dots.line * L + dots.images * dots.image)
    # `_stage` may write a vector before an image.
    mo = so + dots.groups * dots.line * L + L
    for unit in range(worker, count * shares, workers):
        part, share = unit // shares, unit % shares
        groups = share_of(share, shares, dots.groups)
        if groups[0] == groups[1]:
            continue
        begin, end = share_of(part, count, -(-conv.n // dots.images))
        for some in range(begin, end):
            s = some * dots.images
            images = min(dots.images, conv.n - s)
            for p in range(0, conv.oh, dots.rows):
                rows = min(dots.rows, conv.oh - p)
                for i in range(images):
                    _stage(x, (s + i) * image, conv, dots, p, m, mo + i * dots.image)
                do, pixels = s * conv.k * plane + p * conv.ow, rows * conv.ow
                ahead = do + pixels if p + rows < conv.oh else (s + images) * conv.k * plane
                ahead += min(groups[0] * ROWS, conv.k - ROWS) * plane
                _products(dy, do, conv, dots, images, pixels, groups, some == begin and p == 0, wanted, m, mo, table,
                          so, ahead)
        # A line ends with memory that was never written, as are sums of dy that are not wanted: those are not read.
        for at in range(groups[0] * dots.line, groups[1] * dots.line, L):
            tile_load(square, m, so + at * L, L, 0)
            tile_add_sums(square, parts, part * dots.groups * dots.line + at)


def _entry(team, shares, wanted, dy, x, dw, db, m, parts, count, numbers):
    """Write the gradients of weights and, if it is `wanted`, bias: summed in parts, then in a fixed tree."""
    conv, workers = Conv(*numbers), threads_of(team)
    dots, terms = _plan(conv, lanes(x)), conv.c * conv.kh * conv.kw
    share_out(team, workers, _worker, (workers, shares, wanted, dy, x, m, _table(conv, dots), parts, count, numbers))
    size = dots.groups * dots.line
    tree_sum(parts, 0, size, count, size)
    for f in range(dots.groups):
        for r in range(ROWS):
            k, at = min(f * ROWS, conv.k - ROWS) + r, f * dots.line + r * COLS
            for e in range(0, terms, COLS):
                for c in range(min(COLS, terms - e)):
                    dw[k * terms + e + c] = parts[at + e * ROWS + c]
            if wanted:
                db[k] = parts[f * dots.line + dots.tiles * ROWS * COLS + r]


def _size_entry(like, numbers):
    """Return the elements of a worker's scratch and of a part's sums, and the number of parts."""
    L, conv = lanes(like), Conv(*numbers)
    dots = _plan(conv, L)
    count, size = min(_PARTS, -(-conv.n // dots.images)), dots.groups * dots.line
    return size * L + dots.images * dots.image, size, count


SIZE, WEIGHT = entry(_size_entry), entry(_entry)


@functools.lru_cache(_KEPT)
def _kept(dtype: np.dtype[Any], numbers: tuple[int, ...]) -> Any:
    return SIZE(np.empty(0, dtype), numbers)


def gradients(numbers: tuple[int, ...], workers: int, dy: Array, x: Array, dw: Array, db: Array | None) -> None:
    """Write the gradients of weights and, where there is a `db`, of the bias."""
    size, total, count = _kept(x.dtype, numbers)
    parts, scratch = np.zeros(count * total, x.dtype), borrow(workers * size, x.dtype)
    # Parts are shared by filters: each worker then stages all images.
    shares = _threads.shares_for(count, workers)
    bias = parts if db is None else db  # a stand-in, which is not written
    _threads.launch(WEIGHT, workers, shares, db is not None, flat_alias(dy), flat_alias(x), dw.reshape(-1), bias,
                    scratch, parts, count, numbers)
    give_back(scratch)
