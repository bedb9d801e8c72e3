"""Ops that only move data: the gather of images, halos, reshape, add, and the way out of the lane blocks."""

import functools
from math import prod

from ..convert import SAME, source_pointer
from ..layout import copy_block, gather_block, gather_halo_block, scatter_block, zero_halo_block
from ..reference.twins import shape as twins
from ..registry import Kernel, Op
from ..simd import first_lanes, lanes, vload, vstore, vwhere
from ..stage import NO_HALO, Axis, Call, Space, Stage
from ..task import FIRST, SAMPLES, VALID
from ..vmath import vset
from .activation import common_rows
from .narrow import table_at, table_elements


def no_twin(**operands):
    """Refuse: the reference interpreter has no such row."""
    raise NotImplementedError("this row exists in lane blocks only")


@functools.cache
def _load_ops(kind):
    """Ops that load images of this kind: into a map without a halo, and into one with a halo."""

    def load_op(t):
        gather_block(source_pointer(t.x, t.arena, kind), t.options[0], t.info, SAMPLES, t.arena, t.at[0])
        return 0

    def load_halo_op(t):
        m, at, o = t.arena, t.at, t.options
        gather_halo_block(source_pointer(t.x, m, kind), o[1], o[2], o[3], t.info, SAMPLES, table_at(t, at[1]),
                          m, at[0], o[4], o[5])
        return 0

    def load_staged_op(t):
        m, at, o = t.arena, t.at, t.options
        gather_block(source_pointer(t.x, m, kind), o[0], t.info, SAMPLES, m, at[1])
        row = o[3] * lanes(m)
        copy_block(m, at[1], o[2] * row, row, m, at[0], o[4], o[5], o[1], o[2], o[3])
        return 0

    return load_op, load_halo_op, load_staged_op


def _is_staged(shape, machine):
    """Whether images are brought into a map with a halo by way of one without: blocks of one sample, and tiny ones."""
    return machine.narrow or prod(shape[1:]) < machine.lanes


def _load(row, places, machine):
    y = places["y"]
    load_op, load_halo_op, load_staged_op = _load_ops(row.attrs.get("source", SAME))
    if y.halo == NO_HALO:
        return Call(load_op, (prod(y.shape),))
    op = load_staged_op if _is_staged(y.shape, machine) else load_halo_op
    return Call(op, (prod(y.shape), *y.shape, y.channel, y.row))


def _load_scratch(row, machine):
    shape = row.values["y"].shape
    if len(shape) < 3 or not _is_staged(shape, machine):
        return {"staged": (Space.WORK, table_elements(prod(shape[1:])))}
    return load_temps(row, machine)


def load_temps(row, machine):
    """Room for a map without the halo it is to have."""
    return {"staged": (Space.WORK, prod(row.values["y"].shape) * machine.lanes)}


LOAD = Op(
    "load",
    lambda shapes, **attrs: {},
    Kernel("forward", (), ("y",), no_twin, (Stage(Axis.BLOCK, (), ("y", "staged"), _load, temps=_load_scratch),)),
)


def load_targets_op(t):
    """Load what lies at `y` as images do at `x`, in the model's dtype, with zeros in the spare lanes."""
    m, yo, size, valid = t.arena, t.at[0], t.options[0], t.info[VALID]
    gather_block(source_pointer(t.y, m, SAME), size, t.info, SAMPLES, m, yo)
    L = lanes(m)
    if valid < L:
        for i in range(yo, yo + size * L, L):
            vstore(m, i, vwhere(first_lanes(m, valid), vload(m, i), vset(m, 0.0)))
    return 0


LOAD_TARGETS = Op(
    "load_targets",
    lambda shapes, **attrs: {},
    Kernel("forward", (), ("y",), no_twin, (
        Stage(Axis.BLOCK, (), ("y",), lambda row, places, machine: Call(load_targets_op, (prod(places["y"].shape),)),
              plain=True),
    )),
)


def unload_op(t):
    """Write this block's results to their rows of `predictions`, in the order of `order`."""
    m, n = t.arena, t.options[0]
    scatter_block(m, t.at[0], n, t.info[VALID], t.predictions, t.info[FIRST] * n)
    return 0


def _unload(row, places, machine):
    return Call(unload_op, (prod(places["x"].shape),))


UNLOAD = Op(
    "unload",
    lambda shapes, **attrs: {},
    Kernel("forward", ("x",), (), no_twin, (Stage(Axis.BLOCK, ("x",), (), _unload, plain=True),)),
)


def zero_halo_op(t):
    """Write the zeros around a map."""
    m, o = t.arena, t.options
    zero_halo_block(m, t.at[0] - o[7], o[0], o[1], o[2], o[3], o[4], o[5], o[6], vset(m, 0.0))
    return 0


def zero_halo_call(place):
    """Return the call that writes the halo of `place`."""
    c, h, w = place.shape
    top, bottom, left, right = place.halo
    return Call(zero_halo_op, (c, h + top + bottom, w + left + right, *place.halo, place.origin - place.offset))


def copy_op(t):
    """Copy a map."""
    m, at, o = t.arena, t.at, t.options
    copy_block(m, at[0], o[3], o[4], m, at[1], o[5], o[6], o[0], o[1], o[2])
    return 0


def _copy(source, target):
    def call(row, places, machine):
        if places[source].halo == NO_HALO and places[target].halo == NO_HALO:
            return Call(copy_op, (1, 1, prod(places[source].shape), 0, 0, 0, 0))
        # Between shapes that differ, at most one side is a map with a halo; the other is read in the same order.
        a, b = places[source], places[target]
        c, h, w = a.shape if a.halo != NO_HALO else b.shape
        flat = (h * w * a.lanes, w * a.lanes)
        strides = (*((a.channel, a.row) if a.halo != NO_HALO else flat),
                   *((b.channel, b.row) if b.halo != NO_HALO else flat))
        return Call(copy_op, (c, h, w, *strides))

    return call


RESHAPE = Op(
    "reshape",
    lambda shapes, *, shape, **attrs: {"y": shape},
    Kernel("forward", ("x",), ("y",), twins.reshape_forward, (), alias=True),
    (Kernel("backward", ("dy",), ("dx",), twins.reshape_backward, (), alias=True),),
)


def add_op(t):
    """Add two maps."""
    m, at, o = t.arena, t.at, t.options
    L = lanes(m)
    for c in range(o[0]):
        for h in range(o[1]):
            a = at[0] + c * o[3] + h * o[4]
            b = at[1] + c * o[5] + h * o[6]
            y = at[2] + c * o[7] + h * o[8]
            for w in range(o[2]):
                vstore(m, y + w * L, vload(m, a + w * L) + vload(m, b + w * L))
    return 0


def _add(row, places, machine):
    sizes, strides = common_rows(places["x"], places["z"], places["y"])
    return Call(add_op, sizes + strides)


ADD = Op(
    "add",
    lambda shapes, **attrs: {"y": shapes["x"]},
    Kernel("forward", ("x", "z"), ("y",), twins.add_forward, (Stage(Axis.BLOCK, ("x", "z"), ("y",), _add),)),
    (
        # The gradient of a sum is the gradient of each term.
        Kernel("backward_x", ("dy",), ("dx",), twins.add_backward,
               (Stage(Axis.BLOCK, ("dy",), ("dx",), _copy("dy", "dx")),)),
        Kernel("backward_z", ("dy",), ("dz",), twins.add_backward,
               (Stage(Axis.BLOCK, ("dy",), ("dz",), _copy("dy", "dz")),)),
    ),
)
