"""Group normalisation over (N, C, ...), layer normalisation over the last axes."""

from math import prod

import numpy as np

from .. import _checks as check
from .. import _options as options
from .._checks import Array
from .batch_norm import by_channel


def _normal(rows: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return (rows - mean) / sqrt(var + eps), mean and 1 / sqrt(var + eps), each row by itself."""
    mean = rows.mean(axis=1, dtype=np.float64)
    inv_std = 1 / np.sqrt(rows.var(axis=1, dtype=np.float64) + eps)
    return (rows - mean[:, None]) * inv_std[:, None], mean, inv_std


def _row_gradient(d_normal: Array, rows: Array, mean: Array, inv_std: Array) -> Array:
    """Return the gradient of the rows from that of their normal form."""
    normal = (rows - mean[:, None]) * inv_std[:, None]
    # Adding to a row a constant, or a multiple of its normal form, changes nothing: the gradient has neither of them.
    along = normal * (d_normal * normal).mean(axis=1, keepdims=True)
    result: Array = (d_normal - d_normal.mean(axis=1, keepdims=True) - along) * inv_std[:, None]
    return result


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return gamma * normal + beta, mean and 1 / sqrt(var + eps), the latter two (N, groups).

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, `groups` does not divide the channels, or `eps` is no number of at least 0.
    """
    groups = check.group_norm_shapes("group_norm", x.shape, groups, gamma=gamma.shape, beta=beta.shape)
    eps = options.number("group_norm: eps", eps)
    n = len(x)
    normal, mean, inv_std = _normal(x.reshape(n * groups, prod(x.shape[1:]) // groups), eps)
    y = normal.reshape(x.shape) * by_channel(gamma, x) + by_channel(beta, x)
    return y.astype(x.dtype), mean.reshape(n, groups).astype(x.dtype), inv_std.reshape(n, groups).astype(x.dtype)


def group_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, *, groups: int
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or `groups` does not divide the channels.
    """
    name = "group_norm_backward"
    groups = check.group_norm_shapes(name, x.shape, groups, gamma=gamma.shape, mean=mean.shape, inv_std=inv_std.shape)
    check.output_gradient(name, dy.shape, x.shape)
    rows = len(x) * groups, prod(x.shape[1:]) // groups
    normal = ((x.reshape(rows) - mean.reshape(-1, 1)) * inv_std.reshape(-1, 1)).reshape(x.shape)
    over_batch = (0, *range(2, x.ndim))
    dgamma, dbeta = (dy * normal).sum(axis=over_batch, dtype=x.dtype), dy.sum(axis=over_batch, dtype=x.dtype)
    d_normal = dy * by_channel(gamma, x)
    dx = _row_gradient(d_normal.reshape(rows), x.reshape(rows), mean.reshape(-1), inv_std.reshape(-1))
    return dx.reshape(x.shape).astype(x.dtype), dgamma, dbeta


def layer_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """Return gamma * normal + beta, mean and 1 / sqrt(var + eps), the latter two shaped as the axes before gamma's.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or `eps` is no number of at least 0.
    """
    check.layer_norm_shapes("layer_norm", x.shape, gamma.shape, beta=beta.shape)
    eps = options.number("layer_norm: eps", eps)
    others = x.shape[: -gamma.ndim]
    normal, mean, inv_std = _normal(x.reshape(prod(others), gamma.size), eps)
    y = normal.reshape(x.shape) * gamma + beta
    return y.astype(x.dtype), mean.reshape(others).astype(x.dtype), inv_std.reshape(others).astype(x.dtype)


def layer_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta.

    Raises
    ------
    ValueError
        If shapes do not belong together.
    """
    name = "layer_norm_backward"
    check.layer_norm_shapes(name, x.shape, gamma.shape, mean=mean.shape, inv_std=inv_std.shape)
    check.output_gradient(name, dy.shape, x.shape)
    others = tuple(range(x.ndim - gamma.ndim))
    after = (..., *(None,) * gamma.ndim)
    normal = (x - mean[after]) * inv_std[after]
    dgamma, dbeta = (dy * normal).sum(axis=others, dtype=x.dtype), dy.sum(axis=others, dtype=x.dtype)
    rows = mean.size, gamma.size
    dx = _row_gradient((dy * gamma).reshape(rows), x.reshape(rows), mean.reshape(-1), inv_std.reshape(-1))
    return dx.reshape(x.shape).astype(x.dtype), dgamma, dbeta
