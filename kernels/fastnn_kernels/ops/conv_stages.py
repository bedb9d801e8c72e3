"""Stages of convolutions on the tape: packing phases and calls of the three block kernels.

A convolution goes from images to maps. conv2d has images x and maps y; conv_transpose2d has maps x and images y, and
runs the same kernels the other way round. So a stage here is made for two operands, named by its op.
"""

import functools
from collections.abc import Mapping
from math import gcd
from typing import Any, NamedTuple

from .. import tile_choice
from .._options import Pads, Pair
from ..conv_block import (
    channel_sums_block,
    conv2d_backward_input_block,
    conv2d_backward_weight_block,
    conv2d_block,
    pack_weights,
)
from ..stage import Axis, Call, Space, Stage
from ..tile import tile
from .conv_narrow import sums_stages, weight_stage
from .narrow import is_wide


class Options(NamedTuple):
    """Attributes of a row; those with a default may be left out."""

    stride: Pair
    padding: Pads
    dilation: Pair = (1, 1)
    groups: int = 1
    output_padding: Pair = (0, 0)


def read_options(attrs: Mapping[str, Any]) -> Options:
    """Pick the options of a convolution out of a row's attributes."""
    return Options(**{name: attrs[name] for name in Options._fields if name in attrs})


class _Sizes(NamedTuple):
    """A convolution of (groups * channels, height, width) to (groups * filters, oh, ow)."""

    channels: int
    height: int
    width: int
    filters: int
    oh: int
    ow: int
    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int
    gap_h: int
    gap_w: int
    groups: int


def _sizes(row, images, maps):
    w_shape = row.params["w"].shape if "w" in row.params else row.attrs["shapes"]["w_shape"]
    options = read_options(row.attrs)
    top, _, left, _ = options.padding
    return _Sizes(w_shape[1], *row.values[images].shape[1:], w_shape[0] // options.groups, *row.values[maps].shape[1:],
                  *w_shape[2:], *options.stride, top, left, *options.dilation, options.groups)


# Packing: one task, once a step, before any block.


def conv2d_pack(t):
    """Pack the weights in tiles: options (groups, first, inner, first stride, inner stride, taps, width)."""
    o = t.options
    pack_weights(t.params, t.at[0], o[0], o[1], o[2], o[3], o[4], o[5], o[6], t.arena, t.at[1])
    return 0


