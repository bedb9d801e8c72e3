"""Stages of convolutions on the tape: packing phases and calls of the three block kernels.

A convolution goes from images to maps. conv2d has images x and maps y; conv_transpose2d has maps x and images y, and
runs the same kernels the other way round. So a stage here is made for two operands, named by its op.
"""

import functools
from collections.abc import Mapping
from math import gcd
from typing import Any, NamedTuple

from .. import tile_choice
from .._jit import VECTOR_BYTES
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
from . import conv_taps, winograd, winograd_row, winograd_row_weight
from .conv_narrow import sums_stages, weight_stage
from .narrow import is_wide
from .pointwise import is_pointwise, pointwise_stage


class Options(NamedTuple):
    """Attributes of a row; those with a default may be left out."""

    stride: Pair
    padding: Pads
    dilation: Pair = (1, 1)
    groups: int = 1
    output_padding: Pair = (0, 0)
    exact: bool = False  # no algorithm but the direct one


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
    exact: bool


def conv_sizes(row, images, maps):
    """Sizes of a row's convolution from its operand `images` to `maps`, or to maps of the attribute `maps_shape`."""
    w_shape = row.params["w"].shape if "w" in row.params else row.attrs["shapes"]["w_shape"]
    maps_shape = row.attrs["maps_shape"] if "maps_shape" in row.attrs else row.values[maps].shape
    options = read_options(row.attrs)
    top, _, left, _ = options.padding
    return _Sizes(w_shape[1], *row.values[images].shape[1:], w_shape[0] // options.groups, *maps_shape[1:],
                  *w_shape[2:], *options.stride, top, left, *options.dilation, options.groups, options.exact)


# Packing: one task, once a step, before any block.


def conv2d_pack(t):
    """Pack the weights in tiles: options (groups, first, inner, first stride, inner stride, taps, width)."""
    o = t.options
    pack_weights(t.params, t.at[0], o[0], o[1], o[2], o[3], o[4], o[5], o[6], t.arena, t.at[1])
    return 0


