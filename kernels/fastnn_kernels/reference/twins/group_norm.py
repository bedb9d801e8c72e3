"""Group and layer normalisation on the tape, in terms of the public twins. `stats` is (means, 1 / stds) of a sample."""

from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array


def _stats(mean: Array, inv_std: Array) -> Array:
    """Put a sample's means and inverses behind each other: (N, 2 * groups)."""
    return np.concatenate([mean.reshape(len(mean), -1), inv_std.reshape(len(mean), -1)], axis=1)


def group_norm_forward(
    x: Array, gamma: Array, beta: Array, *, groups: int, eps: float, **attrs: Any
) -> tuple[Array, Array]:
    """Return y, shaped as x, and stats (N, 2 * groups)."""
    y, mean, inv_std = reference.group_norm(x, gamma, beta, groups=groups, eps=eps)
    return y, _stats(mean, inv_std)


def group_norm_backward(
    dy: Array, x: Array, gamma: Array, stats: Array, *, groups: int, **attrs: Any
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta."""
    return reference.group_norm_backward(dy, x, gamma, stats[:, :groups], stats[:, groups:], groups=groups)


def layer_norm_forward(x: Array, gamma: Array, beta: Array, *, eps: float, **attrs: Any) -> tuple[Array, Array]:
    """Return y, shaped as x, and stats (N, 2 * rows of a sample)."""
    y, mean, inv_std = reference.layer_norm(x, gamma, beta, eps=eps)
    return y, _stats(mean, inv_std)


def layer_norm_backward(dy: Array, x: Array, gamma: Array, stats: Array, **attrs: Any) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta."""
    mean, inv_std = (part.reshape(x.shape[: x.ndim - gamma.ndim]) for part in np.split(stats, 2, axis=1))
    return reference.layer_norm_backward(dy, x, gamma, mean, inv_std)
