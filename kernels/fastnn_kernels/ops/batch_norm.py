"""Batch normalisation on the tape: statistics of the whole batch in training, the running ones at inference.

A row may take in what follows: the attribute `relu`, and before that an operand z that is added (see `rewrite.py`).
"""

from math import prod

import numpy as np

from .. import _options as options
from ..batch_norm_block import (
    block_gradients,
    block_moments,
    finish_moments,
    input_gradient_map,
    merge_moments,
    normalise_map,
)
from ..reduction import tree_sum
from ..reference.twins import batch_norm as twins
from ..registry import Kernel, Op
from ..stage import NO_HALO, Axis, Call, Space, Stage
from ..task import BATCH, BLOCKS, STORE_STRIDE, VALID

# Options: channels, pixels, then these; from LINES on the strides from channel to channel and row to row of operands.
WANTS_DGAMMA, WANTS_DBETA, WANTS_DX, ADDS, RELU, ROWS, COLS, LINES = range(2, 10)


def shape(shapes, *, momentum, eps):
    """Shape of one sample of the output; the statistics are (mean, 1 / std, unbiased variance) of the whole batch."""
    channels = shapes["x"][:1]
    options.fraction("batch_norm: momentum", momentum)
    options.number("batch_norm: eps", eps)
    for name in ("gamma", "beta", "running_mean", "running_var"):
        if name not in shapes:
            raise ValueError(f"batch_norm: {name} is missing, one value for each channel of x is needed: {channels}")
        if shapes[name] != channels:
            raise ValueError(f"batch_norm: {name} has shape {shapes[name]}, one value for each channel of x is needed: "
                             f"{channels}")
    return {"y": shapes["x"], "stats": (3 * channels[0],)}


def check(row, samples):
    """Refuse a batch with one value for each channel: it has no variance."""
    x = row.values["x"].shape
    if samples * prod(x[1:]) == 1:
        raise ValueError(
            f"batch_norm: a batch of one sample of shape {x} has one value for each channel, training needs more: "
            f"change the batch size, or drop the last batch"
        )


def _sizes(row):
    x = row.values["x"].shape
    return x[0], prod(x[1:])


def _temps(name, space, numbers):
    """Temporary of so many numbers a channel."""
    return lambda row, machine: {name: (space, numbers * _sizes(row)[0])}


def batch_norm_moments(t):
    """Moments of one block."""
    m, at, o = t.arena, t.at, t.options
    block_moments(m, at[0], o[LINES], o[LINES + 1], o[0], o[ROWS], o[COLS], t.info[VALID], m, at[1])
    return 0


def batch_norm_statistics(t):
    """Merge the blocks' moments, and make the statistics of them."""
    m, at, o, info = t.arena, t.at, t.options, t.info
    merge_moments(m, at[0], info[STORE_STRIDE], info[BLOCKS], o[0], o[1], info[BATCH])
    finish_moments(m, at[0], o[0], info[BATCH] * o[1], t.scalars[0], m, at[1])
    return 0


def batch_norm_forward(t):
    """Normalise one block with the statistics of the batch."""
    m, at, o = t.arena, t.at, t.options
    channels = o[0]
    for c in range(channels):
        normalise_map(m, at[0] + c * o[LINES], o[LINES + 1], m, at[4] + c * o[LINES + 2], o[LINES + 3],
                      m, at[5] + c * o[LINES + 4], o[LINES + 5], o[ROWS], o[COLS], m[at[3] + c],
                      m[at[3] + channels + c] * t.params[at[1] + c], t.params[at[2] + c], o[ADDS] != 0, o[RELU] != 0)
    return 0


def batch_norm_inference(t):
    """Normalise one block with the running statistics."""
    m, at, o = t.arena, t.at, t.options
    for c in range(o[0]):
        scale = t.params[at[1] + c] / np.sqrt(t.state[at[4] + c] + t.scalars[0])
        normalise_map(m, at[0] + c * o[LINES], o[LINES + 1], m, at[5] + c * o[LINES + 2], o[LINES + 3],
                      m, at[6] + c * o[LINES + 4], o[LINES + 5], o[ROWS], o[COLS], t.state[at[3] + c], scale,
                      t.params[at[2] + c], o[ADDS] != 0, o[RELU] != 0)
    return 0


def batch_norm_commit(t):
    """Move the running statistics towards those of the batch."""
    m, at, channels, momentum = t.arena, t.at, t.options[0], t.scalars[1]
    for c in range(channels):
        t.state[at[1] + c] = (1.0 - momentum) * t.state[at[1] + c] + momentum * m[at[0] + c]
        t.state[at[2] + c] = (1.0 - momentum) * t.state[at[2] + c] + momentum * m[at[0] + 2 * channels + c]
    return 0


