"""A convolution with the max pooling behind it in one op, where the maps between the two are wanted by nobody else.

No tape names this op: `fusion.py` makes its rows. They have the attributes of the convolution and `maps_shape`, the
shape of what is pooled; `window`, the size of the windows; and `relu`, whether the maxima's relu is taken.
"""

import functools

from .. import tile_choice
from .._jit import VECTOR_BYTES
from ..conv_pool_block import conv2d_pool_backward_weight_block, conv2d_pool_block, pooled_sums_block
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..task import TRAINING
from ..tile import tile
from ..tile_taps import fixed
from . import conv_taps, winograd, winograd_row, winograd_row_weight
from .conv_stages import (
    conv_sizes,
    forward_layout,
    forward_tile,
    image_halo,
    is_packed,
    pack_stage,
)
from .shape import no_twin


def _sizes(row):
    return conv_sizes(row, "x", "maps")


def can_pool(s, window):
    """Whether a convolution of these sizes can take in windows of this size next to each other.

    Those by points along rows are among those whose kernels have rows.
    """
    if winograd.describe(s, flip=False) is not None:
        return window == (2, 2)
    return conv_taps.has_rows(s) and s.groups == 1


def can_pool_backward(s, window, machine):
    """Whether the weight gradient can take the gradient of the maxima of such windows next to each other."""
    if winograd_row_weight.makes_weights(s, machine):
        return winograd_row_weight.windows_cover(s, window)
    return (
        not winograd.has_points(s, machine.lanes)
        and conv_taps.backward_weight_tile(s, machine) is not None
        and s.groups == 1
    )


@functools.cache
def make_forward(kb, xb, kw, ph, pw):
    """Convolution with a tile of `kb` filters by `xb` columns, for kernels `kw` wide, and windows of (ph, pw)."""

    def conv2d_pool_forward(t):
        m, at, o = t.arena, t.at, t.options
        conv2d_pool_block(tile(m, kb, xb), fixed(kw), ph, pw, m, at[0] - o[0], o[1], o[2], m, at[1], t.params, at[2],
                          m, at[3], o[3], o[4], m, at[4], o[8] * o[9] * lanes(m), o[5], o[6], o[7], o[8], o[9],
                          o[10] != 0, o[11] != 0, t.info[TRAINING] != 0, m, at[5])
        return 0

    return conv2d_pool_forward


def _pooled_tile(row, machine):
    """Register tile of (filters, columns): only columns that lie in windows are made."""
    s, pw = _sizes(row), row.attrs["window"][1]
    return forward_tile(s._replace(ow=s.ow // pw * pw), machine)


def _forward(row, places, machine):
    s, (ph, pw), x, y = _sizes(row), row.attrs["window"], places["x"], places["y"]
    options = (s.top * x.row + s.left * x.lanes, x.channel, x.row, y.channel, y.row, s.channels, s.kh, s.filters,
               *y.shape[1:], int("b" in row.params), int(row.attrs["relu"]))
    return Call(make_forward(*_pooled_tile(row, machine), s.kw, ph, pw), options)


def _forward_temps(row, machine):
    s, (ph, pw) = _sizes(row), row.attrs["window"]
    return {"strip": (Space.WORK, _pooled_tile(row, machine)[0] * ph * (s.ow // pw * pw) * machine.lanes)}


@functools.cache
def make_backward_weight(kb, kw, steps, ph, pw):
    """Weight gradient with a tile of `kb` filters by `kw` columns, `steps` pixels at a time, windows of (ph, pw)."""

    def conv2d_pool_backward_weight(t):
        m, at, o = t.arena, t.at, t.options
        pooled = o[8] * o[9] * lanes(m)
        if o[10] != 0:
            conv2d_pool_backward_weight_block(tile(m, kb, kw), fixed(steps), ph, pw, m, at[0], o[0], o[1], m, at[1],
                                              pooled, m, at[2] - o[2], o[3], o[4], m, at[5], o[5], o[6], o[7], o[8],
                                              o[9], o[12], m, at[3], at[4])
        if o[11] != 0:
            pooled_sums_block(m, at[0], o[0], o[1], m, at[1], pooled, o[7], o[8], o[9], m, at[6])
        return 0

    return conv2d_pool_backward_weight


def _strip(row, machine):
    """Return the register tile, and how many rows of windows a strip has."""
    s, (ph, pw) = _sizes(row), row.attrs["window"]
    kb, kw = conv_taps.backward_weight_tile(s, machine)
    bytes_a_row = kb * ph * (s.ow // pw * pw) * VECTOR_BYTES
    return kb, kw, max(1, min(s.oh // ph, tile_choice.STRIP_BYTES // bytes_a_row))


def _backward_weight(row, places, machine):
    s, (ph, pw), dy, x = _sizes(row), row.attrs["window"], places["dy"], places["x"]
    kb, kw, strip = _strip(row, machine)
    options = (dy.channel, dy.row, s.top * x.row + s.left * x.lanes, x.channel, x.row, s.channels, s.kh, s.filters,
               *dy.shape[1:], int("dw" in row.grads), int("db" in row.grads), strip)
    return Call(make_backward_weight(kb, kw, conv_taps.steps_of(s.ow // pw * pw), ph, pw), options)


def _has_direct_weights(row, machine):
    return not winograd_row_weight.makes_weights(_sizes(row), machine)


def _backward_temps(row, machine):
    s, (ph, pw) = _sizes(row), row.attrs["window"]
    kb, kw, strip = _strip(row, machine)
    return {
        "maps": (Space.WORK, kb * strip * ph * (s.ow // pw * pw) * machine.lanes),
        "sums": (Space.WORK, s.channels * s.kh * kb * kw * machine.lanes),
    }


CONV2D_MAX_POOL2D = Op(
    "conv2d_max_pool2d",
    lambda shapes, **attrs: {},
    Kernel("forward", ("x", "w", "b"), ("y", "argmax"), no_twin, (
        pack_stage(lambda row: forward_layout(_sizes(row)), lambda row, machine: _pooled_tile(row, machine)[0],
                   is_packed(_sizes, False)),
        Stage(Axis.BLOCK, ("x", "packed", "b"), ("y", "argmax", "strip"), _forward, halo=image_halo("x"),
              temps=_forward_temps, wanted=is_packed(_sizes, False)),
        *winograd.winograd_stages(_sizes, "x", "y", False, "b", numbers="argmax"),
        *winograd_row.pooled_stages(_sizes, image_halo("x")),
    )),
    (
        Kernel("backward_weight", ("dy", "argmax", "x"), ("dw", "db"), no_twin, (
            Stage(Axis.BLOCK, ("dy", "argmax", "x"), ("maps", "sums", "dw", "db"), _backward_weight,
                  halo=image_halo("x"), temps=_backward_temps, wanted=_has_direct_weights),
            winograd_row_weight.pooled_weight_stage(_sizes, image_halo("x")),
        )),
    ),
)  # fmt: skip
