"""Stages of weight gradients on the tape by Winograd's algorithm along rows (see `winograd_row.py`)."""

import functools
from typing import NamedTuple

from .. import tile_choice
from .._jit import VECTOR_BYTES
from ..conv_block import channel_sums_block
from ..conv_pool_block import pooled_sums_block
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..tile import tile
from ..tile_taps import fixed
from ..winograd_row_weight_block import winograd_row_pool_weight_block, winograd_row_weight_block
from . import winograd
from .winograd_row import FEWEST, LEAST_SAVING, cut, wide_where

# Products for each point of the maps, whose making and keeping take as long.
_POINT_COST = 2.5
# Channels up to which register tiles go across the rows of the kernel instead: 1 -> 6 5x5 on 28x28 took 49 us in tiles
# of one column (one thread of a Zen 4, 16 samples; direct 35).
_FEW_CHANNELS = 2


class Plan(NamedTuple):
    """How a weight gradient is made: register tile, rows of a strip, tiles of filters at a time, scratch elements."""

    kb: int
    cb: int
    by_rows: bool
    strip: int
    passing: int
    maps: int
    images: int
    sums: int


def _by_rows(s):
    """Whether the columns of a register tile are the rows of the kernel, not channels."""
    return s.channels <= _FEW_CHANNELS and s.channels < s.kh


def makes_weights(s, machine):
    """Whether the weight gradient is made so."""
    found = cut(s, machine)
    if found is None or s.filters < FEWEST or winograd.has_points(s, machine.lanes):
        return False
    if _by_rows(s) and s.kh > machine.tile_limit:
        return False
    terms = s.channels * s.kh
    taken = found.tiles * found.points * (terms + _POINT_COST)
    return s.ow * s.kw * terms >= LEAST_SAVING * taken


def _plan(s, machine, high=1):
    """Plan the weight gradient of a convolution, by strips of so many times `high` rows."""
    (points, _, tiles), L, by_rows = cut(s, machine), machine.lanes, _by_rows(s)
    if by_rows:
        kb, cb = tile_choice.row_tile(s.filters, s.kh, machine.tile_limit)
    else:
        kb, cb = tile_choice.product_tile(s.filters, s.channels, s.oh * tiles, machine.tile_limit)
    rows = min(s.oh, tile_choice.STRIP_BYTES // ((kb + cb) * tiles * VECTOR_BYTES))
    strip = max(1, rows // high) * high
    parts, channels = -(-s.filters // kb), s.channels if by_rows else -(-s.channels // cb) * cb
    part = points * s.kh * kb * channels
    passing = parts if strip >= s.oh else max(1, min(parts, tile_choice.SUMS_BYTES // (part * VECTOR_BYTES)))
    # Elements from point to point, as the block has them.
    maps, images = passing * kb * strip * tiles + 1, channels * (strip + s.kh - 1) * tiles + 1
    sums = passing * part * (1 if strip >= s.oh else L)
    return Plan(kb, cb, by_rows, strip, passing, points * maps * L, points * images * L, sums)


def _scratch(s, plan, machine):
    return {
        "map points": (Space.WORK, plan.maps),
        "image points": (Space.WORK, plan.images),
        "columns": (Space.WORK, cut(s, machine).outputs * machine.lanes),
        "sums": (Space.WORK, plan.sums),
    }


@functools.cache
def make_weights(kb, cb, points, kw):
    """Make the op with a register tile of `kb` filters by `cb` channels or kernel rows, and kernels `kw` wide."""
    m = points + 1 - kw

    def winograd_row_weights(t):
        a, at, o = t.arena, t.at, t.options
        if o[13] != 0:
            winograd_row_weight_block(tile(a, kb, cb), tile(a, 1, points), fixed(m), fixed(kw), a, at[0], o[0], o[1],
                                      a, at[1] - o[2], o[3], o[4], a, at[6], o[5], o[6], o[7], o[8], o[9], o[10],
                                      o[11], o[12] != 0, a, at[2], at[3], at[4], at[5])
        if o[14] != 0:
            channel_sums_block(a, at[0], o[0], o[1], o[7], o[8], o[9], a, at[7])
        return 0

    return winograd_row_weights


def weight_stage(sizes, maps, images, halo, *written):
    """Make the gradients `written`, of weights and bias, from `maps` and `images`."""

    def call(row, places, machine):
        s, y, x = sizes(row), places[maps], places[images]
        plan = _plan(s, machine)
        options = (y.channel, y.row, s.top * x.row + s.left * x.lanes, x.channel, x.row, s.channels, s.kh, s.filters,
                   s.oh, s.ow, plan.strip, plan.passing, int(plan.by_rows), int("dw" in row.grads),
                   int("db" in row.grads))
        return Call(make_weights(plan.kb, plan.cb, cut(s, machine).points, s.kw), options)

    def temps(row, machine):
        s = sizes(row)
        return _scratch(s, _plan(s, machine), machine)

    return Stage(Axis.BLOCK, (maps, images), ("map points", "image points", "columns", "sums", *written), call,
                 halo=halo, temps=temps, wanted=wide_where(makes_weights, sizes))


# From the gradient of maxima


@functools.cache
def make_pooled_weights(kb, cb, points, kw, ph, pw):
    """Make the op of `make_weights` from the gradient of the maxima of windows of (ph, pw)."""
    m = points + 1 - kw

    def winograd_row_pooled_weights(t):
        a, at, o = t.arena, t.at, t.options
        pooled = o[8] * o[9] * lanes(a)
        if o[13] != 0:
            winograd_row_pool_weight_block(tile(a, kb, cb), tile(a, 1, points), fixed(m), fixed(kw), ph, pw, a, at[0],
                                           o[0], o[1], a, at[1], pooled, a, at[2] - o[2], o[3], o[4], a, at[8], o[5],
                                           o[6], o[7], o[8], o[9], o[10], o[11], o[12] != 0, a, at[3], at[4], at[5],
                                           at[6], at[7])
        if o[14] != 0:
            pooled_sums_block(a, at[0], o[0], o[1], a, at[1], pooled, o[7], o[8], o[9], a, at[9])
        return 0

    return winograd_row_pooled_weights


def windows_cover(s, window):
    """Whether windows cover the maps: the tiles of those are the same then, and so are the bits of their sums."""
    return s.oh % window[0] == 0 and s.ow % window[1] == 0


def pooled_weight_stage(sizes, halo):
    """Make the gradients of weights and bias from "dy", that of maxima, and "argmax"."""

    def call(row, places, machine):
        s, (ph, pw), dy, x = sizes(row), row.attrs["window"], places["dy"], places["x"]
        plan = _plan(s, machine, ph)
        options = (dy.channel, dy.row, s.top * x.row + s.left * x.lanes, x.channel, x.row, s.channels, s.kh, s.filters,
                   *dy.shape[1:], plan.strip // ph, plan.passing, int(plan.by_rows), int("dw" in row.grads),
                   int("db" in row.grads))
        return Call(make_pooled_weights(plan.kb, plan.cb, cut(s, machine).points, s.kw, ph, pw), options)

    def temps(row, machine):
        s = sizes(row)
        plan = _plan(s, machine, row.attrs["window"][0])
        return {**_scratch(s, plan, machine), "maps": (Space.WORK, plan.kb * plan.strip * s.ow * machine.lanes)}

    return Stage(Axis.BLOCK, ("dy", "argmax", "x"),
                 ("map points", "image points", "columns", "sums", "maps", "dw", "db"), call, halo=halo, temps=temps,
                 wanted=wide_where(makes_weights, sizes))
