"""Batch normalisation on the tape: statistics of the whole batch in training, the running ones at inference."""

from math import prod

import numpy as np

from .. import _options as options
from ..batch_norm_block import (
    block_gradients,
    block_input_gradient,
    block_moments,
    finish_moments,
    merge_moments,
    normalise_map,
)
from ..reduction import tree_sum
from ..reference.twins import batch_norm as twins
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import Axis, Call, Space, Stage
from ..task import BATCH, BLOCKS, STORE_STRIDE, VALID


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
    block_moments(m, at[0], o[0], o[1], t.info[VALID], m, at[1])
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
    channels, size = o[0], o[1] * lanes(m)
    for c in range(channels):
        normalise_map(m, at[0] + c * size, m, at[4] + c * size, o[1], m[at[3] + c],
                      m[at[3] + channels + c] * t.params[at[1] + c], t.params[at[2] + c])
    return 0


def batch_norm_inference(t):
    """Normalise one block with the running statistics."""
    m, at, o = t.arena, t.at, t.options
    size = o[1] * lanes(m)
    for c in range(o[0]):
        scale = t.params[at[1] + c] / np.sqrt(t.state[at[4] + c] + t.scalars[0])
        normalise_map(m, at[0] + c * size, m, at[5] + c * size, o[1], t.state[at[3] + c], scale, t.params[at[2] + c])
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
    block_gradients(m, at[0], m, at[1], o[0], o[1], m, at[2], m, at[3])
    return 0


def batch_norm_backward_sums(t):
    """Sum over the blocks: the gradients of gamma and beta, which dx needs as well."""
    m, at, o = t.arena, t.at, t.options
    tree_sum(m, at[0], t.info[STORE_STRIDE], t.info[BLOCKS], 2 * o[0])
    for c in range(2 * o[0]):
        m[at[1] + c] = m[at[0] + c]
    for c in range(o[0]):
        if o[2] != 0:
            t.grads[at[2] + c] = m[at[0] + c]
        if o[3] != 0:
            t.grads[at[3] + c] = m[at[0] + o[0] + c]
    return 0


def batch_norm_backward(t):
    """Gradient of one block's input."""
    m, at, o = t.arena, t.at, t.options
    block_input_gradient(m, at[0], m, at[1], o[0], o[1], m, at[3], t.params, at[2], m, at[4], t.info[BATCH] * o[1],
                         t.info[VALID], m, at[5])
    return 0


def _call(op):
    def call(row, places, machine):
        wanted = (int("dgamma" in row.grads), int("dbeta" in row.grads))
        return Call(op, (*_sizes(row), *wanted), (float(row.attrs["eps"]), float(row.attrs["momentum"])))

    return call


BATCH_NORM = Op(
    "batch_norm",
    shape,
    Kernel("forward", ("x", "gamma", "beta"), ("y", "stats"), twins.batch_norm_forward, (
        Stage(Axis.BLOCK, ("x",), ("moments",), _call(batch_norm_moments), plain=True,
              temps=_temps("moments", Space.STORE, 3)),
        Stage(Axis.TILE, ("moments",), ("stats",), _call(batch_norm_statistics)),
        Stage(Axis.BLOCK, ("x", "gamma", "beta", "stats"), ("y",), _call(batch_norm_forward), plain=True),
    )),
    (Kernel("backward", ("dy", "x", "gamma", "stats"), ("dx", "dgamma", "dbeta"), twins.batch_norm_backward, (
        Stage(Axis.BLOCK, ("dy", "x", "stats"), ("sums",), _call(batch_norm_gradients), plain=True,
              temps=_temps("sums", Space.STORE, 2)),
        Stage(Axis.TILE, ("sums",), ("totals", "dgamma", "dbeta"), _call(batch_norm_backward_sums),
              temps=_temps("totals", Space.FIXED, 2)),
        Stage(Axis.BLOCK, ("dy", "x", "gamma", "stats", "totals"), ("dx",), _call(batch_norm_backward), plain=True,
              wanted=lambda row, machine: "dx" in row.values),
    )),),
    inference=Kernel(
        "inference", ("x", "gamma", "beta", "running_mean", "running_var"), ("y",), twins.batch_norm_inference, (
            Stage(Axis.BLOCK, ("x", "gamma", "beta", "running_mean", "running_var"), ("y",),
                  _call(batch_norm_inference), plain=True),
        )),
    commit=Kernel(
        "commit", ("stats", "running_mean", "running_var"), ("running_mean", "running_var"), twins.batch_norm_commit, (
            Stage(Axis.TILE, ("stats", "running_mean", "running_var"), (), _call(batch_norm_commit)),
        )),
    whole=("stats",),
    check=check,
)
