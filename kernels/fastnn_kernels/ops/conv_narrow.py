"""Stages of convolutions on the tape for blocks of one sample: lanes along the pixels, as in `conv_flat_block.py`.

As in `conv_stages.py` a stage is made for two operands, images and maps, named by its op.
"""

import functools

from .._jit import kernel
from ..conv_block import channel_sums_block
from ..conv_flat_block import (
    Maps,
    View,
    correlate_block,
    dots_block,
    mend_dots_block,
    pack_taps,
    place_block,
    plan_maps,
    stage_block,
    tap_table,
)
from ..conv_plan import (
    COLS,
    DOT_COLS,
    DOT_ROW_COLS,
    ROW_COLS,
    ROWS,
    Conv,
    describe,
    line_vectors,
    packed_rows,
    phase_taps,
)
from ..im2col_block import places_inside
from ..layout import copy_elements
from ..simd import lanes, vstore, whole
from ..stage import Axis, Call, Space, Stage
from ..tile import tile
from ..vmath import vset
from .narrow import is_narrow, table_at, table_elements

# Integers of the convolution itself among an op's options; others follow.
_CONV = len(Conv._fields)
BACKWARD = _CONV
HAS_BIAS, FIRST_WRITTEN = BACKWARD + 1, BACKWARD + 2
WANTS_DW, WANTS_DB = BACKWARD + 1, BACKWARD + 2


@kernel
def _read(t):
    """Read the convolution of this op, and plan how its sums are staged."""
    o = t.options
    conv = Conv(o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14], o[15])
    view, target, sums = describe(conv, o[BACKWARD] != 0)
    maps = plan_maps(view, sums.rows, sums.cols, 1, view.sh, view.sw, lanes(whole(t.arena)))
    return conv, view, target, sums, maps


@functools.cache
def make_pack(rows):
    """Pack in tiles of `rows` filters."""

    def conv2d_narrow_pack(t):
        """Pack the weights, copy the bias, and note where each product's pixels are."""
        m, at, o = whole(t.arena), t.at, t.options
        conv, view, target, sums, maps = _read(t)
        table, entry, to = table_at(t, at[o[FIRST_WRITTEN]]), 0, at[o[FIRST_WRITTEN] + 2]
        inner, per, taps = sums.channels // conv.groups, sums.filters // conv.groups, conv.kh * conv.kw
        row_stride, channel_stride = (taps, per * taps) if o[BACKWARD] != 0 else (sums.terms, taps)
        for phase in range(target.high * target.wide):
            weights, views = phase_taps(conv, view, target, phase, o[BACKWARD] != 0)
            terms = tap_table(view, maps, views, inner, table, entry)
            entry += terms
            for g in range(conv.groups):
                pack_taps(tile(m, rows, 1), t.params, at[0] + g * per * sums.terms, per, row_stride, inner,
                          channel_stride, conv.kw, weights, m, to)
                to += packed_rows(per) * terms
        for k in range(sums.filters):
            m[at[o[FIRST_WRITTEN] + 1] + k] = t.params[at[1] + k] if o[HAS_BIAS] != 0 else 0.0
        return 0

    return conv2d_narrow_pack


