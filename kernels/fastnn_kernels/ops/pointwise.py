"""The stage of 1x1 convolutions on the tape, with the operands of those in `conv_stages.py`."""

import functools

from ..pointwise_block import pointwise_block
from ..stage import Axis, Call, Space, Stage
from ..tile import tile
from .narrow import is_wide


@functools.cache
def make_pointwise(kb, xb):
    """Products with a tile of `kb` filters by `xb` pixels."""

    def pointwise(t):
        m, at, o = t.arena, t.at, t.options
        pointwise_block(tile(m, kb, xb), m, at[0], o[0], o[1], m, at[1], t.params, at[2], m, at[o[8]], o[2], o[3], o[4],
                        o[5], o[6], o[7], o[9] != 0, m, at[o[8] + 1])
        return 0

    return pointwise


def is_pointwise(sizes):
    """Whether a convolution is a product of weights and pixels, each pixel for itself."""
    return (sizes.kh, sizes.kw, sizes.sh, sizes.sw, sizes.top, sizes.left, sizes.groups) == (1, 1, 1, 1, 0, 0, 1) and (
        (sizes.oh, sizes.ow) == (sizes.height, sizes.width)
    )


def pointwise_stage(sizes, tile_sizes, source, target, flip, *bias):
    """Make `target` from `source`; with `flip` they are maps and images; `bias` is "b" where there may be one."""

    def channels_of(row):
        s = sizes(row)
        return (s.filters, s.channels) if flip else (s.channels, s.filters)

    def call(row, places, machine):
        s, (channels, filters) = sizes(row), channels_of(row)
        x, y = places[source], places[target]
        rows, cols = s.oh, s.ow
        if x.row == cols * x.lanes and y.row == cols * y.lanes:
            rows, cols = 1, rows * cols
        options = (x.channel, x.row, y.channel, y.row, channels, filters, rows, cols, 2 + len(bias),
                   int("b" in row.params))
        return Call(make_pointwise(*tile_sizes(row, machine)), options)

    def temps(row, machine):
        return {"strip": (Space.WORK, channels_of(row)[0] * tile_sizes(row, machine)[1] * machine.lanes)}

    def wanted(row, machine):
        return is_wide(row, machine) and is_pointwise(sizes(row))

    return Stage(Axis.BLOCK, (source, "packed", *bias), (target, "strip"), call, temps=temps, wanted=wanted)
