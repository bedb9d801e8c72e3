"""Losses on the tape: a sum for each lane block, then the tree over the blocks.

The loss of a step is the mean over the batch. Its divisor is known before the blocks start: the samples or elements of
the batch, or where classes or samples have weights or samples are left out, the sum of the weights, from a stage of
its own. That is one task, which sums in the order of the samples: the same bits for any number of threads.
"""

import functools
from math import prod

import numpy as np

from .._jit import kernel
from ..cross_entropy_block import (
    SOFTMAX_WORK,
    hits_block,
    inverse,
    label_weight,
    softmax_cross_entropy_block,
)
from ..layout import gather_block
from ..loss_block import (
    CATEGORICAL,
    HALF_SQUARE,
    HUBER,
    LOGISTIC,
    OF_SAMPLES,
    SQUARE,
    WEIGHED_WORK,
    lane_sums,
    loss_block,
    weigh_block,
)
from ..reduction import tree_sum
from ..reference.twins import loss as twins
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..task import BATCH, BLOCKS, RESULT, ROWS, SAMPLES, SOFT, START, STORE_STRIDE, VALID, cast_pointer

# Numbers of softmax_cross_entropy's row: the label smoothing, then the class weights.
_SMOOTHING, _WEIGHTS = 0, 1
# No label is below 0, so that this one leaves out none.
_NO_LABEL = -1
# Loss and correct predictions: not literal, for which `tree_sum` would be compiled once more.
_TOTALS = np.int64(2)
# Integers of a block's row.
_CLASS_WEIGHTED, _IGNORED, _SIZE, _SAMPLE_WEIGHTED, _LOSSES = range(5)


def loss_factor(t):
    """Set the factor that makes a mean of the sum: 1 / the weights of all losses of the step."""
    info, o = t.info, t.options
    labels = cast_pointer(t.y, t.order)
    total = 0.0
    for i in range(info[START], info[START] + info[BATCH]):
        sample = t.order[i]
        weight = 1.0
        if info[SOFT] == 0:
            weight = label_weight(labels[sample], t.scalars, _WEIGHTS, o[_CLASS_WEIGHTED] != 0, o[_IGNORED])
        if o[_SAMPLE_WEIGHTED] != 0:
            weight *= float(t.weights[sample])
        total += weight
    t.arena[t.at[0]] = inverse(total * o[_LOSSES])
    return 0


@kernel
def _softmax_block(t, scale, d, work, sums, shares):
    m, info, o = t.arena, t.info, t.options
    softmax_cross_entropy_block(
        m, t.at[0], o[_SIZE], cast_pointer(t.y, t.order), cast_pointer(t.y, m), info[SOFT] != 0, info, ROWS,
        info[VALID], t.scalars, _WEIGHTS, o[_CLASS_WEIGHTED] != 0, o[_IGNORED], t.scalars[_SMOOTHING], scale, m, d, m,
        shares, m, work)
    if o[_SAMPLE_WEIGHTED] != 0:
        weigh_block(m, d, o[_SIZE], m, work, t.weights, info, SAMPLES)
    lane_sums(m, work, info[VALID], m, sums)


def softmax_cross_entropy_op(t):
    """Loss and gradient of one block."""
    at = t.at
    _softmax_block(t, 1.0 / t.info[BATCH], at[1], at[2], at[3], at[4])
    return 0


def factored_softmax_cross_entropy_op(t):
    """Loss and gradient of one block, with the factor from `loss_factor`."""
    at = t.at
    _softmax_block(t, float(t.arena[at[1]]), at[2], at[3], at[4], at[5])
    return 0


@functools.cache
def _elementwise_op(kind, factored):
    """Op of the loss numbered `kind`; `factored` with the factor from `loss_factor`."""

    def elementwise_loss(t):
        m, at, info, size = t.arena, t.at, t.info, t.options[_SIZE]
        scale = float(m[at[1]]) if factored else 1.0 / (info[BATCH] * t.options[_LOSSES])
        k = 2 if factored else 1
        d, work, sums, target = at[k], at[k + 1], at[k + 2], at[k + 3]
        gather_block(cast_pointer(t.y, m), size, info, ROWS, m, target)
        loss_block(kind, m, at[0], m, target, m, d, size, info[VALID], scale, t.scalars[0], m, work)
        if kind == CATEGORICAL:
            hits_block(m, at[0], m, target, size, m, work + lanes(m))
        if factored:
            weigh_block(m, d, size, m, work, t.weights, info, SAMPLES)
        lane_sums(m, work, info[VALID], m, sums)
        return 0

    return elementwise_loss


def loss_total(t):
    """Sum losses and correct predictions over the blocks; the loss becomes the batch's mean."""
    m, at, info = t.arena, t.at, t.info
    tree_sum(m, at[0], info[STORE_STRIDE], info[BLOCKS], _TOTALS)
    t.out[info[RESULT]] = m[at[0]] / (info[BATCH] * t.options[0])
    t.out[info[RESULT] + 1] = m[at[0] + 1]
    return 0


