"""Activations on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array


def relu_forward(x: Array, **attrs: Any) -> Array:
    """Return y, shaped as x."""
    return reference.relu(x)


def relu_backward(dy: Array, y: Array, **attrs: Any) -> Array:
    """Return dx."""
    return reference.relu_backward(dy, y)


def leaky_relu_forward(x: Array, *, negative_slope: float, **attrs: Any) -> Array:
    """Return y, shaped as x."""
    return reference.leaky_relu(x, negative_slope=negative_slope)


def leaky_relu_backward(dy: Array, y: Array, *, negative_slope: float, **attrs: Any) -> Array:
    """Return dx."""
    return reference.leaky_relu_backward(dy, y, negative_slope=negative_slope)


def sigmoid_forward(x: Array, **attrs: Any) -> Array:
    """Return y, shaped as x."""
    return reference.sigmoid(x)


def sigmoid_backward(dy: Array, y: Array, **attrs: Any) -> Array:
    """Return dx."""
    return reference.sigmoid_backward(dy, y)


def tanh_forward(x: Array, **attrs: Any) -> Array:
    """Return y, shaped as x."""
    return reference.tanh(x)


def tanh_backward(dy: Array, y: Array, **attrs: Any) -> Array:
    """Return dx."""
    return reference.tanh_backward(dy, y)


def identity_forward(x: Array, **attrs: Any) -> Array:
    """Return y, a copy of x."""
    return reference.identity(x)


def identity_backward(dy: Array, **attrs: Any) -> Array:
    """Return dx, a copy of dy."""
    return dy.copy()
