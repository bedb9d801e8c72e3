"""Stages of 3x3 convolutions on the tape by Winograd's algorithm, with the operands of those in `conv_stages.py`."""

import functools
from typing import NamedTuple

from .. import tile_choice
from .._jit import VECTOR_BYTES
from ..conv_block import channel_sums_block
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..task import INDEX, TRAINING
from ..tile import tile
from ..winograd_block import POINTS, winograd_block, winograd_pool_block, winograd_weights
from ..winograd_weight_block import winograd_weight_block
from .narrow import is_wide

# Channels on either side from which on it wins, measured against direct sums (GFLOP/s of direct products, one thread of
# an Emerald Rapids, whose peak is 179): 32 -> 32 on 32x32 166 direct, 250 so; 32 -> 64 on 14x14 173, 301; 64 -> 64 on
# 16x16 172, 305; 128 -> 128 on 8x8 174, 327. With fewer, and with odd sizes, sums are made by rows
# (`winograd_row.py`). With more the two are equal on a Zen 4, where VGG-small by rows alone
# trained 1.01 times as fast; by rows a multiply-add takes more loads, which machines with two a cycle would wait for.
# Weight gradients, ms for 128 images: 16 -> 16 on 32x32 5.2 direct, 4.4 so; 32 -> 32 on 32x32 18.8, 11.4; 32 -> 64 on
# 14x14 6.7, 3.8; 64 -> 64 on 16x16 18.9, 9.9; 128 -> 128 on 8x8 17.4, 9.8. By rows alone VGG-small trained 0.96 times
# as fast, the Keras CNN 0.91 times.
_FEWEST_SUMS, _FEWEST_WEIGHTS, _MOST = 32, 16, 256
# Bytes of what a product of a weight gradient goes over again: most of a small first-level cache.
_PRODUCT_BYTES = 32 * 2**10
# Tiles of outputs at a time: more won nothing (6 x 4 accumulators and 4, 8, 16 tiles: 329, 324, 304).
# All filters of a point before the next point lost: 32 -> 32 on 32x32 with its pool 11.4 ms for 128 images, 9.9 by one
# register tile of filters at a time, whose products then stay in the first-level cache.
_SPAN = 4


class Sums(NamedTuple):
    """A convolution with padding from `channels` to `filters`, seen from what it writes, (height, width)."""

    channels: int
    filters: int
    height: int
    width: int
    top: int
    bottom: int
    left: int
    right: int


def describe(s, flip, fewest=_FEWEST_SUMS):
    """Describe the sums of a convolution or, with `flip`, of its input gradient; None where they are done otherwise.

    `fewest` channels on either side are needed.
    """
    plain = (s.kh, s.kw, s.sh, s.sw, s.gap_h, s.gap_w, s.groups) == (3, 3, 1, 1, 1, 1, 1)
    if s.exact or not plain or not all(fewest <= n <= _MOST for n in (s.channels, s.filters)):
        return None
    if flip:
        top, left = 2 - s.top, 2 - s.left
        found = Sums(s.filters, s.channels, s.height, s.width, top, s.height + 2 - s.oh - top,
                     left, s.width + 2 - s.ow - left)  # fmt: skip
    else:
        found = Sums(s.channels, s.filters, s.oh, s.ow, s.top, s.oh + 2 - s.height - s.top,
                     s.left, s.ow + 2 - s.width - s.left)  # fmt: skip
    return None if found.height % 2 or found.width % 2 or min(found[4:]) < 0 else found


def _tile_sizes(sums, machine):
    """Sizes of a register tile of (filters, tiles of outputs); a span is one wide."""
    tiles = sums.height // 2 * (sums.width // 2)
    if machine.tile_limit >= 6 * _SPAN and tiles >= _SPAN:
        return 6, _SPAN  # all that is compiled, mostly; 4 x 4 took 1.1 times as long
    return tile_choice.product_tile(sums.filters, min(_SPAN, tiles), sums.channels, machine.tile_limit)


def _point_strides(sums, machine):
    """Elements from one point to the next, of a span's inputs and of its products.

    Odd numbers of vectors: the points would meet in the same places of the caches.
    """
    kb, span = _tile_sizes(sums, machine)
    return (sums.channels * span | 1) * machine.lanes, (kb * span | 1) * machine.lanes


@functools.cache
def make_pack(flip):
    """Transform and pack the weights; a task is one part of the filters."""

    def winograd_pack(t):
        o = t.options
        winograd_weights(t.params, t.at[0], t.info[INDEX], o[0], o[1], o[2], o[3], flip, o[4], t.arena, t.at[1])
        return 0

    return winograd_pack


@functools.cache
def make_sums(kb, xb):
    """Make the op with a register tile of `kb` filters by `xb` tiles of outputs."""

    def winograd_sums(t):
        m, at, o = t.arena, t.at, t.options
        winograd_block(tile(m, kb, xb), m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2], m, at[o[9]], o[3], o[4],
                       o[5], o[6], o[7], o[8], o[10] != 0, o[13] != 0, m, at[o[9] + 1], o[11], m, at[o[9] + 2], o[12])
        return 0

    return winograd_sums


@functools.cache
def make_pooled_sums(kb, xb):
    """Make the op of `make_sums` with the maxima of windows of 2 x 2, whose numbers are the operand behind."""

    def winograd_pooled_sums(t):
        m, at, o = t.arena, t.at, t.options
        winograd_pool_block(tile(m, kb, xb), m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2], m, at[o[9]], o[3],
                            o[4], m, at[o[9] + 3], o[7] * lanes(m), o[5], o[6], o[7], o[8], o[10] != 0, o[13] != 0,
                            t.info[TRAINING] != 0, m, at[o[9] + 1], o[11], m, at[o[9] + 2], o[12])
        return 0

    return winograd_pooled_sums


