"""Augmentation on the tape: rows between the gather of the images and the lane blocks, in training alone.

In a value of these rows each sample lies for itself, (C, H, W), one behind the other in a block. Spare lanes repeat
the step's first sample, and are augmented as it is.
"""

import functools
from math import prod

from .. import _augmentation as augmentation
from .. import _options as options
from .._jit import inline
from ..augment_block import (
    cutout_sample,
    flip_sample,
    mix,
    mixup_partners,
    mixup_share,
    rotate_sample,
    window_sample,
)
from ..convert import SAME, copy_as, source_pointer
from ..layout import copy_block, interleave_block
from ..placement import volume
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import NO_HALO, Axis, Call, Space, Stage
from ..task import BATCH, BLOCK, FIRST, MIXED, SAMPLES, START, STORE_STRIDE, VALID, cast_pointer
from .shape import load_temps, no_twin

# Integers of a row: the image, the key of its random numbers, then the augmentation's own.
_C, _H, _W, _KEY0, _KEY1, _OP, _OWN = range(7)


@functools.cache
def _fetch_op(kind):
    """Op that copies this block's images of this kind."""

    def fetch_op(t):
        m, size = t.arena, t.options[0]
        for lane in range(lanes(m)):
            copy_as(source_pointer(t.x, m, kind), t.info[SAMPLES + lane] * size, m, t.at[0] + lane * size, size)
        return 0

    return fetch_op


def _fetch(row, places, machine):
    return Call(_fetch_op(row.attrs.get("source", SAME)), (prod(places["y"].shape),))


FETCH = Op(
    "fetch",
    lambda shapes, **attrs: {},
    Kernel("forward", (), ("y",), no_twin, (Stage(Axis.BLOCK, (), ("y",), _fetch, plain=True),)),
)


def interleave_op(t):
    """Put the samples of a block into the lanes of vectors."""
    interleave_block(t.arena, t.at[0], t.options[0], t.arena, t.at[1])
    return 0


def interleave_halo_op(t):
    """Put the samples of a block into the lanes of vectors by way of `staged`, for a map with a halo."""
    m, at, o = t.arena, t.at, t.options
    interleave_block(m, at[0], o[0], m, at[2])
    row = o[3] * lanes(m)
    copy_block(m, at[2], o[2] * row, row, m, at[1], o[4], o[5], o[1], o[2], o[3])
    return 0


def _interleave(row, places, machine):
    y = places["y"]
    if y.halo == NO_HALO:
        return Call(interleave_op, (prod(y.shape),))
    return Call(interleave_halo_op, (prod(y.shape), *y.shape, y.channel, y.row))


INTERLEAVE = Op(
    "interleave",
    lambda shapes, **attrs: {},
    Kernel("forward", ("x",), ("y",), no_twin,
           (Stage(Axis.BLOCK, ("x",), ("y", "staged"), _interleave, temps=load_temps),)),
)  # fmt: skip


@inline
def position(t, lane):
    """Position in the step's batch of the sample in a lane; spare lanes repeat the first."""
    return t.info[FIRST] - t.info[START] + lane if lane < t.info[VALID] else 0


def flip_op(t):
    """Mirror the samples of a block."""
    m, o, step = t.arena, t.options, int(t.hyper[1])
    size = o[_C] * o[_H] * o[_W]
    for lane in range(lanes(m)):
        flip_sample(m, t.at[0] + lane * size, m, t.at[1] + lane * size, o[_C], o[_H], o[_W], o[_KEY0], o[_KEY1],
                    o[_OP], step, position(t, lane), o[_OWN] != 0, o[_OWN + 1] != 0, t.scalars[0])
    return 0


def window_op(t):
    """Cut a window out of the samples of a block, of their own size."""
    m, o, step = t.arena, t.options, int(t.hyper[1])
    size = o[_C] * o[_H] * o[_W]
    for lane in range(lanes(m)):
        window_sample(m, t.at[0] + lane * size, m, t.at[1] + lane * size, o[_C], o[_H], o[_W], o[_KEY0], o[_KEY1],
                      o[_OP], step, position(t, lane), o[_H], o[_W], o[_OWN], o[_OWN + 1], o[_OWN + 2], o[_OWN + 3],
                      t.scalars[0])
    return 0


def rotate_op(t):
    """Rotate the samples of a block."""
    m, o, step = t.arena, t.options, int(t.hyper[1])
    size = o[_C] * o[_H] * o[_W]
    for lane in range(lanes(m)):
        rotate_sample(m, t.at[0] + lane * size, m, t.at[1] + lane * size, o[_C], o[_H], o[_W], o[_KEY0], o[_KEY1],
                      o[_OP], step, position(t, lane), t.scalars[0], t.scalars[1], t.scalars[2])
    return 0


