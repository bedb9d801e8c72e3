"""Products of matrices, one of which may be transposed: the dense layer's on (N, features) arrays."""

import numpy as np

from . import _threads
from ._arrays import Array
from ._jit import TILE_LIMIT, entry, inline, kernel, lane_count
from ._public import ALONE
from .idle_memory import borrow, give_back
from .sharing import share_of
from .simd import lanes
from .team import share_out, threads_of
from .tile import tile, tile_cols, tile_like, tile_load, tile_rows, tile_square, tile_store, tile_transpose
from .tile_product import tile_fma

# Tiles of (rows, vectors of columns), and of one row.
_ROWS, _COLS = (8, 2) if TILE_LIMIT >= 16 else (4, 2)
_ROW_COLS = 4
# Rows of a strip, at least.
_STRIP = 32
# Parts of the rows for each thread: one that is held up leaves its parts to others.
_PARTS = 4


@kernel
def _rows_block(form, a, a_row, a_step, b, at, step, bias, out, pitch, first, last, terms, c):
    """Rows `first` to `last`, as many as a tile has at least, of the tile's columns from `c` on.

    Terms of the columns are `step` apart in `b`, from `at` on.
    """
    t, L = tile_like(form), lanes(a)
    height = tile_rows(t)
    for q in range(-(-(last - first) // height)):
        r = min(first + q * height, last - height)
        tile_load(t, bias, c, 0, L)
        scalar, vector = r * a_row, at
        for _ in range(terms):
            tile_fma(t, b, vector, L, a, scalar, a_row)
            scalar, vector = scalar + a_step, vector + step
        tile_store(t, out, r * pitch + c, pitch, L)


@kernel
def _columns_block(form, a, a_row, a_step, b, packed, bias, out, width, first, last, terms, part, parts):
    """Rows `first` to `last` of a part of the columns, as many as a tile has at least; the last tile overlaps.

    Rows of `out` are `width` elements, those of `b` too unless it is packed by tiles. A tile goes over a strip of rows
    before the next columns: both then come from the caches.
    """
    t = tile_like(form)
    span, strips = tile_cols(t) * lanes(a), max(1, (last - first) // max(_STRIP, tile_rows(t)))
    begin, end = share_of(part, parts, -(-width // span))
    for strip in range(strips):
        top, bottom = share_of(strip, strips, last - first)
        for p in range(begin, end):
            c = min(p * span, width - span)
            at, step = (p * terms * span, span) if packed else (c, width)
            _rows_block(form, a, a_row, a_step, b, at, step, bias, out, width, first + top, first + bottom, terms, c)


@inline
def _span(rows, width, L):
    """Columns of the tile for so many rows and columns."""
    most = _COLS if rows >= _ROWS else _ROW_COLS
    return most * L if width >= most * L else L


@kernel
def _matmul_task(task, parts, a, a_row, a_step, b, packed, bias, out, width, rows, terms, shares):
    """Do a part of the rows and a share of the columns; what two of them write is equal."""
    first, last = share_of(task // shares, parts, rows)
    share, many = task % shares, _span(rows, width, lanes(a)) > lanes(a)
    if rows >= _ROWS and many:
        _columns_block(tile(a, _ROWS, _COLS), a, a_row, a_step, b, packed, bias, out, width, first, last, terms, share,
                       shares)
    elif rows >= _ROWS:
        _columns_block(tile(a, _ROWS, 1), a, a_row, a_step, b, packed, bias, out, width, first, last, terms, share,
                       shares)
    elif many:
        _columns_block(tile(a, 1, _ROW_COLS), a, a_row, a_step, b, packed, bias, out, width, first, last, terms, share,
                       shares)
    else:
        _columns_block(tile(a, 1, 1), a, a_row, a_step, b, packed, bias, out, width, first, last, terms, share, shares)


@kernel
def _pack_task(task, b, cols, terms, out, span):
    """Pack a vector of columns of ``b[c, s]`` as [tile][term][column of the tile]; the last tile overlaps.

    In rows of all columns the terms of a tile were far apart, often a page each.
    """
    L = lanes(b)
    t, panel, j = tile_square(b), task * L // span, task * L % span
    c, to = min(panel * span, max(cols, L) - span) + j, panel * terms * span + j
    if cols < L or terms < L:
        for k in range(min(L, cols)):
            for s in range(terms):
                out[to + s * span + k] = b[(c + k) * terms + s]
        return
    for k in range(-(-terms // L)):
        s = min(k * L, terms - L)
        tile_load(t, b, c * terms + s, terms, 0)
        tile_transpose(t)
        tile_store(t, out, to + s * span, span, 0)


def _scratch_entry(like, transposed, rows, terms, cols):
    """Return the elements of scratch that a product needs."""
    L = lanes(like)
    width = max(cols, L)
    span = _span(rows, width, L)
    if transposed:
        return -(-width // span) * span * terms
    return terms * width if width > cols else 0


def _matmul_entry(team, a, a_row, a_step, b, transposed, bias, has_bias, out, rows, terms, cols, m):
    """``out[r, c] = bias[c] + sum over s of a[r * a_row + s * a_step] * b[s, c]``, or of ``b[c, s]`` if `transposed`.

    Each sum takes its terms in order, whatever the tile.
    """
    L, threads = lanes(a), threads_of(team)
    # Less than a vector of columns is filled up with zeros: subnormal numbers might slow the products down.
    width = max(cols, L)
    span = _span(rows, width, L)
    wide, start, target = b, np.zeros(width, a.dtype), out
    if width > cols:
        target = np.empty(rows * width, a.dtype)
        m[:terms * width] = 0.0
    if transposed:
        wide = m
        share_out(team, -(-width // span) * span // L, _pack_task, (b, cols, terms, m, span))
    elif width > cols:
        wide = m
        for s in range(terms):
            for c in range(cols):
                m[s * width + c] = b[s * cols + c]
    if has_bias:
        for c in range(cols):
            start[c] = bias[c]
    parts = max(1, min(rows // _ROWS, _PARTS * threads))
    shares = threads if parts < threads else 1
    share_out(team, parts * shares, _matmul_task, (parts, a, a_row, a_step, wide, transposed, start, target, width,
                                                   rows, terms, shares))
    if width > cols:
        for r in range(rows):
            for c in range(cols):
                out[r * cols + c] = target[r * width + c]


SCRATCH, MATMUL = entry(_scratch_entry), entry(_matmul_entry)


def matmul(
    a: Array, a_row: int, a_step: int, b: Array, transposed: bool, bias: Array | None, out: Array, rows: int,
    terms: int, cols: int,
) -> None:  # fmt: skip
    """Call `MATMUL` on as many threads as that is worth."""
    workers = _threads.workers_for(rows * cols, rows * terms * cols)
    needed = SCRATCH(a, transposed, rows, terms, cols) if transposed or cols < lane_count(a.itemsize * 8) else 0
    scratch = borrow(needed, a.dtype)
    _threads.launch(MATMUL, workers, a, a_row, a_step, b, transposed, b if bias is None else bias, bias is not None,
                    out, rows, terms, cols, scratch)
    give_back(scratch)


@kernel
def matmul_alone(a, a_row, a_step, b, transposed, bias, has_bias, out, rows, terms, cols):
    """Call `MATMUL` from a compiled caller."""
    scratch = np.empty(SCRATCH(a, transposed, rows, terms, cols), a.dtype)
    MATMUL(ALONE, a, a_row, a_step, b, transposed, bias, has_bias, out, rows, terms, cols, scratch)
