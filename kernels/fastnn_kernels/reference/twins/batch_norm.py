"""Batch normalisation on the tape, in terms of the public twins. `stats` is (mean, 1 / std, unbiased variance).

`z` is what a row adds to the normalised values, before a relu where the row has one.
"""

from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array


def _finish(y: Array, z: Array | None, relu: bool) -> Array:
    """Add z and take the relu, where the row has them."""
    y = y if z is None else y + z
    return reference.relu(y) if relu else y


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, z: Array | None, *,
    relu: bool = False, momentum: float, eps: float, **attrs: Any,
) -> tuple[Array, Array]:  # fmt: skip
    """Return y, shaped as x, and stats (3 * C,) of the batch."""
    # With momentum 1 the running statistics become those of the batch.
    mean, var = np.zeros_like(gamma), np.zeros_like(gamma)
    y, _, inv_std = reference.batch_norm(
        x, gamma, beta, running_mean=mean, running_var=var, training=True, momentum=1.0, eps=eps
    )
    return _finish(y, z, relu), np.concatenate([mean, inv_std, var])


def batch_norm_backward(
    dy: Array, x: Array, y: Array, gamma: Array, stats: Array, *, relu: bool = False, **attrs: Any
) -> tuple[Array, Array, Array, Array]:
    """Return dx, dz, dgamma and dbeta."""
    mean, inv_std, _ = np.split(stats, 3)
    dz = reference.relu_backward(dy, y) if relu else dy
    dx, dgamma, dbeta = reference.batch_norm_backward(dz, x, gamma, mean, inv_std)
    return dx, dz, dgamma, dbeta


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_var: Array, z: Array | None, *,
    relu: bool = False, eps: float, **attrs: Any,
) -> Array:  # fmt: skip
    """Return y, shaped as x."""
    y = reference.batch_norm(
        x, gamma, beta, running_mean=running_mean, running_var=running_var, training=False, eps=eps
    )[0]
    return _finish(y, z, relu)


def batch_norm_commit(
    stats: Array, running_mean: Array, running_var: Array, *, momentum: float, **attrs: Any
) -> tuple[Array, Array]:
    """Return the running statistics after the step."""
    mean, _, var = np.split(stats, 3)
    return (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var