def pack_stage(layout, width, wanted):
    """Pack as ``layout(row) -> (groups, first, inner, first stride, inner stride, taps)`` in tiles of `width`."""

    def call(row, places, machine):
        return Call(conv2d_pack, (*layout(row), width(row, machine)))

    def temps(row, machine):
        groups, first, inner, _, _, taps = layout(row)
        kb = width(row, machine)
        return {"packed": (Space.FIXED, groups * -(-first // kb) * kb * inner * taps)}

    return Stage(Axis.TILE, ("w",), ("packed",), call, temps=temps, wanted=wanted)


def is_packed(sizes, flip):
    """Tell for a row whether its convolution runs in lane blocks with the weights as they are."""

    def wanted(row, machine):
        s = sizes(row)
        by_rows = (winograd_row.makes_images if flip else winograd_row.makes_maps)(s, machine)
        return is_wide(row, machine) and winograd.describe(s, flip) is None and not by_rows

    return wanted


def forward_tile(s, machine):
    """Register tile of (filters, columns) of a convolution."""
    return tile_choice.product_tile(s.filters, s.ow, s.channels * s.kh * s.kw, machine.tile_limit)


def forward_layout(s):
    """Layout of the weights that a convolution packs, as `pack_stage` takes it."""
    taps = s.kh * s.kw
    return s.groups, s.filters, s.channels, s.channels * taps, taps, taps


def _is_direct(sizes, flip):
    """Tell for a row whether its convolution runs in lane blocks, directly, and is more than a product of pixels."""
    packed = is_packed(sizes, flip)
    return lambda row, machine: packed(row, machine) and not is_pointwise(sizes(row))


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
        return conv_sizes(row, images, maps)

    def tile_sizes(row, machine):
        return forward_tile(sizes(row), machine)

    def call(row, places, machine):
        s, x, y = sizes(row), places[images], places[maps]
        options = (s.top * x.row + s.left * x.lanes, x.channel, x.row, y.channel, y.row, s.channels, s.kh, s.kw,
                   s.filters, s.oh, s.ow, s.sh, s.sw, s.gap_h, s.gap_w, s.groups, 2 + len(bias), int("b" in row.params),
                   int(row.attrs.get("relu", False)))
        kb, xb = tile_sizes(row, machine)
        op = conv_taps.make_forward(kb, xb, s.kw) if conv_taps.has_rows(s) else make_forward(kb, xb)
        return Call(op, options)

    return (
        pack_stage(lambda row: forward_layout(sizes(row)), lambda row, machine: tile_sizes(row, machine)[0],
                   is_packed(sizes, False)),
        Stage(Axis.BLOCK, (images, "packed", *bias), (maps,), call, halo=image_halo(images),
              wanted=_is_direct(sizes, False)),
        pointwise_stage(sizes, tile_sizes, images, maps, False, *bias),
        *winograd.winograd_stages(sizes, images, maps, False, *bias),
        *winograd_row.map_stages(sizes, images, maps, image_halo(images), *bias),
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
        return conv_sizes(row, images, maps)

    def tile_sizes(row, machine):
        s = sizes(row)
        if is_pointwise(s):
            return tile_choice.product_tile(s.channels, s.ow, s.filters, machine.tile_limit)
        if (whole_rows := conv_taps.backward_input_tile(s, machine)) is not None:
            return whole_rows
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
        cb, xb = tile_sizes(row, machine)
        if conv_taps.backward_input_tile(s, machine) is not None:
            return Call(conv_taps.make_backward_input(cb, xb, s.kw, s.left, s.ow), options)
        return Call(make_backward_input(cb, xb), options)

    def halo(row, machine):
        # The columns that the first and the last column of the images meet beyond the maps. A tile reads at most its
        # own width less one of them: it leaves out taps that no column of it meets inside.
        s = sizes(row)
        if conv_taps.backward_input_tile(s, machine) is not None:
            return {}
        reach = tile_sizes(row, machine)[1] - 1
        before = ((s.kw - 1) * s.gap_w - s.left) // s.sw
        behind = (s.width - 1 + s.left) // s.sw - (s.ow - 1)
        return {maps: (0, 0, min(reach, max(0, before)), min(reach, max(0, behind)))}

    return (
        pack_stage(layout, lambda row, machine: tile_sizes(row, machine)[0], is_packed(sizes, True)),
        Stage(Axis.BLOCK, (maps, "packed", *bias), (images,), call, halo=halo, wanted=_is_direct(sizes, True)),
        pointwise_stage(sizes, tile_sizes, maps, images, True, *bias),
        *winograd.winograd_stages(sizes, maps, images, True, *bias),
        *winograd_row.image_stages(sizes, maps, images, *bias),
        *sums_stages(sizes, maps, images, True, *bias),
    )


# Weight gradient


@functools.cache
def make_backward_weight(kb, xb):
    """Weight gradient with a tile of `kb` filters by `xb` kernel columns or channels.

    The last options tell which gradients are wanted, of the weights and of a bias of the maps, and how the
    maps are cut: the rows of a strip, and the tiles of filters that go over it.
    """

    def conv2d_backward_weight(t):
        m, at, o = t.arena, t.at, t.options
        if o[17] != 0:
            conv2d_backward_weight_block(tile(m, kb, xb), m, at[0], o[0], o[1], m, at[1] - o[2], o[3], o[4], m, at[3],
                                         o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15],
                                         o[16] != 0, o[19], o[20], m, at[2])
        if o[18] != 0:
            channel_sums_block(m, at[0], o[0], o[1], o[15] * o[8], o[9], o[10], m, at[4])
        return 0

    return conv2d_backward_weight


def weight_gradient(maps, images, *written):
    """Stages of the weight gradient, from `maps` (or their gradient) and `images` (or theirs); it writes `written`."""

    def plan(row, machine):
        """Return whether a tile is across channels, its sizes, rows of a strip, tiles of filters, vectors of sums."""
        s = conv_sizes(row, images, maps)
        across = s.kw < 3 and s.channels > s.kw
        kb, xb = conv_taps.backward_weight_tile(s, machine) or tile_choice.product_tile(
            s.filters, s.channels if across else s.kw, s.oh * s.ow, machine.tile_limit
        )
        strips = min(s.oh, -(-s.oh * kb * s.ow * VECTOR_BYTES // tile_choice.STRIP_BYTES))
        tiles = s.groups * -(-s.filters // kb)
        if strips == 1:
            return s, across, kb, xb, s.oh, tiles, 0
        single, tiled = (s.kw, s.channels) if across else (s.channels, s.kw)
        vectors = single * s.kh * -(-tiled // xb) * kb * xb
        passing = max(1, min(tiles, tile_choice.SUMS_BYTES // (vectors * VECTOR_BYTES)))
        return s, across, kb, xb, -(-s.oh // strips), passing, passing * vectors

    def call(row, places, machine):
        s, across, kb, xb, strip, passing, _ = plan(row, machine)
        y, x = places[maps], places[images]
        options = (y.channel, y.row, s.top * x.row + s.left * x.lanes, x.channel, x.row,
                   s.channels, s.kh, s.kw, s.filters, s.oh, s.ow, s.sh, s.sw, s.gap_h, s.gap_w, s.groups,
                   int(across), int("dw" in row.grads), int("db" in row.grads), strip, passing)
        if conv_taps.backward_weight_tile(s, machine) is not None:
            return Call(conv_taps.make_backward_weight(kb, xb, conv_taps.steps_of(s.ow)), options)
        return Call(make_backward_weight(kb, xb), options)

    def temps(row, machine):
        return {"sums": (Space.WORK, max(1, plan(row, machine)[-1]) * machine.lanes)}

    def sizes(row):
        return conv_sizes(row, images, maps)

    def wanted(row, machine):
        s = sizes(row)
        other = winograd.has_points(s, machine.lanes) or winograd_row_weight.makes_weights(s, machine)
        return is_wide(row, machine) and not other

    return (
        Stage(Axis.BLOCK, (maps, images), ("sums", *written), call, halo=image_halo(images), temps=temps,
              wanted=wanted),
        winograd.weight_stage(sizes, maps, images, image_halo(images), *written),
        winograd_row_weight.weight_stage(sizes, maps, images, image_halo(images), *written),
        weight_stage(sizes, maps, images, *written),
    )