def batch_norm_gradients(t):
    """Sum one block for the gradients of gamma and beta."""
    m, at, o = t.arena, t.at, t.options
    block_gradients(m, at[0], o[LINES], o[LINES + 1], m, at[1], o[LINES + 2], o[LINES + 3], m, at[2], o[LINES + 4],
                    o[LINES + 5], o[0], o[ROWS], o[COLS], m, at[3], m, at[4], o[RELU] != 0)
    return 0


def batch_norm_backward_sums(t):
    """Sum over the blocks: the gradients of gamma and beta, which dx needs as well."""
    m, at, o = t.arena, t.at, t.options
    tree_sum(m, at[0], t.info[STORE_STRIDE], t.info[BLOCKS], 2 * o[0])
    for c in range(2 * o[0]):
        m[at[1] + c] = m[at[0] + c]
    for c in range(o[0]):
        if o[WANTS_DGAMMA] != 0:
            t.grads[at[2] + c] = m[at[0] + c]
        if o[WANTS_DBETA] != 0:
            t.grads[at[3] + c] = m[at[0] + o[0] + c]
    return 0


def batch_norm_backward(t):
    """Gradients of one block's input and of what was added to its output."""
    m, at, o = t.arena, t.at, t.options
    channels, count = o[0], t.info[BATCH] * o[1]
    for c in range(channels):
        inverse = m[at[4] + channels + c]
        input_gradient_map(
            m, at[0] + c * o[LINES], o[LINES + 1], m, at[1] + c * o[LINES + 2], o[LINES + 3],
            m, at[2] + c * o[LINES + 4], o[LINES + 5], m, at[6] + c * o[LINES + 6], o[LINES + 7],
            m, at[7] + c * o[LINES + 8], o[LINES + 9], o[ROWS], o[COLS], m[at[4] + c], t.params[at[3] + c] * inverse,
            m[at[5] + c] * inverse / count, m[at[5] + channels + c] / count, t.info[VALID],
            o[RELU] != 0, o[WANTS_DX] != 0, o[ADDS] != 0,
        )  # fmt: skip
    return 0


def _call(op, *lined):
    """Call `op`, whose operands `lined` are gone through together, by rows or, without halos, in one line a channel."""

    def call(row, places, machine):
        used = [places[name] for name in lined if name in places]
        rows, cols = used[0].shape[1:] if used else (0, 0)
        if all(place.halo == NO_HALO for place in used):
            rows, cols = 1, rows * cols
        strides = []
        for name in lined:
            strides += (places[name].channel, places[name].row) if name in places else (0, 0)
        adds, relu = "z" in row.values or "dz" in row.values, row.attrs.get("relu", False)
        flags = ("dgamma" in row.grads, "dbeta" in row.grads, "dx" in row.values, adds, relu)
        return Call(op, (*_sizes(row), *map(int, flags), rows, cols, *strides),
                    (float(row.attrs["eps"]), float(row.attrs["momentum"])))

    return call


BATCH_NORM = Op(
    "batch_norm",
    shape,
    Kernel("forward", ("x", "gamma", "beta", "z"), ("y", "stats"), twins.batch_norm_forward, (
        Stage(Axis.BLOCK, ("x",), ("moments",), _call(batch_norm_moments, "x"),
              temps=_temps("moments", Space.STORE, 3)),
        Stage(Axis.TILE, ("moments",), ("stats",), _call(batch_norm_statistics)),
        Stage(Axis.BLOCK, ("x", "gamma", "beta", "stats", "z"), ("y",), _call(batch_norm_forward, "x", "z", "y")),
    )),
    (Kernel("backward", ("dy", "x", "y", "gamma", "stats"), ("dx", "dz", "dgamma", "dbeta"),
            twins.batch_norm_backward, (
        Stage(Axis.BLOCK, ("dy", "x", "y", "stats"), ("sums",), _call(batch_norm_gradients, "dy", "x", "y"),
              temps=_temps("sums", Space.STORE, 2)),
        Stage(Axis.TILE, ("sums",), ("totals", "dgamma", "dbeta"), _call(batch_norm_backward_sums),
              temps=_temps("totals", Space.FIXED, 2)),
        Stage(Axis.BLOCK, ("dy", "x", "y", "gamma", "stats", "totals"), ("dx", "dz"),
              _call(batch_norm_backward, "dy", "x", "y", "dx", "dz"),
              wanted=lambda row, machine: "dx" in row.values or "dz" in row.values),
    )),),
    inference=Kernel(
        "inference", ("x", "gamma", "beta", "running_mean", "running_var", "z"), ("y",), twins.batch_norm_inference, (
            Stage(Axis.BLOCK, ("x", "gamma", "beta", "running_mean", "running_var", "z"), ("y",),
                  _call(batch_norm_inference, "x", "z", "y")),
        )),
    commit=Kernel(
        "commit", ("stats", "running_mean", "running_var"), ("running_mean", "running_var"), twins.batch_norm_commit, (
            Stage(Axis.TILE, ("stats", "running_mean", "running_var"), (), _call(batch_norm_commit)),
        )),
    whole=("stats",),
    check=check,
)
