"""A loss that is a user's function ``(prediction, target) -> (loss, gradient)``: one task, once a step.

It gets the whole batch, plain (N, ...) arrays of its own, and the loss it returns is that of the batch. Lane blocks are
taken apart before it and put together after it by ops of their own, which compile once for all.

Attributes of the row: `function`, a dispatcher, and `target`, what the targets are, which the executor sees.
"""

import functools
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numba import carray
from numba.core import cgutils, types
from numba.extending import intrinsic

from .._jit import kernel
from ..layout import rows_to_lanes, scatter_block
from ..reference.twins.own import FunctionLoss
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..tape import Tape
from ..task import BATCH, RAISED, RESULT, START, STORE_STRIDE, VALID, WRONG_SHAPE, cast_pointer

# Whether targets are labels, the shape of one, and whether they are those of mixed samples.
Target = tuple[bool, tuple[int, ...], bool]


def target_of(tape: Tape, y: Any, mixed: bool) -> Target | None:
    """Say what the targets are, where the loss is a function: it is compiled for them."""
    if tape.loss is None or tape.loss.op != "function_loss":
        return None
    return y.dtype == np.int64, y.shape[1:], mixed


def with_target(tape: Tape, target: Target) -> Tape:
    """Return the tape with a loss for such targets."""
    assert tape.loss is not None
    return replace(tape, loss=replace(tape.loss, attrs={**tape.loss.attrs, "target": target}))


@functools.cache
def _make_shape(ndim):
    """Make the intrinsic that gives the shape of `n` samples of `ndim` axes, whose sizes stand in `options`."""

    @intrinsic
    def shape_of(typingctx, n, options, first):
        made = types.UniTuple(types.intp, ndim + 1)

        def codegen(context, builder, sig, args):
            sizes = [args[0]]
            for axis in range(ndim):
                place = builder.add(args[2], context.get_constant(types.intp, axis))
                sizes.append(builder.load(builder.gep(args[1], [place])))
            return cgutils.pack_array(builder, sizes)

        return made(types.intp, options, types.intp), codegen

    return shape_of


def predictions_out(t):
    """Take the block's predictions out of the lanes."""
    scatter_block(t.arena, t.at[0], t.options[0], t.info[VALID], t.arena, t.at[1])
    return 0


def gradient_in(t):
    """Put the block's gradient into the lanes, with zeros in spare ones."""
    rows_to_lanes(t.arena, t.at[0], t.options[0], t.info[VALID], t.arena, t.at[1], True)
    return 0


@kernel
def _gather_targets(t, y, size, mixed):
    """Targets of the step's samples, behind each other, as those of mixed samples are already."""
    start, n = t.info[START], t.info[BATCH]
    plain = np.empty(n * size, carray(y, 1).dtype)
    for i in range(n):
        row = i if mixed else t.order[start + i]
        for k in range(size):
            plain[i * size + k] = y[row * size + k]
    return plain


@functools.cache
def make_function_loss(function, ndim, labels, target_ndim):
    """Op that calls the function.

    Integers of the row: size of a prediction, size of a target, whether samples are mixed, then the two shapes.
    """
    shape_of, target_shape_of = _make_shape(ndim), _make_shape(target_ndim)

    def function_loss(t):
        m, at, o, info = t.arena, t.at, t.options, t.info
        n, of_block = info[BATCH], o[0] * lanes(m)
        plain = np.empty(n * o[0], carray(t.params, 1).dtype)
        for i in range(plain.size):
            plain[i] = m[at[0] + i // of_block * info[STORE_STRIDE] + i % of_block]
        target = _gather_targets(t, cast_pointer(t.y, t.order if labels else t.params), o[1], o[2] != 0)
        shape = shape_of(n, o, 3)
        try:
            loss, gradient = function(plain.reshape(shape), target.reshape(target_shape_of(n, o, 3 + ndim)))
        except Exception:
            return RAISED
        if gradient.shape != shape:
            return WRONG_SHAPE
        i = 0
        for value in gradient.flat:
            m[at[1] + i // of_block * info[STORE_STRIDE] + i % of_block] = value
            i += 1
        t.out[info[RESULT]] = loss
        t.out[info[RESULT] + 1] = 0.0
        return 0

    return function_loss


def _call(row, places, machine):
    shape, (labels, target, mixed) = row.values["prediction"].shape, row.attrs["target"]
    function = make_function_loss(row.attrs["function"], len(shape), labels, len(target))
    return Call(function, (prod(shape), prod(target), int(mixed), *shape, *target))


def _move(function):
    return lambda row, places, machine: Call(function, (prod(row.values["prediction"].shape),))


def _temp(name):
    return lambda row, machine: {name: (Space.STORE, prod(row.values["prediction"].shape) * machine.lanes)}


FUNCTION_LOSS = Op(
    "function_loss",
    lambda shapes, **attrs: {"d_prediction": shapes["prediction"]},
    Kernel("forward", ("prediction",), ("d_prediction",), FunctionLoss(), (
        Stage(Axis.BLOCK, ("prediction",), ("plain",), _move(predictions_out), temps=_temp("plain"), plain=True),
        Stage(Axis.TILE, ("plain",), ("d_plain",), _call, temps=_temp("d_plain")),
        Stage(Axis.BLOCK, ("d_plain",), ("d_prediction",), _move(gradient_in), plain=True),
    )),
)  # fmt: skip
