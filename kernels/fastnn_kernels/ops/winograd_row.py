"""Stages of convolutions on the tape by Winograd's algorithm along rows, with the operands of `conv_stages.py`."""

import functools
from typing import NamedTuple

from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..task import INDEX, TRAINING
from ..tile import tile
from ..tile_taps import fixed
from ..winograd_row_block import (
    pack_points,
    winograd_row_backward_input_block,
    winograd_row_block,
    winograd_row_pool_block,
)
from ..winograd_row_points import COUNTS
from . import winograd
from .narrow import is_wide

# Filters, and of input gradients channels, from which on it wins. One thread, 16 samples, speed by that of direct
# sums, of outputs, input and weight gradient (Zen 4, AVX-512): 6 -> 16 5x5 on 12x12 2.1, 2.0, 1.8; 1 -> 6 5x5 on
# 28x28 1.9, -, -; 32 -> 32 5x5 on 14x14 1.5, 1.4, 1.5 (with 6 points); 4 -> 8 3x3 on 14x14 1.35, 1.1, 1.1; 8 -> 16
# 3x3 on 14x14 1.5, 1.3, 1.3; 16 -> 16 3x3 on 32x32 1.8, 1.6, 1.7; 3 -> 32 3x3 on 32x32 1.55, -, 1.4; 64 -> 64 3x3 on
# 7x7 1.6, 1.6, 1.55.
FEWEST = 4
# Rows of images from which on it wins: products before a tile is transformed. Speed of outputs by that of direct sums:
# 1 -> 6 5x5 on 28x28 1.9, 6 -> 16 5x5 on 12x12 2.1, and with AVX2 1.0 and 1.3; 1 -> 12 3x3 on 16x16 1.2, too little for
# other roundings. By machines of 32 registers, and of 16.
_FEWEST_ROWS, _FEWEST_ROWS_16 = 5, 15
# Cycles of direct sums for one of these that pay for the transforms.
LEAST_SAVING = 1.4
# More outputs of a tile have larger errors: F(6, 3), for instance, 2.5e-6 of the largest, for at most a ninth of time.
_MOST_OUTPUTS = 5


class Cut(NamedTuple):
    """How rows are cut into tiles."""

    points: int
    outputs: int  # of a tile
    tiles: int  # of a row


