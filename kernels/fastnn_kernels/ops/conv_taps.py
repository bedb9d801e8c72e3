"""Ops of convolutions whose kernel's rows are unrolled, with the options of those in `conv_stages.py`."""

import functools

from .. import tile_choice
from .._jit import FEW_REGISTERS
from ..conv_block import channel_sums_block
from ..conv_taps_block import (
    conv2d_taps_backward_input_block,
    conv2d_taps_backward_weight_block,
    conv2d_taps_block,
)
from ..tile import tile
from ..tile_taps import fixed

# Wider kernels are rare, and long to compile.
_MOST_TAPS = 7


def has_rows(s):
    """Whether the columns of the kernel and of the maps are next to each other, and there are several."""
    return (s.sh, s.sw, s.gap_h, s.gap_w) == (1, 1, 1, 1) and 2 <= s.kw <= _MOST_TAPS


@functools.cache
def make_forward(kb, xb, kw):
    """Convolution with a tile of `kb` filters by `xb` columns, for kernels `kw` wide."""

    def conv2d_taps_forward(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_taps_block(tile(m, kb, xb), fixed(kw), m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2],
                          m, at[o[16]], o[3], o[4], o[5], o[6], o[8], o[9], o[10], o[15], o[17] != 0, o[18] != 0)
        return 0

    return conv2d_taps_forward


def backward_input_tile(s, machine):
    """Tile of (channels, a whole row) of the input gradient; None where a row has more vectors than fit, or too many.

    In one row each multiply-add takes a load of its own: with 12 accumulators 67 and 78 GFLOP/s (Zen 3, AVX2), where
    tiles of 6 x 2 reach 81 and 87.
    """
    if not has_rows(s):
        return None
    chosen = tile_choice.row_tile(s.channels, s.width, machine.tile_limit)
    return None if FEW_REGISTERS and chosen is not None and chosen[0] == 1 < s.channels else chosen


@functools.cache
def make_backward_input(cb, width, kw, left, ow):
    """Input gradient with a tile of `cb` channels by all of `width` columns, from maps `ow` wide."""

    def conv2d_taps_backward_input(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_taps_backward_input_block(tile(m, cb, width), fixed(kw), fixed(left), fixed(ow), m, at[0], o[0], o[1],
                                         m, at[1], t.params, at[2], m, at[o[19]], o[2], o[3], o[4], o[5], o[7], o[9],
                                         o[10], o[14], o[18], o[20] != 0)
        return 0

    return conv2d_taps_backward_input


def backward_weight_tile(s, machine):
    """Tile of (filters, kernel columns) of the weight gradient; None where the kernel is no row of several."""
    if not has_rows(s) or s.kw < 3:
        return None
    return tile_choice.row_tile(s.filters, s.kw, machine.tile_limit)


@functools.cache
def make_backward_weight(kb, kw, steps):
    """Weight gradient with a tile of `kb` filters by `kw` kernel columns, `steps` columns of the maps at a time."""

    def conv2d_taps_backward_weight(t):
        m, at, o = t.arena, t.at, t.options
        if o[17] != 0:
            conv2d_taps_backward_weight_block(tile(m, kb, kw), fixed(steps), m, at[0], o[0], o[1], m, at[1] - o[2],
                                              o[3], o[4], m, at[3], o[5], o[6], o[8], o[9], o[10], o[15], o[19], o[20],
                                              m, at[2])
        if o[18] != 0:
            channel_sums_block(m, at[0], o[0], o[1], o[15] * o[8], o[9], o[10], m, at[4])
        return 0

    return conv2d_taps_backward_weight


def steps_of(width):
    """Columns of the maps that a weight gradient unrolls: the most up to 8 that divide them, or 4."""
    return next((n for n in (8, 7, 6, 5) if width % n == 0), 4)
