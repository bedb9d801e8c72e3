"""Losses: the value, and the gradient of its sum.

`reduction` is "none" (one loss a sample), "sum" or "mean" (over the samples). An empty batch has the sum and
the mean 0.
"""

from typing import Any

import numpy as np

from .. import _options as options
from .._checks import Array, batch, labels, rank, same_shape

REDUCTIONS = ("mean", "sum", "none")


def reduced(losses: Array, d_prediction: Array, reduction: str) -> tuple[Any, Array]:
    """Apply `reduction` to the losses (N,) and to the gradient of their sum."""
    if reduction == "none":
        return losses, d_prediction
    if reduction == "sum":
        return losses.sum(), d_prediction
    count = max(len(losses), 1)
    return losses.sum() / count, d_prediction / count


def sum_squared_error(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Half the sum of the squared errors of each sample: 0.5 * sum((prediction - target)^2).

    Parameters
    ----------
    prediction, target : (N, ...)
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N,) for "none"
    d_prediction : (N, ...)
        The gradient of loss.sum(): prediction - target, divided by N for "mean".
    """
    options.choice("sum_squared_error: reduction", reduction, REDUCTIONS)
    batch("sum_squared_error", "prediction", prediction.shape, 1)
    same_shape("sum_squared_error", prediction=prediction.shape, target=target.shape)
    error = prediction - target
    axes = tuple(range(1, error.ndim))
    return reduced(0.5 * (error * error).sum(axis=axes, dtype=error.dtype), error, reduction)


def softmax_cross_entropy(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Cross-entropy of softmax(prediction): -sum over the classes of target * log(softmax(prediction)).

    Parameters
    ----------
    prediction : (N, C)
        Logits: the softmax is part of the loss.
    target : (N,) of an integer dtype, or (N, C)
        Labels from 0 to C - 1, or one weight a class ("soft targets"), which need not sum to 1.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N,) for "none"
    d_prediction : (N, C)
        The gradient of loss.sum(): softmax(prediction) * sum(target) - target, divided by N for "mean".
    """
    function = "softmax_cross_entropy"
    options.choice(f"{function}: reduction", reduction, REDUCTIONS)
    rank(function, "prediction", prediction.shape, 2)
    batch(function, "prediction", prediction.shape, 2)
    n, classes = prediction.shape
    with np.errstate(invalid="ignore"):  # inf - inf: the sample becomes NaN, as in PyTorch
        z = prediction - prediction.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    if target.ndim == 1:
        label = labels(function, target, n, classes)
        losses = -log_p[np.arange(n), label]
        d_prediction = np.exp(log_p)
        d_prediction[np.arange(n), label] -= 1
    else:
        same_shape(function, prediction=prediction.shape, target=target.shape)
        losses = -(target * log_p).sum(axis=1)
        d_prediction = np.exp(log_p) * target.sum(axis=1, keepdims=True) - target
    return reduced(losses, d_prediction, reduction)
