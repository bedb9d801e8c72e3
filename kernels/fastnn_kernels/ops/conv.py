"""conv2d on the tape: packing phases and the three block kernels."""

import functools

from .. import tile_choice
from ..conv_block import (
    channel_sums_block,
    conv2d_backward_input_block,
    conv2d_backward_weight_block,
    conv2d_block,
    pack_weights,
)
from ..reference.twins import conv as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Space, Stage
from ..tile import tile


def _geometry(row):
    """Return (channels, kh, kw, filters, oh, ow, sh, sw, top, left) of a forward or backward row."""
    if "w" in row.params:
        filters, channels, kh, kw = row.params["w"].shape
    else:
        filters, channels, kh, kw = row.attrs["shapes"]["w_shape"]
    shape = row.values["y"].shape if "y" in row.values else row.values["dy"].shape
    _, oh, ow = shape
    sh, sw = row.attrs["stride"]
    top, _, left, _ = row.attrs["padding"]
    return channels, kh, kw, filters, oh, ow, sh, sw, top, left


def shape(shapes, *, stride, padding, **attrs):
    """Shape of one sample of the output."""
    channels, h, w = shapes["x"]
    filters, expected, kh, kw = shapes["w"]
    if channels != expected:
        raise ValueError(f"conv2d: x has {channels} channels but w expects {expected} (w.shape = {shapes['w']})")
    top, bottom, left, right = padding
    oh, ow = (h + top + bottom - kh) // stride[0] + 1, (w + left + right - kw) // stride[1] + 1
    if oh < 1 or ow < 1:
        raise ValueError(f"conv2d: kernel {kh}x{kw} is larger than the padded input {h}x{w} (padding {padding})")
    return {"y": (filters, oh, ow)}


# Packing: one task, once a step, before any block.


def conv2d_pack(t):
    """Pack the weights in tiles: options (first, inner, first stride, inner stride, taps, width)."""
    o = t.options
    pack_weights(t.params, t.at[0], o[0], o[1], o[2], o[3], o[4], o[5], t.arena, t.at[1])
    return 0


def _packed_size(first, inner, taps, width):
    return -(-first // width) * width * inner * taps


def _forward_tile(row, machine):
    c, kh, kw, k, _, ow, *_ = _geometry(row)
    return tile_choice.product_tile(k, ow, c * kh * kw, machine.tile_limit)


def _pack_forward(row, places, machine):
    c, kh, kw, k, *_ = _geometry(row)
    kb, _ = _forward_tile(row, machine)
    return Call(conv2d_pack, (k, c, c * kh * kw, kh * kw, kh * kw, kb))


def _pack_forward_temps(row, machine):
    c, kh, kw, k, *_ = _geometry(row)
    return {"packed": (Space.FIXED, _packed_size(k, c, kh * kw, _forward_tile(row, machine)[0]))}


@functools.cache
def make_forward(kb, xb):
    """Forward op with a tile of `kb` filters by `xb` columns."""

    def conv2d_forward(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_block(tile(m, kb, xb), m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2], m, at[3], o[3], o[4],
                     o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13] != 0)
        return 0

    return conv2d_forward


def _forward(row, places, machine):
    c, kh, kw, k, oh, ow, sh, sw, top, left = _geometry(row)
    x, y = places["x"], places["y"]
    options = (top * x.row + left * x.lanes, x.channel, x.row, y.channel, y.row,
               c, kh, kw, k, oh, ow, sh, sw, int("b" in row.params))
    return Call(make_forward(*_forward_tile(row, machine)), options)


def _forward_halo(row, machine):
    return {"x": row.attrs["padding"]}


# Input gradient


