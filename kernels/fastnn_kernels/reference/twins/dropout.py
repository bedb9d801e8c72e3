"""Dropout on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array


def dropout_forward(
    x: Array, *, rate: float, seed: int, number: int, step: int, **attrs: Any
) -> tuple[Array, Array]:
    """Return y, shaped as x, and the mask (N, features)."""
    y, mask = reference.dropout(x, rate, seed=seed, step=step, op=number)
    return y, mask.reshape(len(x), -1)


def dropout_backward(dy: Array, mask: Array, **attrs: Any) -> Array:
    """Return dx."""
    return reference.dropout_backward(dy, mask.reshape(dy.shape))


def dropout_inference(x: Array, **attrs: Any) -> Array:
    """Return x: nothing is dropped."""
    return x
