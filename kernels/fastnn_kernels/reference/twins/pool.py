"""Pooling on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array
from . import Shapes


def max_pool2d_forward(
    x: Array, *, kernel_size: Any, stride: Any, padding: Any, **attrs: Any
) -> tuple[Array, Array]:
    """Return y and argmax, both (N, C, OH, OW)."""
    return reference.max_pool2d(x, kernel_size, stride=stride, padding=padding)


def max_pool2d_backward(dy: Array, argmax: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    return reference.max_pool2d_backward(dy, argmax, (len(dy), c, height, width))
