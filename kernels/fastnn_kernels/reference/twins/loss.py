"""Losses on the tape, in terms of the public twins: the batch's mean, and its gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array

Result = tuple[Any, Array]


def _weighted_mean(losses: Array, d_losses: Array, sample_weight: Array, divisor: float) -> Result:
    """Return ``sum(weight * loss) / divisor`` and its gradient; samples of weight 0 take no part, for NaN too."""

    def weigh(values: Array) -> Array:
        weights = sample_weight.reshape(len(values), *[1] * (values.ndim - 1))
        return np.where(weights > 0, weights * values, 0)

    if divisor == 0:  # nothing counts
        return 0.0, np.zeros_like(d_losses)
    total = weigh(losses).sum(dtype=np.float64) / divisor
    return d_losses.dtype.type(total), weigh(d_losses) / divisor


def _mean(
    loss: Callable[..., Result], prediction: Array, target: Array, sample_weight: Array | None, **options: Any
) -> Result:
    """Return the mean over all losses of `loss`, one or several a sample, and its gradient."""
    if sample_weight is None:
        return loss(prediction, target, **options)
    losses, d_losses = loss(prediction, target, reduction="none", **options)
    total = float(sample_weight.sum(dtype=np.float64))
    return _weighted_mean(losses, d_losses, sample_weight, total * (losses.size // len(losses)))


def softmax_cross_entropy_forward(
    prediction: Array,
    target: Array,
    *,
    sample_weight: Array | None = None,
    class_weight: tuple[float, ...] | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    **attrs: Any,
) -> Result:
    """Return the mean over the weights of the samples that are not left out, and d_prediction."""
    options: dict[str, Any] = {"label_smoothing": label_smoothing}
    labels = target if target.ndim == 1 else None
    if class_weight is not None:
        options["class_weight"] = np.array(class_weight, prediction.dtype)
    if ignore_index is not None and labels is not None:
        options["ignore_index"] = ignore_index
    if sample_weight is None or labels is None:
        return _mean(reference.softmax_cross_entropy, prediction, target, sample_weight, **options)
    losses, d_losses = reference.softmax_cross_entropy(prediction, target, reduction="none", **options)
    used = np.ones(len(labels), bool) if ignore_index is None else labels != ignore_index
    weights = sample_weight[used].astype(np.float64)
    if class_weight is not None:
        weights *= options["class_weight"][labels[used]]
    return _weighted_mean(losses, d_losses, sample_weight, float(weights.sum()))


def categorical_cross_entropy_forward(
    prediction: Array, target: Array, *, sample_weight: Array | None = None, **attrs: Any
) -> Result:
    """Return the mean over the samples, and d_prediction."""
    return _mean(reference.categorical_cross_entropy, prediction, target, sample_weight)


def sum_squared_error_forward(
    prediction: Array, target: Array, *, sample_weight: Array | None = None, **attrs: Any
) -> Result:
    """Return the mean over the samples, and d_prediction."""
    return _mean(reference.sum_squared_error, prediction, target, sample_weight)


def mean_squared_error_forward(
    prediction: Array, target: Array, *, sample_weight: Array | None = None, **attrs: Any
) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return _mean(reference.mean_squared_error, prediction, target, sample_weight)


def huber_forward(
    prediction: Array, target: Array, *, delta: float = 1.0, sample_weight: Array | None = None, **attrs: Any
) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return _mean(reference.huber, prediction, target, sample_weight, delta=delta)


def binary_cross_entropy_with_logits_forward(
    prediction: Array, target: Array, *, sample_weight: Array | None = None, **attrs: Any
) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return _mean(reference.binary_cross_entropy_with_logits, prediction, target, sample_weight)
