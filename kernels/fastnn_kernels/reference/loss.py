"""Losses of numbers, element by element: the value, and the gradient of its sum.

`reduction` is "none" (one loss a sample or an element), "sum" or "mean" (the sum divided by the number of losses). An
empty batch has the sum and the mean 0.
"""

from typing import Any

import numpy as np

from .. import _loss_checks as checks
from .._checks import Array, batch, same_shape


def _check(function: str, prediction: Array, target: Array, reduction: str) -> None:
    checks.reduction(function, reduction)
    batch(function, "prediction", prediction.shape, 1)
    same_shape(function, prediction=prediction.shape, target=target.shape)


def reduced(
    losses: Array, d_prediction: Array, reduction: str, divisor: float | None = None
) -> tuple[Any, Array]:
    """Apply `reduction` to the losses and to the gradient of their sum; "mean" divides by their number or `divisor`."""
    if reduction == "none":
        return losses, d_prediction
    total = losses.sum(dtype=np.float64)  # a sum of many in float32 would lose digits
    if reduction == "mean":
        divisor = divisor or max(1, losses.size)
        total, d_prediction = total / divisor, d_prediction / divisor
    return np.result_type(losses, d_prediction).type(total), d_prediction


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

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or `reduction` is none of the three.
    """
    _check("sum_squared_error", prediction, target, reduction)
    error = prediction - target
    axes = tuple(range(1, error.ndim))
    return reduced(0.5 * (error * error).sum(axis=axes, dtype=error.dtype), error, reduction)


def mean_squared_error(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Squared error of each element: (prediction - target)^2.

    Parameters
    ----------
    prediction, target : (N, ...)
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N, ...) for "none"
    d_prediction : (N, ...)
        The gradient of loss.sum(): 2 * (prediction - target), divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or `reduction` is none of the three.
    """
    _check("mean_squared_error", prediction, target, reduction)
    error = prediction - target
    return reduced(error * error, 2 * error, reduction)


def huber(prediction: Array, target: Array, *, delta: float = 1.0, reduction: str = "mean") -> tuple[Any, Array]:
    """Half the squared error of each element up to `delta`, a straight line with slope `delta` beyond.

    Parameters
    ----------
    prediction, target : (N, ...)
    delta : float
        Above 0.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N, ...) for "none"
    d_prediction : (N, ...)
        The gradient of loss.sum(): the error between -delta and delta, divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If shapes differ, `delta` is no number above 0, or `reduction` is none of the three.
    """
    delta = checks.delta("huber", delta)
    _check("huber", prediction, target, reduction)
    error = prediction - target
    size = abs(error)
    losses = np.where(size > delta, delta * (size - 0.5 * delta), 0.5 * error * error)
    return reduced(losses, np.clip(error, -delta, delta), reduction)


def binary_cross_entropy_with_logits(
    prediction: Array, target: Array, *, reduction: str = "mean"
) -> tuple[Any, Array]:
    """Cross-entropy of each element: -t * log(p) - (1 - t) * log(1 - p) with p = sigmoid(prediction).

    Parameters
    ----------
    prediction : (N, ...)
        Logits: the sigmoid is part of the loss.
    target : (N, ...)
        From 0 to 1.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N, ...) for "none"
    d_prediction : (N, ...)
        The gradient of loss.sum(): sigmoid(prediction) - target, divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If shapes differ, a target is outside 0 to 1, or `reduction` is none of the three.
    """
    function = "binary_cross_entropy_with_logits"
    _check(function, prediction, target, reduction)
    checks.shares(function, "target", target)
    small = np.exp(-abs(prediction))  # at most 1, where exp(-prediction) could overflow
    other = np.where(prediction > 0, 1 - target, target)  # the share of the less likely side
    with np.errstate(invalid="ignore"):  # inf * 0: NaN, as in PyTorch
        losses = abs(prediction) * other + np.log1p(small)
    p = np.where(prediction < 0, small, 1) / (1 + small)
    return reduced(losses, p - target, reduction)