@functools.cache
def make_sums(rows, cols):
    """Make the op of outputs or input gradients with a tile of `rows` filters by `cols` vectors of pixels."""

    def conv2d_narrow_sums(t):
        m, at = whole(t.arena), t.at
        conv, view, target, sums, maps = _read(t)
        L, per, plane = lanes(m), sums.filters // conv.groups, target.height * target.width
        channel = sums.channels // conv.groups * maps.high * maps.wide * maps.size
        table, entry, w = table_at(t, at[1]), 0, at[3]
        behind = at[5] + conv.groups * channel
        stage_block(m, at[0], 1, sums.channels, 0, view, m, at[5], maps, maps.rows)
        vstore(m, behind, vset(m, 0.0))
        if target.high * target.wide < target.sh * target.sw:
            # There are pixels that no kernel element leads to.
            for k in range(sums.filters):
                for p in range(plane):
                    m[at[4] + k * plane + p] = m[at[2] + k]
        vectors = line_vectors(maps, 1, sums.rows, sums, L)
        for phase in range(target.high * target.wide):
            weights, _ = phase_taps(conv, view, target, phase, False)
            terms = sums.channels // conv.groups * weights.count_h * weights.count_w
            down = weights.first_h * conv.dh % target.sh + target.down
            right = weights.first_w * conv.dw % target.sw + target.right
            r, r_end = places_inside(down, target.sh, target.height, sums.rows)
            q, q_end = places_inside(right, target.sw, target.width, sums.cols)
            pixel = (down + r * target.sh) * target.width + right + q * target.sw
            for g in range(conv.groups):
                correlate_block(tile(m, rows, cols), m, at[5] + g * channel, table, entry, terms, m, w, m,
                                at[2] + g * per, m, behind + L, vectors * L, per, vectors)
                w += packed_rows(per) * terms
                place_block(m, behind + L + r * maps.pitch + q, vectors * L, maps.sample, maps.pitch, 1, per,
                            r_end - r, q_end - q, m, at[4] + g * per * plane + pixel, 0, plane,
                            target.sh * target.width, target.sw)
            entry += terms
        return 0

    return conv2d_narrow_sums