def _input_tile(row, machine):
    c, kh, kw, k, _, _, _, sw, _, _ = _geometry(row)
    width = row.attrs["shapes"]["x_shape"][2]
    return tile_choice.input_gradient_tile(c, max(1, width // sw), -(-kw // sw), k * kh, machine.tile_limit)


def _pack_input(row, places, machine):
    c, kh, kw, k, *_ = _geometry(row)
    return Call(conv2d_pack, (c, k, kh * kw, c * kh * kw, kh * kw, _input_tile(row, machine)[0]))


def _pack_input_temps(row, machine):
    c, kh, kw, k, *_ = _geometry(row)
    return {"packed": (Space.FIXED, _packed_size(c, k, kh * kw, _input_tile(row, machine)[0]))}


@functools.cache
def make_backward_input(cb, xb):
    """Input gradient with a tile of `cb` channels by `xb` columns."""

    def conv2d_backward_input(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_backward_input_block(tile(m, cb, xb), m, at[0], o[0], o[1], m, at[1], m, at[2], o[2], o[3],
                                    o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15])
        return 0

    return conv2d_backward_input


def _backward_input(row, places, machine):
    c, kh, kw, k, oh, ow, sh, sw, top, left = _geometry(row)
    dy, dx = places["dy"], places["dx"]
    options = (dy.channel, dy.row, dx.channel, dx.row, c, *dx.shape[1:], kh, kw, k, oh, ow, sh, sw, top, left)
    return Call(make_backward_input(*_input_tile(row, machine)), options)


def _backward_input_halo(row, machine):
    # Columns a tile reads beyond the map: never more than its own width less one.
    _, _, kw, _, _, _, _, sw, _, _ = _geometry(row)
    reach = _input_tile(row, machine)[1] - 1
    return {"dy": (0, 0, min(reach, (kw - 1) // sw), min(reach, (kw + sw - 2) // sw))}


# Weight gradient


def _weight_tile(row, machine):
    c, _, kw, k, oh, ow, *_ = _geometry(row)
    across = kw < 3 and c > kw
    kb, xb = tile_choice.product_tile(k, c if across else kw, oh * ow, machine.tile_limit)
    return kb, xb, across


@functools.cache
def make_backward_weight(kb, xb):
    """Weight gradient with a tile of `kb` filters by `xb` kernel columns or channels."""

    def conv2d_backward_weight(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_backward_weight_block(tile(m, kb, xb), m, at[0], o[0], o[1], m, at[1] - o[2], o[3], o[4], m, at[2],
                                     o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13] != 0)
        if o[14] != 0:
            channel_sums_block(m, at[0], o[0], o[1], o[8], o[9], o[10], m, at[3])
        return 0

    return conv2d_backward_weight


def _backward_weight(row, places, machine):
    c, kh, kw, k, oh, ow, sh, sw, top, left = _geometry(row)
    dy, x = places["dy"], places["x"]
    kb, xb, across = _weight_tile(row, machine)
    options = (dy.channel, dy.row, top * x.row + left * x.lanes, x.channel, x.row,
               c, kh, kw, k, oh, ow, sh, sw, int(across), int("db" in row.grads))
    return Call(make_backward_weight(kb, xb), options)


CONV2D = Op(
    "conv2d",
    shape,
    Kernel("forward", ("x", "w", "b"), ("y",), twins.conv2d_forward, (
        Stage(Axis.TILE, ("w",), ("packed",), _pack_forward, temps=_pack_forward_temps),
        Stage(Axis.BLOCK, ("x", "packed", "b"), ("y",), _forward, halo=_forward_halo),
    )),
    (
        Kernel("backward_weight", ("dy", "x"), ("dw", "db"), twins.conv2d_backward_weight, (
            Stage(Axis.BLOCK, ("dy", "x"), ("dw", "db"), _backward_weight, halo=_forward_halo),
        )),
        Kernel("backward_input", ("dy", "w"), ("dx",), twins.conv2d_backward_input, (
            Stage(Axis.TILE, ("w",), ("packed",), _pack_input, temps=_pack_input_temps),
            Stage(Axis.BLOCK, ("dy", "packed"), ("dx",), _backward_input, halo=_backward_input_halo),
        )),
    ),
)
