"""Losses on the tape, in terms of the public twins: the batch's mean, and its gradient."""

from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array

Result = tuple[Any, Array]


def softmax_cross_entropy_forward(
    prediction: Array,
    target: Array,
    *,
    class_weight: tuple[float, ...] | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    **attrs: Any,
) -> Result:
    """Return the mean over the weights of the samples that are not left out, and d_prediction."""
    options: dict[str, Any] = {"label_smoothing": label_smoothing}
    if class_weight is not None:
        options["class_weight"] = np.array(class_weight, prediction.dtype)
    if ignore_index is not None and target.ndim == 1:
        options["ignore_index"] = ignore_index
    return reference.softmax_cross_entropy(prediction, target, **options)


def categorical_cross_entropy_forward(prediction: Array, target: Array, **attrs: Any) -> Result:
    """Return the mean over the samples, and d_prediction."""
    return reference.categorical_cross_entropy(prediction, target)


def sum_squared_error_forward(prediction: Array, target: Array, **attrs: Any) -> Result:
    """Return the mean over the samples, and d_prediction."""
    return reference.sum_squared_error(prediction, target)


def mean_squared_error_forward(prediction: Array, target: Array, **attrs: Any) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return reference.mean_squared_error(prediction, target)


def huber_forward(prediction: Array, target: Array, *, delta: float = 1.0, **attrs: Any) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return reference.huber(prediction, target, delta=delta)


def binary_cross_entropy_with_logits_forward(prediction: Array, target: Array, **attrs: Any) -> Result:
    """Return the mean over all elements, and d_prediction."""
    return reference.binary_cross_entropy_with_logits(prediction, target)
