"""Losses on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array


def softmax_cross_entropy_forward(prediction: Array, target: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return the loss of each sample (N,) and the gradient of their mean."""
    losses, d_prediction = reference.softmax_cross_entropy(prediction, target, reduction="none")
    return losses, d_prediction / len(prediction)


def sum_squared_error_forward(prediction: Array, target: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return the loss of each sample (N,) and the gradient of their mean."""
    losses, d_prediction = reference.sum_squared_error(prediction, target, reduction="none")
    return losses, d_prediction / len(prediction)