def _pack_stage(layout, width):
    """Pack as ``layout(row) -> (groups, first, inner, first stride, inner stride, taps)`` in tiles of `width`."""

    def call(row, places, machine):
        return Call(conv2d_pack, (*layout(row), width(row, machine)))

    def temps(row, machine):
        groups, first, inner, _, _, taps = layout(row)
        kb = width(row, machine)
        return {"packed": (Space.FIXED, groups * -(-first // kb) * kb * inner * taps)}

    return Stage(Axis.TILE, ("w",), ("packed",), call, temps=temps, wanted=is_wide)


# From images to maps


@functools.cache
def make_forward(kb, xb):
    """Convolution with a tile of `kb` filters by `xb` columns; the last but one option is the result's operand."""

    def conv2d_forward(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_block(tile(m, kb, xb), m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2], m, at[o[16]], o[3], o[4],
                     o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15], o[17] != 0)
        return 0

    return conv2d_forward


def image_halo(images):
    """Halo of a stage that reads images as a convolution does: its padding."""
    return lambda row, machine: {images: row.attrs["padding"]}


def to_maps(images, maps, *bias):
    """Stages that convolve `images` to `maps`; `bias` is "b" for an op whose forward pass this is."""

    def sizes(row):
        return _sizes(row, images, maps)

    def tile_sizes(row, machine):
        s = sizes(row)
        return tile_choice.product_tile(s.filters, s.ow, s.channels * s.kh * s.kw, machine.tile_limit)

    def layout(row):
        s = sizes(row)
        taps = s.kh * s.kw
        return s.groups, s.filters, s.channels, s.channels * taps, taps, taps

    def call(row, places, machine):
        s, x, y = sizes(row), places[images], places[maps]
        options = (s.top * x.row + s.left * x.lanes, x.channel, x.row, y.channel, y.row, s.channels, s.kh, s.kw,
                   s.filters, s.oh, s.ow, s.sh, s.sw, s.gap_h, s.gap_w, s.groups, 2 + len(bias), int("b" in row.params))
        return Call(make_forward(*tile_sizes(row, machine)), options)

    return (
        _pack_stage(layout, lambda row, machine: tile_sizes(row, machine)[0]),
        Stage(Axis.BLOCK, (images, "packed", *bias), (maps,), call, halo=image_halo(images), wanted=is_wide),
        *sums_stages(sizes, images, maps, False, *bias),
    )


# From maps to images


@functools.cache
def make_backward_input(cb, xb):
    """Input gradient with a tile of `cb` channels by `xb` columns; the last but one option is the result's operand."""

    def conv2d_backward_input(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_backward_input_block(tile(m, cb, xb), m, at[0], o[0], o[1], m, at[1], t.params, at[2],
                                    m, at[o[19]], o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12],
                                    o[13], o[14], o[15], o[16], o[17], o[18], o[20] != 0)
        return 0

    return conv2d_backward_input


def to_images(maps, images, *bias):
    """Stages that take `maps` back to `images` through the weights; `bias` as in `to_maps`."""

    def sizes(row):
        return _sizes(row, images, maps)

    def tile_sizes(row, machine):
        s = sizes(row)
        period = s.sw // gcd(s.sw, s.gap_w)
        return tile_choice.input_gradient_tile(
            s.channels, max(1, s.width // s.sw), -(-s.kw // period), s.filters * s.kh, machine.tile_limit
        )

    def layout(row):
        s = sizes(row)
        taps = s.kh * s.kw
        return s.groups, s.channels, s.filters, taps, s.channels * taps, taps

    def call(row, places, machine):
        s, y, x = sizes(row), places[maps], places[images]
        options = (y.channel, y.row, x.channel, x.row, s.channels, s.height, s.width, s.kh, s.kw, s.filters, s.oh, s.ow,
                   s.sh, s.sw, s.top, s.left, s.gap_h, s.gap_w, s.groups, 2 + len(bias), int("b" in row.params))
        return Call(make_backward_input(*tile_sizes(row, machine)), options)

    def halo(row, machine):
        # The columns that the first and the last column of the images meet beyond the maps. A tile reads at most its
        # own width less one of them: it leaves out taps that no column of it meets inside.
        s = sizes(row)
        reach = tile_sizes(row, machine)[1] - 1
        before = ((s.kw - 1) * s.gap_w - s.left) // s.sw
        behind = (s.width - 1 + s.left) // s.sw - (s.ow - 1)
        return {maps: (0, 0, min(reach, max(0, before)), min(reach, max(0, behind)))}

    return (
        _pack_stage(layout, lambda row, machine: tile_sizes(row, machine)[0]),
        Stage(Axis.BLOCK, (maps, "packed", *bias), (images,), call, halo=halo, wanted=is_wide),
        *sums_stages(sizes, maps, images, True, *bias),
    )


# Weight gradient


@functools.cache
def make_backward_weight(kb, xb):
    """Weight gradient with a tile of `kb` filters by `xb` kernel columns or channels.

    The last two options tell which gradients are wanted, of the weights and of a bias of the maps.
    """

    def conv2d_backward_weight(t):
        m, at, o = t.arena, t.at, t.options
        if o[17] != 0:
            conv2d_backward_weight_block(tile(m, kb, xb), m, at[0], o[0], o[1], m, at[1] - o[2], o[3], o[4], m, at[2],
                                         o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15],
                                         o[16] != 0)
        if o[18] != 0:
            channel_sums_block(m, at[0], o[0], o[1], o[15] * o[8], o[9], o[10], m, at[3])
        return 0

    return conv2d_backward_weight


def weight_gradient(maps, images, *written):
    """Stages of the weight gradient, from `maps` (or their gradient) and `images` (or theirs); it writes `written`."""

    def call(row, places, machine):
        s, y, x = _sizes(row, images, maps), places[maps], places[images]
        across = s.kw < 3 and s.channels > s.kw
        tile_sizes = tile_choice.product_tile(
            s.filters, s.channels if across else s.kw, s.oh * s.ow, machine.tile_limit
        )
        options = (y.channel, y.row, s.top * x.row + s.left * x.lanes, x.channel, x.row,
                   s.channels, s.kh, s.kw, s.filters, s.oh, s.ow, s.sh, s.sw, s.gap_h, s.gap_w, s.groups,
                   int(across), int("dw" in row.grads), int("db" in row.grads))
        return Call(make_backward_weight(*tile_sizes), options)

    return (
        Stage(Axis.BLOCK, (maps, images), written, call, halo=image_halo(images), wanted=is_wide),
        weight_stage(lambda row: _sizes(row, images, maps), maps, images, *written),
    )