def winograd_stages(sizes, source, target, flip, *bias, numbers=None):
    """Make `target` from `source`; with `flip` they are maps and images; `bias` is "b" where there may be one.

    Where `numbers` is the name of an operand, `target` has the maxima of windows of 2 x 2, and that which won.
    """

    def wanted(row, machine):
        return is_wide(row, machine) and describe(sizes(row), flip) is not None

    def pack_call(row, places, machine):
        sums = describe(sizes(row), flip)
        kb, _ = _tile_sizes(sums, machine)
        strides = (9, 9 * sums.filters) if flip else (9 * sums.channels, 9)
        parts = -(-sums.filters // kb)
        return Call(make_pack(flip), (sums.filters, sums.channels, *strides, kb), tasks=parts)

    def pack_temps(row, machine):
        sums = describe(sizes(row), flip)
        kb, _ = _tile_sizes(sums, machine)
        return {"points": (Space.FIXED, -(-sums.filters // kb) * kb * sums.channels * POINTS)}

    def call(row, places, machine):
        sums, x, y = describe(sizes(row), flip), places[source], places[target]
        v_point, m_point = _point_strides(sums, machine)
        options = (sums.top * x.row + sums.left * x.lanes, x.channel, x.row, y.channel, y.row, sums.channels,
                   sums.filters, sums.height // 2 * (sums.width // 2), sums.width // 2, 2 + len(bias),
                   int("b" in row.params), v_point, m_point, int(row.attrs.get("relu", False)))
        make = make_sums if numbers is None else make_pooled_sums
        return Call(make(*_tile_sizes(sums, machine)), options)

    def temps(row, machine):
        v_point, m_point = _point_strides(describe(sizes(row), flip), machine)
        return {"inputs": (Space.WORK, POINTS * v_point), "products": (Space.WORK, POINTS * m_point)}

    def halo(row, machine):
        return {source: describe(sizes(row), flip)[4:]}

    return (
        Stage(Axis.TILE, ("w",), ("points",), pack_call, temps=pack_temps, wanted=wanted),
        Stage(Axis.BLOCK, (source, "points", *bias),
              (target, "inputs", "products", *([] if numbers is None else [numbers])), call, halo=halo, temps=temps,
              wanted=wanted),
    )


# Weight gradient


class WeightPlan(NamedTuple):
    """How a weight gradient is made: register tile, tiles of outputs at a time, and elements of the scratch."""

    kb: int
    cb: int
    most: int
    turned: int
    inputs: int
    gradients: int
    sums: int


def has_points(s, vector):
    """Whether a weight gradient is made so: from fewer channels on than sums are, where they fill vectors."""
    return describe(s, flip=False, fewest=_FEWEST_WEIGHTS) is not None and s.channels % vector == 0


def weight_plan(s, machine):
    """Plan the weight gradient of a convolution."""
    vector, wide = machine.lanes, s.ow // 2
    # Pixels and samples of a product, each a step.
    most = max(1, min(wide, _PRODUCT_BYTES // ((s.channels + s.filters) * VECTOR_BYTES)))
    steps = most * vector
    kb, cb = tile_choice.product_tile(s.filters, s.channels // vector, 4 * steps, machine.tile_limit)
    tiles = -(-s.filters // kb) * -(-s.channels // (cb * vector))
    # Odd numbers of vectors from point to point: they would meet in the same places of the caches.
    inputs, gradients = (steps * s.channels // vector | 1) * vector, (s.filters * most | 1) * vector
    return WeightPlan(kb, cb, most, 4 * (s.ow + 2) * vector * s.channels, inputs, gradients,
                      (tiles * kb * cb | 1) * vector)


@functools.cache
def make_weight(kb, cb):
    """Make the op with a register tile of `kb` filters by `cb` vectors of channels; the options of `weight_stage`."""

    def winograd_weight(t):
        m, at, o = t.arena, t.at, t.options
        if o[10] != 0:
            winograd_weight_block(tile(m, kb, cb), m, at[0], o[0], o[1], m, at[1] - o[2], o[3], o[4], m, at[6], o[5],
                                  o[6], o[7], o[8], o[9], m, at[2], at[3], o[12], at[4], o[13], at[5], o[14])
        if o[11] != 0:
            channel_sums_block(m, at[0], o[0], o[1], o[6], 2 * o[7], 2 * o[8], m, at[7])
        return 0

    return winograd_weight


def weight_stage(sizes, maps, images, halo, *written):
    """Make the gradients `written`, of weights and bias, from `maps` and `images`."""

    def wanted(row, machine):
        return is_wide(row, machine) and has_points(sizes(row), machine.lanes)

    def call(row, places, machine):
        s, y, x = sizes(row), places[maps], places[images]
        plan = weight_plan(s, machine)
        options = (y.channel, y.row, s.top * x.row + s.left * x.lanes, x.channel, x.row, s.channels, s.filters,
                   s.oh // 2, s.ow // 2, plan.most, int("dw" in row.grads), int("db" in row.grads), plan.inputs,
                   plan.gradients, plan.sums)
        return Call(make_weight(plan.kb, plan.cb), options)

    def temps(row, machine):
        plan = weight_plan(sizes(row), machine)
        sums = POINTS * plan.sums + 12 * machine.lanes
        return {
            "turned": (Space.WORK, plan.turned),
            "inputs": (Space.WORK, POINTS * plan.inputs),
            "gradients": (Space.WORK, POINTS * plan.gradients),
            "point sums": (Space.WORK, sums),
        }

    return Stage(Axis.BLOCK, (maps, images), ("turned", "inputs", "gradients", "point sums", *written), call,
                 halo=halo, temps=temps, wanted=wanted)
