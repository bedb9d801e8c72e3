"""Gradients of the weights of convolutions whose maps are as wide as whole vectors, with the lanes along the width.

Images are staged as in `conv_wide.py`, a few at a time; the gradients of their maps are read where they are. A register
tile of (filters x kernel elements) goes over all rows of those images before its lanes are summed. Images of kernels of
one pixel are read where they are, too. Sums are made in parts of images whose number does not depend on the threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, entries, entry, inline, kernel, lane_count, prange
from .conv_flat import ADD_PARTS
from .conv_flat_block import ZERO
from .conv_plan import Conv, describe
from .conv_wide_block import clear, fits_rows, plan_rows, stage_rows, terms_table
from .idle_memory import borrow, give_back
from .reduction import vector_sum
from .simd import lanes
from .tile import tile, tile_cols, tile_dot_at, tile_like, tile_rows, tile_store_sums, tile_zero

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
def _is_plain(conv):
    """Whether images are read where they are."""
    return (conv.kh == 1 and conv.kw == 1 and conv.sh == 1 and conv.sw == 1 and conv.oh == conv.height
            and conv.ow == conv.width)


@inline
def _images(conv):
    """Count the images that are staged at a time."""
    return min(conv.n, -(-_PIXELS // (conv.oh * conv.ow)))


@kernel
def _dots(form, dy, do, dy_image, plane, x, xo, x_image, pitch, table, begin, end, images, rows, cols, sums, so):
    """``sums[f, k] = sum over images, rows and columns of dy[f] * x[table[k]]`` for filters `begin` to `end`.

    `form` has the sizes of a tile; there are at least as many filters and elements. It runs at 70% of the peak: two of
    three vectors of x lie in two cache lines each. Shuffled from whole ones they made it slower still.
    """
    L, terms = lanes(x), table.size
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    for f in range(begin, end, height):
        r = min(f, end - height)
        for e in range(-(-terms // width)):
            k = min(e * width, terms - width)
            tile_zero(t)
            for s in range(images):
                for p in range(rows):
                    a, b = do + s * dy_image + r * plane + p * cols, xo + s * x_image + p * pitch
                    for q in range(0, cols, L):
                        tile_dot_at(t, dy, a + q, plane, x, b + q, table, k)
            tile_store_sums(t, sums, so + r * terms + k, terms, 1)


@kernel
def _weight_worker(worker, workers, shares, dy, x, m, size, parts, count, numbers):
    """Do every `workers`-th share of filters of a part of images, from `worker` on, in scratch of `size` elements."""
    L, conv = lanes(x), Conv(*numbers)
    view, target, _ = describe(conv, False)
    staged, plain, most = plan_rows(view, conv.oh, conv.ow, L), _is_plain(conv), _images(conv)
    plane, image = conv.oh * conv.ow, conv.c * conv.height * conv.width
    table, places = terms_table(conv, view, target, conv.c, staged, False), conv.k * plane
    if plain:
        for c in range(conv.c):
            table[c] = c * plane
    terms, groups, so = table.size, -(-conv.n // most), worker * size
    mo, room = so + -(-conv.k * terms // L) * L, conv.c * staged.channel
    if not plain:
        clear(m, mo, most * room)
    for unit in range(worker, count * shares, workers):
        part, share = unit // shares, unit % shares
        # Tiles of a share's filters do not reach into those of another's.
        begin, end = share * (conv.k // ROWS) // shares * ROWS, (share + 1) * (conv.k // ROWS) // shares * ROWS
        if share == shares - 1:
            end = conv.k
        if end - begin < ROWS:
            continue
        po = part * (conv.k * terms + conv.k)
        for group in range(part * groups // count, (part + 1) * groups // count):
            s = group * most
            images = min(most, conv.n - s)
            if plain:
                _dots(tile(x, ROWS, COLS), dy, s * places, places, plane, x, s * image, image, conv.ow, table, begin,
                      end, images, conv.oh, conv.ow, m, so)
            else:
                for i in range(images):
                    stage_rows(x, (s + i) * image, conv.c, view, staged, m, mo + i * room)
                _dots(tile(x, ROWS, COLS), dy, s * places, places, plane, m, mo, room, view.sh * staged.pitch, table,
                      begin, end, images, conv.oh, conv.ow, m, so)
            for k in range(begin * terms, end * terms):
                parts[po + k] += m[so + k]
            for k in range(begin, end):
                for i in range(images):
                    parts[po + conv.k * terms + k] += vector_sum(dy, (s + i) * places + k * plane, plane)


def _weight_entry(workers, shares, dy, x, m, size, parts, count, numbers):
    """Sum the gradients of weights and bias, in parts."""
    for worker in prange(workers):
        _weight_worker(np.int64(worker), workers, shares, dy, x, m, size, parts, count, numbers)


def _size_entry(like, numbers):
    """Return the elements of a worker's scratch and the number of parts."""
    L, conv = lanes(like), Conv(*numbers)
    view, _, _ = describe(conv, False)
    room = ZERO if _is_plain(conv) else _images(conv) * conv.c * plan_rows(view, conv.oh, conv.ow, L).channel
    return -(-conv.k * conv.c * conv.kh * conv.kw // L) * L + room, min(_PARTS, -(-conv.n // _images(conv)))


SIZE, WEIGHT = entry(_size_entry), entries(_weight_entry)


def gradients(numbers: tuple[int, ...], workers: int, dy: Array, x: Array, dw: Array, db: Array) -> None:
    """Write the gradients of weights and bias."""
    images = flat_alias(x)
    size, count = SIZE(images, numbers)
    terms = dw.size // db.size
    parts, scratch = np.zeros(count * (dw.size + db.size), x.dtype), borrow(workers * size, x.dtype)
    # Few parts are shared by all workers, filter by filter.
    shares = workers if count < 4 * workers else 1
    _threads.launch(WEIGHT, workers, shares, flat_alias(dy), images, scratch, size, parts, count, numbers)
    give_back(scratch)
    ADD_PARTS(parts, np.empty(terms, np.int64), dw.reshape(-1), db)
