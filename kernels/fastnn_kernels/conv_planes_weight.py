"""Gradients of the weights of depthwise convolutions with 3 x 3 elements and a padding of 1, plane by plane.

Images and the gradients of their maps are read once, where they are, as in `conv_planes.py`. Sums are made in parts of
images whose number does not depend on the threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _threads
from ._arrays import Array, aligned_zeros, flat_alias
from ._jit import entry, kernel, lane_count
from .conv_plan import Conv
from .reduction import tree_sum
from .sharing import share_of
from .simd import lanes
from .team import share_out
from .tile import tile, tile_add_sums, tile_like, tile_zero
from .tile_planes import plane_dots
from .tile_taps import fixed, number

# Rows at a time, and parts of images at most.
_ROWS, _PARTS = 8, 16
# Elements from channel to channel of sums, of which ten are used: whole vectors.
_PITCH = 16


def is_for_planes(conv: Conv, dtype: np.dtype[Any]) -> bool:
    """Whether gradients can be made so."""
    kernel = conv[6:8] + conv[12:] == (3, 3, 1, 1, 1, 1)
    same = conv[10:12] == (1, 1) and conv[4:6] == conv[8:10]
    halves = conv[10:12] == (2, 2) and conv[4:6] == (2 * conv.oh, 2 * conv.ow)
    whole = conv.ow % lane_count(dtype.itemsize * 8) == 0 and conv.oh >= _ROWS
    return conv.groups == conv.c == conv.k and kernel and (same or halves) and whole


@kernel
def _dots(form, stride, dy, do, x, xo, zeros, rows, cols, sums, so):
    """Add the nine products of a plane of dy, `rows` x `cols`, and one of x to sums; the tenth is that of dy."""
    t, L, step = tile_like(form), lanes(x), number(stride)
    tile_zero(t)
    for q in range(0, cols, L):
        whole = rows // _ROWS * _ROWS
        for p in range(0, whole, _ROWS):
            plane_dots(t, fixed(_ROWS), stride, dy, do + p * cols + q, cols, x, xo, step * rows, step * cols, p, q,
                       zeros)
        for p in range(whole, rows):
            plane_dots(t, fixed(1), stride, dy, do + p * cols + q, cols, x, xo, step * rows, step * cols, p, q, zeros)
    tile_add_sums(t, sums, so)


@kernel
def _weight_worker(worker, workers, shares, dy, x, zeros, parts, count, numbers):
    """Do every `workers`-th share of the channels of a part of images."""
    conv = Conv(*numbers)
    maps, image = conv.oh * conv.ow, conv.height * conv.width
    for unit in range(worker, count * shares, workers):
        part, share = unit // shares, unit % shares
        po = part * _PITCH * conv.c
        begin, end = share_of(part, count, conv.n)
        first, last = share_of(share, shares, conv.c)
        for s in range(begin, end):
            for c in range(first, last):
                plane = s * conv.c + c
                to = po + c * _PITCH
                if conv.sh == 1:
                    _dots(tile(x, 10, 1), fixed(1), dy, plane * maps, x, plane * image, zeros, conv.oh, conv.ow, parts,
                          to)
                else:
                    _dots(tile(x, 10, 1), fixed(2), dy, plane * maps, x, plane * image, zeros, conv.oh, conv.ow, parts,
                          to)


def _weight_entry(team, workers, shares, dy, x, dw, db, zeros, parts, count, numbers):
    """Write the gradients of weights and bias: summed in parts, then in a fixed tree."""
    share_out(team, workers, _weight_worker, (workers, shares, dy, x, zeros, parts, count, numbers))
    size = _PITCH * db.size
    tree_sum(parts, 0, size, count, size)
    for c in range(db.size):
        for k in range(9):
            dw[c * 9 + k] = parts[c * _PITCH + k]
        db[c] = parts[c * _PITCH + 9]


WEIGHT = entry(_weight_entry)


def gradients(numbers: tuple[int, ...], workers: int, dy: Array, x: Array, dw: Array, db: Array) -> None:
    """Write the gradients of weights and bias."""
    count = min(_PARTS, len(x))
    parts, zeros = aligned_zeros(count * _PITCH * db.size, x.dtype), np.zeros(2 * lane_count(x.itemsize * 8), x.dtype)
    # Parts are shared by channels.
    shares = _threads.shares_for(count, workers)
    _threads.launch(WEIGHT, workers, workers, shares, flat_alias(dy), flat_alias(x), dw.reshape(-1), db, zeros, parts,
                    count, numbers)
