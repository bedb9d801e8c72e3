"""Gradients of the weights of convolutions whose maps are as wide as whole vectors, with the lanes along the width.

Images are staged as in `conv_wide.py`, a few at a time. A register tile of (filters x kernel elements) goes over all
rows of those images before its lanes are summed. Sums are made in parts of images whose number does not depend on the
threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, entry, inline, kernel, lane_count
from .conv_flat import ADD_PARTS
from .conv_plan import Conv, describe
from .conv_wide_block import clear, fits_rows, plan_rows, stage_rows, terms_table
from .idle_memory import borrow, give_back
from .layout import copy_elements
from .machine_state import prefetch_near
from .reduction import vector_sum
from .sharing import share_of
from .simd import lanes
from .team import share_out
from .tile import tile, tile_cols, tile_like, tile_rows, tile_store_sums, tile_zero
from .tile_product import tile_columns, tile_dot_at

# Tiles of (filters, kernel elements).
ROWS, COLS = (8, 3) if TILE_LIMIT >= 24 else (4, 3)
# Pixels that a tile goes over, at least, before its lanes are summed.
_PIXELS = 1024
# Channels and filters from which on Winograd's algorithm wins.
_POINTS_FROM = 32
# Parts that sums are made in, at most.
_PARTS = 16


def is_wide(conv: Conv, dtype: np.dtype[Any], *, blocks: bool) -> bool:
    """Whether gradients can be made so, and it wins; `blocks` tells whether lane blocks could make them.

    Those win by Winograd's algorithm (2 threads, ms, here and so: 32x32x32x32 3x3 to 32 2.5, 2.2; 64x32x16x16 to 64
    3.0, 1.7; 64x64x16x16 to 64 6.1, 3.1; 64x16x32x32 to 16 1.5, 1.7).
    """
    lanes, terms = lane_count(dtype.itemsize * 8), conv.c * conv.kh * conv.kw
    if conv.groups > 1 or conv.k < ROWS or terms < COLS or not fits_rows(conv, lanes, backward=False):
        return False
    return not blocks or conv[6:8] + conv[10:14] != (3, 3, 1, 1, 1, 1) or min(conv.c, conv.k) < _POINTS_FROM


@inline
def _images(conv):
    """Count the images that are staged at a time."""
    return min(conv.n, -(-_PIXELS // (conv.oh * conv.ow)))


@inline
def _parts(conv):
    """Count the parts that sums are made in."""
    return min(_PARTS, -(-conv.n // _images(conv)))


@inline
def _copied(conv, L):
    """Elements from plane to plane of dy, copied: a vector more, or all would meet in the same places of the cache."""
    return conv.oh * conv.ow + L


@kernel
def _dots(form, dy, do, dy_image, plane, m, yo, copied, xo, x_image, pitch, table, begin, end, images, rows, cols, so):
    """``m[so + f, k] = sum over images, rows and columns of dy[f] * m[xo + table[k]]`` for filters `begin` to `end`.

    `form` has the sizes of a tile; there are at least as many filters and elements. The planes of dy of a tile are
    copied to `yo`, `copied` elements apart, where no vector lies in two cache lines: from where they were, sums took
    twice as long. They run at 70% of the peak: two of three vectors of x lie in two lines each. Shuffled from whole
    ones they made it slower still.
    """
    L, terms = lanes(m), table.size
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    if pitch == cols:  # no zeros between the rows: one loop (64x128x16x16 1x1, Zen 3, one thread: 12 ms, now 10)
        rows, cols = 1, rows * cols
    for f in range(begin, end, height):
        r = min(f, end - height)
        for s in range(images):
            for k in range(height):
                copy_elements(dy, do + s * dy_image + (r + k) * plane, m, yo + (s * height + k) * copied, plane)
        for e in range(-(-terms // width)):
            k = min(e * width, terms - width)
            columns = tile_columns(t, table, k)
            tile_zero(t)
            for s in range(images):
                for p in range(rows):
                    a, b = yo + s * height * copied + p * cols, xo + s * x_image + p * pitch
                    for q in range(0, cols, L):
                        if e < height:
                            # What the next filters read: without it first layers wait for memory (1.5 ms, now 1.35, for
                            # 32 filters of 128x3x32x32; 1x1 of 32 to 64 channels 1.9, now 1.55).
                            prefetch_near(dy, do + s * dy_image + (r + height + e) * plane + p * cols + q)
                        tile_dot_at(t, m, a + q, copied, m, b + q, columns)
            tile_store_sums(t, m, so + r * terms + k, terms, 1)


@kernel
def _weight_worker(worker, workers, shares, dy, x, m, size, parts, count, numbers):
    """Do every `workers`-th share of filters of a part of images, from `worker` on, in scratch of `size` elements."""
    L, conv = lanes(x), Conv(*numbers)
    view, target, _ = describe(conv, False)
    staged, most, copied = plan_rows(view, conv.oh, conv.ow, L), _images(conv), _copied(conv, L)
    plane, image = conv.oh * conv.ow, conv.c * conv.height * conv.width
    table, places = terms_table(conv, view, target, conv.c, staged, False), conv.k * plane
    terms, groups, so = table.size, -(-conv.n // most), worker * size
    yo, room = so + -(-conv.k * terms // L) * L, conv.c * staged.channel
    mo = yo + most * ROWS * copied
    clear(m, mo, most * room)
    for unit in range(worker, count * shares, workers):
        part, share = unit // shares, unit % shares
        # Tiles of a share's filters do not reach into those of another's.
        first, last = share_of(share, shares, conv.k // ROWS)
        begin, end = first * ROWS, last * ROWS
        if share == shares - 1:
            end = conv.k
        if end - begin < ROWS:
            continue
        po = part * (conv.k * terms + conv.k)
        first, last = share_of(part, count, groups)
        for group in range(first, last):
            s = group * most
            images = min(most, conv.n - s)
            for i in range(images):
                stage_rows(x, (s + i) * image, conv.c, view, staged, m, mo + i * room)
            _dots(tile(x, ROWS, COLS), dy, s * places, places, plane, m, yo, copied, mo, room, view.sh * staged.pitch,
                  table, begin, end, images, conv.oh, conv.ow, so)
            for k in range(begin * terms, end * terms):
                parts[po + k] += m[so + k]
            for k in range(begin, end):
                for i in range(images):
                    parts[po + conv.k * terms + k] += vector_sum(dy, (s + i) * places + k * plane, plane)


def _weight_entry(team, workers, shares, dy, x, m, size, parts, count, numbers):
    """Sum the gradients of weights and bias, in parts."""
    share_out(team, workers, _weight_worker, (workers, shares, dy, x, m, size, parts, count, numbers))


def _size_entry(like, numbers):
    """Return the elements of a worker's scratch and the number of parts."""
    L, conv = lanes(like), Conv(*numbers)
    view, _, _ = describe(conv, False)
    image = conv.c * plan_rows(view, conv.oh, conv.ow, L).channel + ROWS * _copied(conv, L)
    return -(-conv.k * conv.c * conv.kh * conv.kw // L) * L + _images(conv) * image, _parts(conv)


SIZE, WEIGHT = entry(_size_entry), entry(_weight_entry)


def gradients(numbers: tuple[int, ...], workers: int, dy: Array, x: Array, dw: Array, db: Array) -> None:
    """Write the gradients of weights and bias."""
    images = flat_alias(x)
    size, count = SIZE(images, numbers)
    parts, scratch = np.zeros(count * (dw.size + db.size), x.dtype), borrow(workers * size, x.dtype)
    # Few parts are shared by all workers, filter by filter.
    shares = workers if count < 4 * workers else 1
    _threads.launch(WEIGHT, workers, workers, shares, flat_alias(dy), images, scratch, size, parts, count, numbers)
    give_back(scratch)
    ADD_PARTS(parts, dw.size // db.size, dw.reshape(-1), db)
