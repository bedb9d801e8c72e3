"""Batch normalisation over (N, C, ...)."""

import numpy as np

from .. import _checks as check
from .. import _options as options
from .._checks import Array


def by_channel(values: Array, x: Array) -> Array:
    """Shape C values so that they meet axis 1 of x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def _over_batch(x: Array) -> tuple[int, ...]:
    """All axes but the channels."""
    return (0, *range(2, x.ndim))


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    running_mean: Array,
    running_var: Array,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """Return gamma * (x - mean) / sqrt(var + eps) + beta, the mean and 1 / sqrt(var + eps).

    Training takes mean and (biased) variance of the batch, and moves the running mean and the running (unbiased)
    variance towards them; otherwise the running ones are taken and stay as they are.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, an option is out of its range, or in training a channel has a single value or
        running statistics cannot be written.
    """
    name = "batch_norm"
    shapes = {"gamma": gamma.shape, "beta": beta.shape, "running_mean": running_mean.shape}
    training = options.flag(f"{name}: training", training)
    check.batch_norm_shapes(name, x.shape, training, **shapes, running_var=running_var.shape)
    momentum = options.fraction(f"{name}: momentum", momentum)
    eps = options.number(f"{name}: eps", eps)
    mean, var = running_mean.astype(np.float64), running_var.astype(np.float64)
    if training:
        inputs = {"x": x, "gamma": gamma, "beta": beta}
        check.in_place_array(name, "running_mean", running_mean, 1, **inputs)
        check.in_place_array(name, "running_var", running_var, 1, **inputs, running_mean=running_mean)
        count = x.size // x.shape[1]
        mean = x.mean(axis=_over_batch(x), dtype=np.float64)
        var = x.var(axis=_over_batch(x), dtype=np.float64)
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean
        running_var[...] = (1 - momentum) * running_var + momentum * var * count / (count - 1)
    inv_std = 1 / np.sqrt(var + eps)
    y = (x - by_channel(mean, x)) * by_channel(inv_std * gamma, x) + by_channel(beta, x)
    return y.astype(x.dtype), mean.astype(x.dtype), inv_std.astype(x.dtype)


def batch_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, *, training: bool = True
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta; with `training` mean and variance depend on x, else they are constants.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or `training` is no truth value.
    """
    name = "batch_norm_backward"
    training = options.flag(f"{name}: training", training)
    check.batch_norm_shapes(name, x.shape, False, gamma=gamma.shape, mean=mean.shape, inv_std=inv_std.shape)
    check.output_gradient(name, dy.shape, x.shape)
    normal = (x - by_channel(mean, x)) * by_channel(inv_std, x)
    dbeta = dy.sum(axis=_over_batch(x), dtype=x.dtype)
    dgamma = (dy * normal).sum(axis=_over_batch(x), dtype=x.dtype)
    d_normal = dy
    if training:
        # Adding to x a constant, or a multiple of its normal form, changes no y: dx has neither of them.
        count = max(1, x.size // x.shape[1])
        d_normal = dy - by_channel(dbeta / count, x) - normal * by_channel(dgamma / count, x)
    dx = d_normal * by_channel(gamma * inv_std, x)
    return dx.astype(x.dtype), dgamma, dbeta
