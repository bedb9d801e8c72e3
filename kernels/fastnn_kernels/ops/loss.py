"""Losses on the tape: a sum for each lane block, then the tree over the blocks."""

from math import prod

from ..loss_block import lane_sums, softmax_cross_entropy_block, sum_squared_error_block
from ..reduction import tree_sum
from ..reference.twins import loss as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Space, Stage
from ..task import BATCH, BLOCKS, RESULT, SAMPLES, SOFT, STORE_STRIDE, VALID, cast_pointer


def softmax_cross_entropy_op(t):
    """Loss and gradient of one block."""
    m, at, info = t.arena, t.at, t.info
    softmax_cross_entropy_block(
        m, at[0], t.options[0], cast_pointer(t.y, t.order), cast_pointer(t.y, m), info[SOFT] != 0, info, SAMPLES,
        info[VALID], 1.0 / info[BATCH], m, at[1], m, at[2])
    lane_sums(m, at[2], info[VALID], m, at[3])
    return 0


def sum_squared_error_op(t):
    """Loss and gradient of one block."""
    m, at, info = t.arena, t.at, t.info
    sum_squared_error_block(m, at[0], t.options[0], cast_pointer(t.y, m), info, SAMPLES, info[VALID],
                            1.0 / info[BATCH], m, at[1], m, at[2])
    lane_sums(m, at[2], info[VALID], m, at[3])
    return 0


def loss_total(t):
    """Sum losses and correct predictions over the blocks; the loss becomes the batch's mean."""
    m, at, info = t.arena, t.at, t.info
    tree_sum(m, at[0], info[STORE_STRIDE], info[BLOCKS], 2)
    t.out[info[RESULT]] = m[at[0]] / info[BATCH]
    t.out[info[RESULT] + 1] = m[at[0] + 1]
    return 0


def _temps(row, machine):
    # The sums live in storage of their block until all are there.
    return {"work": (Space.WORK, 5 * machine.lanes), "sums": (Space.STORE, max(2, machine.lanes))}


def _loss(name, op, twin):
    def call(row, places, machine):
        return Call(op, (prod(places["prediction"].shape),))

    def shape(shapes, **attrs):
        return {"d_prediction": shapes["prediction"]}

    return Op(name, shape, Kernel("forward", ("prediction",), ("d_prediction",), twin, (
        Stage(Axis.BLOCK, ("prediction",), ("d_prediction", "work", "sums"), call, temps=_temps, plain=True),
        Stage(Axis.TILE, ("sums",), (), lambda row, places, machine: Call(loss_total)),
    )))


SOFTMAX_CROSS_ENTROPY = _loss("softmax_cross_entropy", softmax_cross_entropy_op, twins.softmax_cross_entropy_forward)
SUM_SQUARED_ERROR = _loss("sum_squared_error", sum_squared_error_op, twins.sum_squared_error_forward)