def cutout_op(t):
    """Hide a rectangle of the samples of a block."""
    m, o, step = t.arena, t.options, int(t.hyper[1])
    size = o[_C] * o[_H] * o[_W]
    for lane in range(lanes(m)):
        cutout_sample(m, t.at[0] + lane * size, m, t.at[1] + lane * size, o[_C], o[_H], o[_W], o[_KEY0], o[_KEY1],
                      o[_OP], step, position(t, lane), o[_OWN], o[_OWN + 1], t.scalars[0])
    return 0


def partners_op(t):
    """Draw the partner of every sample of the step."""
    o = t.options
    mixup_partners(t.partners, t.info[BATCH], o[_KEY0], o[_KEY1], o[_OP], int(t.hyper[1]), 0)
    return 0


def mixup_op(t):
    """Mix the samples of a block, and their targets, with their partners, in the storage of whatever block."""
    m, at, o, info, step = t.arena, t.at, t.options, t.info, int(t.hyper[1])
    size, numbers, L = o[_C] * o[_H] * o[_W], info[MIXED], lanes(m)
    targets, mixed = cast_pointer(t.unmixed, m), cast_pointer(t.y, m)
    for lane in range(L):
        p = position(t, lane)
        partner = t.partners[p]
        share = mixup_share(o[_KEY0], o[_KEY1], o[_OP], step, p, t.scalars[0])
        other = at[0] + (partner // L - info[BLOCK]) * info[STORE_STRIDE] + partner % L * size
        mix(m, at[0] + lane * size, other, m, at[2] + lane * size, size, share)
        if lane < info[VALID]:
            order = info[START]
            mix(targets, t.order[order + p] * numbers, t.order[order + partner] * numbers, mixed, p * numbers, numbers,
                share)
    return 0


# ---- from options to the numbers of a row


def _image(row):
    """Shape and random stream of the images, as if they were a batch of one."""
    step = row.attrs["augmentation"]
    shape = (1, *volume(row.values["x"].shape))
    stream = augmentation.stream(step.name, step.seed, 0, step.op, 0, 1)
    return shape, (*shape[1:], stream.key0, stream.key1, stream.op), dict(step.options)


def _flip(row, places, machine):
    _, numbers, own = _image(row)
    wanted = options.flag("flip: horizontal", own["horizontal"]), options.flag("flip: vertical", own["vertical"])
    return Call(flip_op, (*numbers, *map(int, wanted)), (options.fraction("flip: probability", own["probability"]),))


def _window(name, option):
    def call(row, places, machine):
        shape, numbers, own = _image(row)
        window = augmentation.window(name, option, shape, own[option], own.get("size"))
        places = *window.places, *window.before
        return Call(window_op, (*numbers, *places), (augmentation.fill_value(name, own["fill"]),))

    return call


def _rotate(row, places, machine):
    _, numbers, own = _image(row)
    angles = augmentation.angles("rotate", own["degrees"])
    return Call(rotate_op, numbers, (*angles, augmentation.fill_value("rotate", own["fill"])))


def _cutout(row, places, machine):
    _, numbers, own = _image(row)
    size = options.pair("cutout: size", own["size"], 1)
    return Call(cutout_op, (*numbers, *size), (augmentation.fill_value("cutout", own["fill"]),))


def _mixup(function):
    def call(row, places, machine):
        _, numbers, own = _image(row)
        return Call(function, numbers, (augmentation.beta_parameter("mixup", own["alpha"]),))

    return call


def _row(name, *stages):
    return Op(f"augment_{name}", lambda shapes, **attrs: {}, Kernel("forward", ("x",), ("y",), no_twin, stages))


def _one_stage(call):
    return Stage(Axis.BLOCK, ("x",), ("y",), call, plain=True)


AUGMENTATIONS = (
    _row("flip", _one_stage(_flip)),
    _row("crop", _one_stage(_window("crop", "padding"))),
    _row("shift", _one_stage(_window("shift", "max_shift"))),
    _row("rotate", _one_stage(_rotate)),
    _row("cutout", _one_stage(_cutout)),
    # The first stage reads images so that it waits for all blocks, and the second for it: a partner's image lies in
    # its own block's storage by then.
    _row("mixup",
         Stage(Axis.TILE, ("x",), ("partners",), _mixup(partners_op),
               temps=lambda row, machine: {"partners": (Space.FIXED, 1)}, plain=True),
         Stage(Axis.BLOCK, ("x", "partners"), ("y",), _mixup(mixup_op), plain=True, across=True)),
)  # fmt: skip
