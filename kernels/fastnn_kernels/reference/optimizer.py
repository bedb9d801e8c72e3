"""Optimizer updates of flat vectors, in place.

`weight_decay` adds weight_decay * params to the gradient (L2). The gradients are not changed.
"""

import math

from .. import _options as options
from .._checks import Array, rank, same_shape


def _shapes(function: str, params: Array, grads: Array, **state: Array) -> None:
    rank(function, "params", params.shape, 1)
    named = {name: array.shape for name, array in state.items()}
    same_shape(function, params=params.shape, grads=grads.shape, **named)


def sgd_update(params: Array, grads: Array, *, lr: float, weight_decay: float = 0.0) -> None:
    """Do params -= lr * grads."""
    _shapes("sgd_update", params, grads)
    lr = options.number("sgd_update: lr", lr)
    decay = options.number("sgd_update: weight_decay", weight_decay)
    params -= lr * (grads + decay * params)


def momentum_update(
    params: Array,
    grads: Array,
    velocity: Array,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """Do velocity = momentum * velocity + grads, then params -= lr * velocity, as in PyTorch.

    `velocity` starts at 0, so that the first step is that of `sgd_update`.
    """
    _shapes("momentum_update", params, grads, velocity=velocity)
    lr = options.number("momentum_update: lr", lr)
    mu = options.number("momentum_update: momentum", momentum, below=1.0)
    decay = options.number("momentum_update: weight_decay", weight_decay)
    velocity *= mu
    velocity += grads + decay * params
    params -= lr * velocity


def adam_update(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """Do one step of Adam (Kingma and Ba 2015, algorithm 1); `step` counts from 1, m and v start at 0.

    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g * g``, then
    ``params -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)``, as in PyTorch.
    """
    _shapes("adam_update", params, grads, m=m, v=v)
    step = options.integer("adam_update: step", step, 1)
    lr = options.number("adam_update: lr", lr)
    beta1 = options.number("adam_update: beta1", beta1, below=1.0)
    beta2 = options.number("adam_update: beta2", beta2, below=1.0)
    eps = options.number("adam_update: eps", eps)
    decay = options.number("adam_update: weight_decay", weight_decay)
    g = grads + decay * params
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    params -= lr / (1 - beta1**step) * m / (v**0.5 / math.sqrt(1 - beta2**step) + eps)