def factored_loss_total(t):
    """As `loss_total`, with the factor from `loss_factor`."""
    m, at, info = t.arena, t.at, t.info
    tree_sum(m, at[0], info[STORE_STRIDE], info[BLOCKS], _TOTALS)
    t.out[info[RESULT]] = m[at[0]] * m[at[1]]
    t.out[info[RESULT] + 1] = m[at[0] + 1]
    return 0


def _shape(shapes, **attrs):
    return {"d_prediction": shapes["prediction"]}


def _temps(row, machine):
    """Give a block stage's temporaries; the sums live in storage of their block until all are there."""
    return {
        "work": (Space.WORK, max(SOFTMAX_WORK, WEIGHED_WORK) * machine.lanes),
        "sums": (Space.STORE, max(2, machine.lanes)),
        "target": (Space.WORK, prod(row.values["prediction"].shape) * machine.lanes),
    }


def _has_factor(row, machine):
    return any(row.attrs.get(name) is not None for name in ("class_weight", "ignore_index")) or _is_weighted(row)


def _has_no_factor(row, machine):
    return not _has_factor(row, machine)


def _is_weighted(row):
    return bool(row.attrs.get("weighted"))


def _stages(block_op, total_op, call, total_call, factor, wanted):
    """Give the stages of the blocks and of the sum over them, which read the `factor` where there is one."""
    return (
        Stage(Axis.BLOCK, ("prediction", *factor), ("d_prediction", "work", "sums", "target"), call(block_op),
              temps=_temps, plain=True, wanted=wanted),
        Stage(Axis.TILE, ("sums", *factor), (), total_call(total_op), wanted=wanted),
    )  # fmt: skip


def _loss(name, twin, block_ops, call, losses_of, shape=_shape):
    """Make a loss of its block ops, without and with a factor."""

    def total_call(function):
        return lambda row, places, machine: Call(function, (losses_of(row),))

    stages = (
        Stage(Axis.TILE, (), ("factor",), call(loss_factor), temps=lambda row, machine: {"factor": (Space.FIXED, 1)},
              wanted=_has_factor),
        *_stages(block_ops[1], factored_loss_total, call, total_call, ("factor",), _has_factor),
        *_stages(block_ops[0], loss_total, call, total_call, (), _has_no_factor),
    )  # fmt: skip
    return Op(name, shape, Kernel("forward", ("prediction",), ("d_prediction",), twin, stages), weights=True)


# ---- softmax_cross_entropy: attributes class_weight (a tuple of floats), ignore_index (None: every label is a class),
# label_smoothing


def _softmax_shape(shapes, *, class_weight=None, **attrs):
    classes = prod(shapes["prediction"])
    if class_weight is not None and len(class_weight) != classes:
        raise ValueError(f"softmax_cross_entropy: {len(class_weight)} class weights, {classes} are needed")
    return _shape(shapes)


def _softmax_call(function):
    def call(row, places, machine):
        weights, ignored = row.attrs.get("class_weight"), row.attrs.get("ignore_index")
        classes = prod(row.values["prediction"].shape)
        options = int(weights is not None), _NO_LABEL if ignored is None else ignored, classes, _is_weighted(row), 1
        return Call(function, options, (float(row.attrs.get("label_smoothing", 0.0)), *(weights or ())))

    return call


SOFTMAX_CROSS_ENTROPY = _loss(
    "softmax_cross_entropy",
    twins.softmax_cross_entropy_forward,
    (softmax_cross_entropy_op, factored_softmax_cross_entropy_op),
    _softmax_call,
    lambda row: 1,
    _softmax_shape,
)


# ---- losses that are sums over elements: huber has the attribute delta


def _elementwise(name, kind, twin):
    def losses_of(row):
        return 1 if kind in OF_SAMPLES else prod(row.values["prediction"].shape)

    def call_of(function):
        def call(row, places, machine):
            size = prod(row.values["prediction"].shape)
            options = 0, _NO_LABEL, size, _is_weighted(row), losses_of(row)
            return Call(function, options, (float(row.attrs.get("delta", 1.0)),))

        return call

    return _loss(name, twin, [_elementwise_op(kind, factored) for factored in (False, True)], call_of, losses_of)


SUM_SQUARED_ERROR = _elementwise("sum_squared_error", HALF_SQUARE, twins.sum_squared_error_forward)
MEAN_SQUARED_ERROR = _elementwise("mean_squared_error", SQUARE, twins.mean_squared_error_forward)
HUBER_OP = _elementwise("huber", HUBER, twins.huber_forward)
BINARY_CROSS_ENTROPY_WITH_LOGITS = _elementwise(
    "binary_cross_entropy_with_logits", LOGISTIC, twins.binary_cross_entropy_with_logits_forward
)
CATEGORICAL_CROSS_ENTROPY = _elementwise(
    "categorical_cross_entropy", CATEGORICAL, twins.categorical_cross_entropy_forward
)