@functools.cache
def make_weight(rows, cols):
    """Weight gradient with a tile of `rows` filters by `cols` kernel elements."""

    def conv2d_narrow_weight(t):
        m, at, o = whole(t.arena), t.at, t.options
        conv, view, target, sums, maps = _read(t)
        L, per, terms = lanes(m), conv.k // conv.groups, max(sums.terms, cols)
        channel = conv.c // conv.groups * maps.high * maps.wide * maps.size
        table = table_at(t, at[2])
        weights, _ = phase_taps(conv, view, target, 0, False)
        tap_table(view, maps, weights, conv.c // conv.groups, table, 0)
        for k in range(sums.terms, terms):
            table[k] = table[sums.terms - 1]  # so many that a tile fits
        xo = at[3]
        do = xo + conv.groups * channel + L
        stage_block(m, at[1], 1, conv.c, 0, view, m, xo, maps, maps.rows)
        vstore(m, do - L, vset(m, 0.0))
        vectors = -(-((conv.oh - 1) * maps.pitch + conv.ow) // L)
        width = vectors * L
        outputs = View(conv.oh, conv.ow, 1, 1, 1, 1, 1, 1, 0, 0)
        stage_block(m, at[0], 1, conv.k, 0, outputs, m, do, Maps(1, 1, 1, 1, conv.oh, maps.pitch, maps.sample, width),
                    conv.oh)
        so = do + conv.k * width + L
        if o[WANTS_DW] != 0:
            for g in range(conv.groups):
                dg, xg, sg = do + g * per * width, xo + g * channel, so + g * per * terms
                dots_block(tile(m, rows, cols), m, dg, width, m, xg, table, terms, per, vectors, m, sg)
                mend_dots_block(m, dg, width, m, xg, table, terms, per, 1, conv.oh, conv.ow, maps, m, sg)
            for k in range(conv.k):
                copy_elements(m, so + k * terms, m, at[4] + k * sums.terms, sums.terms)
        if o[WANTS_DB] != 0:
            channel_sums_block(m, do, width, 0, conv.k, 1, vectors, m, at[5])
        return 0

    return conv2d_narrow_weight


def _numbers(s):
    """Return the fields of `Conv` for one sample, from the sizes of a row."""
    return (1, s.groups * s.channels, s.groups * s.filters, s.groups, s.height, s.width, s.kh, s.kw, s.oh, s.ow,
            s.sh, s.sw, s.gap_h, s.gap_w, s.top, s.left)


def _staged_elements(channels, kh, kw, sh, sw, rows, cols, reach_h, reach_w, machine):
    """Bound a sample's staged maps: one for each phase of the stride, rows and columns with what a kernel spans."""
    size = (rows + reach_h) * (cols + reach_w) + reach_w + 2 * machine.vector
    return channels * min(kh, sh) * min(kw, sw) * size + machine.vector


def _sums_elements(s, backward, machine):
    """Bound the scratch of `make_sums`."""
    reach_h, reach_w = (s.kh - 1) * s.gap_h, (s.kw - 1) * s.gap_w
    if backward:
        channels, filters, sh, sw = s.groups * s.filters, s.channels, 1, 1
        rows = (s.top + s.height - 1) // s.sh - s.top // s.sh + 1
        cols = (s.left + s.width - 1) // s.sw - s.left // s.sw + 1
        reach_h, reach_w = reach_h // s.sh, reach_w // s.sw
    else:
        channels, filters, sh, sw, rows, cols = s.groups * s.channels, s.filters, s.sh, s.sw, s.oh, s.ow
    vectors = max(ROW_COLS, -(-rows * (cols + reach_w) // machine.vector))
    staged = _staged_elements(channels, s.kh, s.kw, sh, sw, rows, cols, reach_h, reach_w, machine)
    return staged + (filters * vectors + ROW_COLS + 2) * machine.vector


def sums_stages(sizes, source, target, backward, *bias):
    """Stages from `source` to `target`; ``sizes(row)`` describes the convolution from images to maps."""

    def tile_sizes(s):
        return (ROWS, COLS) if (s.channels if backward else s.filters) >= ROWS else (1, ROW_COLS)

    def pack_call(row, places, machine):
        s = sizes(row)
        numbers = (*_numbers(s), int(backward), int("b" in row.params), 1 + len(bias))
        return Call(make_pack(tile_sizes(s)[0]), numbers)

    def pack_temps(row, machine):
        s = sizes(row)
        inner, outer = (s.filters, s.channels) if backward else (s.channels, s.filters)
        terms = inner * s.kh * s.kw
        return {
            "table": (Space.FIXED, table_elements(terms)),
            "start": (Space.FIXED, s.groups * outer),
            "terms": (Space.FIXED, s.groups * -(-outer // ROWS) * ROWS * terms),
        }

    def call(row, places, machine):
        s = sizes(row)
        return Call(make_sums(*tile_sizes(s)), (*_numbers(s), int(backward)))

    def temps(row, machine):
        return {"maps": (Space.WORK, _sums_elements(sizes(row), backward, machine))}

    return (
        Stage(Axis.TILE, ("w", *bias), ("table", "start", "terms"), pack_call, temps=pack_temps, wanted=is_narrow),
        Stage(Axis.BLOCK, (source, "table", "start", "terms"), (target, "maps"), call, temps=temps, plain=True,
              wanted=is_narrow),
    )


def weight_stage(sizes, maps, images, *written):
    """Stage of the weight gradient; `written` is "dw", and "db" where a bias belongs to the maps."""

    def cols(s):
        return (ROWS, DOT_COLS) if s.filters >= ROWS else (1, DOT_ROW_COLS)

    def call(row, places, machine):
        s = sizes(row)
        return Call(make_weight(*cols(s)), (*_numbers(s), 0, int("dw" in row.grads), int("db" in row.grads)))

    def temps(row, machine):
        s = sizes(row)
        reach_h, reach_w = (s.kh - 1) * s.gap_h, (s.kw - 1) * s.gap_w
        terms = max(s.channels * s.kh * s.kw, cols(s)[1])
        filters, vectors = s.groups * s.filters, -(-s.oh * (s.ow + reach_w) // machine.vector)
        staged = _staged_elements(s.groups * s.channels, s.kh, s.kw, s.sh, s.sw, s.oh, s.ow, reach_h, reach_w, machine)
        room = staged + (filters * vectors + 3) * machine.vector + filters * terms
        return {"taps": (Space.WORK, table_elements(terms)), "staged": (Space.WORK, room)}

    # The temporaries come first: a transposed convolution writes no db here, which would move what stands behind it.
    return Stage(Axis.BLOCK, (maps, images), ("taps", "staged", *written), call, temps=temps, plain=True,
                 wanted=is_narrow)