def _rows(count, points, machine):
    """Rows of a register tile of points, for `count` filters or channels: the most that take few cycles.

    Convolutions of more numbers of filters then share their compiled functions.
    """
    most = min(count, machine.tile_limit // points)
    cycles = {r: -(-count // r) * _cycles(r) for r in range(1, most + 1)}
    return max(r for r, taken in cycles.items() if taken <= 1.13 * min(cycles.values()))


def _cycles(rows):
    """Cycles that the products of a tile take for each point: those of its multiply-adds, or of its loads."""
    return max(rows, 0.65 * (1 + rows))


@functools.cache
def cut(s, machine):
    """Cut the rows of a convolution, or return None where direct sums are as good."""
    if s.exact or (s.sh, s.sw, s.gap_h, s.gap_w, s.groups) != (1, 1, 1, 1, 1):
        return None
    least, best = s.kw * s.ow / LEAST_SAVING, None
    for points in COUNTS:
        m, rows = points + 1 - s.kw, machine.tile_limit // points
        if 2 <= m <= min(s.ow, _MOST_OUTPUTS) and rows > 0:
            tiles = -(-s.ow // m)
            cycles = tiles * points * _cycles(rows) / rows
            if cycles <= least:
                least, best = cycles, Cut(points, m, tiles)
    return best


def wide_where(makes, sizes):
    """Tell for a row whether blocks have a sample in each lane, and ``makes(sizes, machine)`` holds."""
    return lambda row, machine: is_wide(row, machine) and makes(sizes(row), machine)


@functools.cache
def make_pack(kb, points, kw):
    """Pack the points of rows of `kw` weights; a task is one part of the filters, or of the channels."""

    def winograd_row_pack(t):
        o = t.options
        pack_points(tile(t.arena, kb, points), fixed(kw), t.params, t.at[0], o[0], o[1], o[2], o[3], o[4],
                    t.info[INDEX], o[5] != 0, t.arena, t.at[1])
        return 0

    return winograd_row_pack


def _pack_stage(sizes, back, wanted):
    def layout(row, machine):
        s = sizes(row)
        points, taps = cut(s, machine).points, s.kh * s.kw
        first, inner, strides = s.filters, s.channels, (s.channels * taps, taps)
        if back:
            first, inner, strides = inner, first, strides[::-1]
        kb = _rows(first, points, machine)
        return points, first, inner, strides, kb, -(-first // kb)

    def call(row, places, machine):
        s, (points, first, inner, strides, kb, parts) = sizes(row), layout(row, machine)
        return Call(make_pack(kb, points, s.kw), (first, inner, *strides, s.kh, int(not back)), tasks=parts)

    def temps(row, machine):
        points, _, inner, _, kb, parts = layout(row, machine)
        return {"points": (Space.FIXED, parts * kb * inner * sizes(row).kh * points)}

    return Stage(Axis.TILE, ("w",), ("points",), call, temps=temps, wanted=wanted)


def _point_elements(s, channels, machine):
    """Elements of the points of as many rows as the kernel has."""
    points, _, tiles = cut(s, machine)
    return s.kh * tiles * channels * points * machine.lanes


# From images to maps


def makes_maps(s, machine):
    """Whether the outputs of a convolution are made so."""
    fewest = _FEWEST_ROWS if machine.tile_limit >= 24 else _FEWEST_ROWS_16
    return (s.filters >= FEWEST and s.channels * s.kh >= fewest and winograd.describe(s, flip=False) is None
            and cut(s, machine) is not None)


@functools.cache
def make_maps(kb, points, m):
    """Make the op with register tiles of `kb` filters by `points`, and `m` outputs in a tile."""

    def winograd_row_maps(t):
        a, at, o = t.arena, t.at, t.options
        winograd_row_block(tile(a, kb, points), tile(a, kb, m), a, at[0] - o[0], o[1], o[2], a, at[1], t.params, at[2],
                           a, at[o[9]], o[3], o[4], o[5], o[6], o[7], o[8], o[10], 0, o[11] != 0, o[12] != 0,
                           a, at[o[9] + 1])
        return 0

    return winograd_row_maps


def _map_options(s, x, y):
    return s.top * x.row + s.left * x.lanes, x.channel, x.row, y.channel, y.row, s.channels, s.kh, s.filters


def map_stages(sizes, images, maps, halo, *bias):
    """Make `maps` from `images`; `bias` is "b" where there may be one."""
    wanted = wide_where(makes_maps, sizes)

    def call(row, places, machine):
        s = sizes(row)
        options = (*_map_options(s, places[images], places[maps]), s.oh, 2 + len(bias), s.ow, int("b" in row.params),
                   int(row.attrs.get("relu", False)))
        points, m, _ = cut(s, machine)
        return Call(make_maps(_rows(s.filters, points, machine), points, m), options)

    def temps(row, machine):
        s = sizes(row)
        return {"rows": (Space.WORK, _point_elements(s, s.channels, machine))}

    return (
        _pack_stage(sizes, False, wanted),
        Stage(Axis.BLOCK, (images, "points", *bias), (maps, "rows"), call, halo=halo, temps=temps, wanted=wanted),
    )


@functools.cache
def make_pooled_maps(kb, points, m, ph, pw):
    """Make the op of `make_maps` with the maxima of windows of (ph, pw)."""

    def winograd_row_pooled_maps(t):
        a, at, o = t.arena, t.at, t.options
        winograd_row_pool_block(tile(a, kb, points), tile(a, kb, m), ph, pw, a, at[0] - o[0], o[1], o[2], a, at[1],
                                t.params, at[2], a, at[3], o[3], o[4], a, at[4], o[9] * o[10] * lanes(a), o[5], o[6],
                                o[7], o[8], o[9], o[10], o[11] != 0, o[12] != 0, t.info[TRAINING] != 0,
                                a, at[5], at[6])
        return 0

    return winograd_row_pooled_maps


def pooled_stages(sizes, halo):
    """Stages that make the maxima "y" of the maps of "x", and which won, "argmax"."""
    wanted = wide_where(makes_maps, sizes)

    def call(row, places, machine):
        s, y = sizes(row), places["y"]
        options = (*_map_options(s, places["x"], y), s.ow, *y.shape[1:], int("b" in row.params),
                   int(row.attrs["relu"]))
        points, m, _ = cut(s, machine)
        return Call(make_pooled_maps(_rows(s.filters, points, machine), points, m, *row.attrs["window"]), options)

    def temps(row, machine):
        s = sizes(row)
        return {
            "rows": (Space.WORK, _point_elements(s, s.channels, machine)),
            "strip": (Space.WORK, s.filters * row.attrs["window"][0] * s.ow * machine.lanes),
        }

    return (
        _pack_stage(sizes, False, wanted),
        Stage(Axis.BLOCK, ("x", "points", "b"), ("y", "argmax", "rows", "strip"), call, halo=halo, temps=temps,
              wanted=wanted),
    )


# From maps to images


def makes_images(s, machine):
    """Whether the input gradient is made so."""
    return (min(s.channels, s.filters) >= FEWEST and winograd.describe(s, flip=True) is None
            and cut(s, machine) is not None)


@functools.cache
def make_images(cb, points, m):
    """Make the op with register tiles of `cb` channels by `points`, and `m` columns of the maps in a tile."""

    def winograd_row_images(t):
        a, at, o = t.arena, t.at, t.options
        winograd_row_backward_input_block(tile(a, cb, points), fixed(m), a, at[0], o[0], o[1], a, at[1], t.params,
                                          at[2], a, at[o[13]], o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10],
                                          o[11], o[12], o[14] != 0, a, at[o[13] + 1], at[o[13] + 2])
        return 0

    return winograd_row_images


def image_stages(sizes, maps, images, *bias):
    """Take `maps` back to `images` through the weights."""
    wanted = wide_where(makes_images, sizes)

    def call(row, places, machine):
        s, y, x = sizes(row), places[maps], places[images]
        options = (y.channel, y.row, x.channel, x.row, s.channels, s.height, s.width, s.kh, s.filters, s.oh, s.ow,
                   s.top, s.left, 2 + len(bias), int("b" in row.params))
        points, m, _ = cut(s, machine)
        return Call(make_images(_rows(s.channels, points, machine), points, m), options)

    def temps(row, machine):
        s = sizes(row)
        points, m, _ = cut(s, machine)
        cb = _rows(s.channels, points, machine)
        return {
            "rows": (Space.WORK, _point_elements(s, s.filters, machine) + m * machine.lanes),
            "columns": (Space.WORK, -(-s.channels // cb) * cb * (s.ow + s.kw - 1) * machine.lanes),
        }

    return (
        _pack_stage(sizes, True, wanted),
        Stage(Axis.BLOCK, (maps, "points", *bias), (images, "rows", "columns"), call, temps=temps, wanted=wanted),
    )
