"""Batch normalisation on the tape, in terms of the public twins. `stats` is (mean, 1 / std, unbiased variance)."""

from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, *, momentum: float, eps: float, **attrs: Any
) -> tuple[Array, Array]:
    """Return y, shaped as x, and stats (3 * C,) of the batch."""
    # With momentum 1 the running statistics become those of the batch.
    mean, var = np.zeros_like(gamma), np.zeros_like(gamma)
    y, _, inv_std = reference.batch_norm(
        x, gamma, beta, running_mean=mean, running_var=var, training=True, momentum=1.0, eps=eps
    )
    return y, np.concatenate([mean, inv_std, var])


def batch_norm_backward(
    dy: Array, x: Array, gamma: Array, stats: Array, **attrs: Any
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta."""
    mean, inv_std, _ = np.split(stats, 3)
    return reference.batch_norm_backward(dy, x, gamma, mean, inv_std)


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_var: Array, *, eps: float, **attrs: Any
) -> Array:
    """Return y, shaped as x."""
    return reference.batch_norm(
        x, gamma, beta, running_mean=running_mean, running_var=running_var, training=False, eps=eps
    )[0]


def batch_norm_commit(
    stats: Array, running_mean: Array, running_var: Array, *, momentum: float, **attrs: Any
) -> tuple[Array, Array]:
    """Return the running statistics after the step."""
    mean, _, var = np.split(stats, 3)
    return (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var
