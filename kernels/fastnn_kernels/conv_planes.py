"""Depthwise convolutions of images as wide as whole vectors, one plane at a time, and their input gradients.

Neighbouring planes follow each other in memory, so that a worker reads and writes two lines of numbers. What most
networks have, 3 x 3 elements with a padding of 1, is summed in registers from planes as they lie, at the speed of the
memory; other kernels go by way of planes staged as in `conv_wide.py`. Sums have the bits of the flat form.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, entry, inline, kernel, lane_count
from .conv_flat_block import windows_block
from .conv_plan import Conv, describe
from .conv_wide_block import clear, fits_rows, plan_rows, stage_rows, terms_table
from .idle_memory import borrow, give_back
from .sharing import share_of
from .simd import lanes
from .team import share_out
from .tile import tile, tile_cols, tile_like, tile_rows, tile_splat, tile_store
from .tile_planes import plane_doubled, plane_halved, plane_same
from .tile_taps import fixed

# Rows of a tile.
_ROWS = 8 if TILE_LIMIT >= 16 else 4


def is_for_planes(conv: Conv, dtype: np.dtype[Any], *, backward: bool) -> bool:
    """Whether images can be convolved so."""
    lanes, rows = lane_count(dtype.itemsize * 8), conv.height if backward else conv.oh
    if not conv.groups == conv.c == conv.k:
        return False
    if backward and conv[4:8] + conv[10:] == (2 * conv.oh, 2 * conv.ow, 3, 3, 2, 2, 1, 1, 1, 1):
        return conv.oh >= _ROWS and conv.ow % lanes == 0
    return rows >= 8 and fits_rows(conv, lanes, backward=backward)


@inline
def _is_three(conv, stride):
    """Whether the kernel is 3 x 3 with this stride, a padding of 1 at the top and the left and no dilation."""
    return (conv.kh == 3 and conv.kw == 3 and conv.dh == 1 and conv.dw == 1 and conv.top == 1 and conv.left == 1
            and conv.sh == stride and conv.sw == stride)


@kernel
def _same(form, back, x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols):
    """Make a plane as large as that of `x`; with `back` 1 by the kernel turned round."""
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t) * lanes(x)
    for r in range(-(-rows // height)):
        p = min(r * height, rows - height)
        for q in range(0, cols, width):
            tile_splat(t, bias, bo, 0)
            plane_same(t, back, x, xo, rows, cols, p, q, zeros, w, wo)
            tile_store(t, y, yo + p * cols + q, cols, lanes(x))


@kernel
def _halved(form, x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols):
    """Make a plane of `rows` x `cols` of one twice as large."""
    t = tile_like(form)
    height, L = tile_rows(t), lanes(x)
    for r in range(-(-rows // height)):
        p = min(r * height, rows - height)
        for q in range(0, cols, L):
            tile_splat(t, bias, bo, 0)
            plane_halved(t, x, xo, 2 * rows, 2 * cols, p, q, zeros, w, wo)
            tile_store(t, y, yo + p * cols + q, cols, L)


@kernel
def _doubled(form, dy, do, zeros, w, wo, bias, bo, x, xo, rows, cols):
    """Make a plane twice as large as dy, which is `rows` x `cols`."""
    t = tile_like(form)
    height, L = tile_rows(t) // 2, lanes(x)
    for r in range(-(-rows // height)):
        p = min(r * height, rows - height)
        for q in range(0, cols, L):
            tile_splat(t, bias, bo, 0)
            plane_doubled(t, dy, do, rows, cols, p, q, zeros, w, wo)
            tile_store(t, x, xo + 4 * p * cols + 2 * q, 2 * cols, L)


@kernel
def _in_place(x, xo, zeros, w, wo, bias, bo, y, yo, conv, backward):
    """Make a plane from one that is read where it is; return whether that is possible."""
    rows, cols = conv.oh, conv.ow
    if _is_three(conv, 2) and 2 * rows == conv.height and 2 * cols == conv.width:
        if backward:
            _doubled(tile(x, _ROWS, 2), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
        else:
            _halved(tile(x, _ROWS, 1), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
        return True
    if not _is_three(conv, 1) or rows != conv.height or cols != conv.width:
        return False
    pairs = cols % (2 * lanes(x)) == 0
    if pairs and backward:
        _same(tile(x, _ROWS, 2), fixed(1), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
    elif pairs:
        _same(tile(x, _ROWS, 2), fixed(0), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
    elif backward:
        _same(tile(x, _ROWS, 1), fixed(1), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
    else:
        _same(tile(x, _ROWS, 1), fixed(0), x, xo, zeros, w, wo, bias, bo, y, yo, rows, cols)
    return True


@kernel
def _staged(first, end, x, w, bias, y, m, mo, conv, backward):
    """Make planes `first` to `end` by way of scratch, whatever the kernel."""
    L = lanes(x)
    view, target, sums = describe(conv, backward)
    staged, taps = plan_rows(view, sums.rows, sums.cols, L), conv.kh * conv.kw
    table, row = terms_table(conv, view, target, 1, staged, backward), view.sh * staged.pitch
    clear(m, mo, staged.channel)
    for p in range(first, end):
        stage_rows(x, p * view.height * view.width, 1, view, staged, m, mo)
        c, yo = p % conv.c, p * sums.rows * sums.cols
        if sums.cols >= 2 * L:
            windows_block(tile(x, 4, 2), m, mo, row, table, 0, taps, w, c * taps, bias, c, y, yo, sums.rows, sums.cols)
        else:
            windows_block(tile(x, 8, 1), m, mo, row, table, 0, taps, w, c * taps, bias, c, y, yo, sums.rows, sums.cols)


@kernel
def _planes_worker(worker, workers, x, w, bias, y, m, size, zeros, numbers, backward):
    """Make a worker's share of the planes, which follow each other."""
    conv = Conv(*numbers)
    planes, image, maps = conv.n * conv.c, conv.height * conv.width, conv.oh * conv.ow
    first, end = share_of(worker, workers, planes)
    if backward:
        image, maps = maps, image
    for p in range(first, end):
        c = p % conv.c
        if not _in_place(x, p * image, zeros, w, c * conv.kh * conv.kw, bias, c, y, p * maps, conv, backward):
            _staged(first, end, x, w, bias, y, m, worker * size, conv, backward)
            return


def _planes_entry(team, workers, x, w, bias, y, m, size, zeros, numbers, backward):
    """Write outputs or, `backward`, input gradients."""
    share_out(team, workers, _planes_worker, (workers, x, w, bias, y, m, size, zeros, numbers, backward))


def _size_entry(like, numbers, backward):
    """Return the elements of a worker's scratch."""
    view, _, sums = describe(Conv(*numbers), backward)
    return plan_rows(view, sums.rows, sums.cols, lanes(like)).channel


SIZE, PLANES = entry(_size_entry), entry(_planes_entry)


def sums(
    numbers: tuple[int, ...], workers: int, x: Array, w: Array, b: Array | None, y: Array, *, backward: bool
) -> None:
    """Write outputs or, `backward`, input gradients."""
    images, bias = flat_alias(x), np.zeros(y.shape[1], x.dtype) if b is None else flat_alias(b)
    size = SIZE(images, numbers, backward)
    scratch, zeros = borrow(workers * size, x.dtype), np.zeros(2 * lane_count(x.itemsize * 8), x.dtype)
    _threads.launch(PLANES, workers, workers, images, flat_alias(w), bias, y.reshape(-1), scratch, size, zeros, numbers,
                    backward)
    give_back(scratch)
