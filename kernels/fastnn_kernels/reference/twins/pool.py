"""Pooling on the tape, in terms of the public twins."""

from typing import Any

import numpy as np

from ... import reference
from ..._checks import Array
from . import Shapes


def sides(padding: Any) -> Any:
    """Return the padding of a row, (h, w) or (top, bottom, left, right), as the public functions take it."""
    return (tuple(padding[:2]), tuple(padding[2:])) if len(padding) == 4 else tuple(padding)


def max_pool2d_forward(
    x: Array, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1, ceil_mode: bool = False,
    relu: bool = False, **attrs: Any,
) -> tuple[Array, Array]:
    """Return y and argmax, both (N, C, OH, OW); with `relu` that of y, and -1 where it has no gradient."""
    options = {"padding": sides(padding), "dilation": dilation, "ceil_mode": ceil_mode}
    y, argmax = reference.max_pool2d(x, kernel_size, stride=stride, **options)
    return (reference.relu(y), np.where(y <= 0, -1, argmax)) if relu else (y, argmax)


def max_pool2d_backward(dy: Array, argmax: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    won = argmax >= 0
    return reference.max_pool2d_backward(np.where(won, dy, 0), np.where(won, argmax, 0), (len(dy), c, height, width))


def avg_pool2d_forward(
    x: Array, *, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool = False,
    count_include_pad: bool = True, **attrs: Any,
) -> Array:
    """Return y (N, C, OH, OW)."""
    options = {"padding": sides(padding), "ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    return reference.avg_pool2d(x, kernel_size, stride=stride, **options)


def avg_pool2d_backward(
    dy: Array, *, kernel_size: Any, stride: Any, padding: Any, shapes: Shapes, ceil_mode: bool = False,
    count_include_pad: bool = True, **attrs: Any,
) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    options = {"padding": sides(padding), "ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
    return reference.avg_pool2d_backward(dy, (len(dy), c, height, width), kernel_size, stride=stride, **options)


def global_avg_pool2d_forward(x: Array, **attrs: Any) -> Array:
    """Return y (N, C)."""
    return reference.global_avg_pool2d(x)


def global_avg_pool2d_backward(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    return reference.global_avg_pool2d_backward(dy, (len(dy), c, height, width))


def adaptive_avg_pool2d_forward(x: Array, *, output_size: Any, **attrs: Any) -> Array:
    """Return y (N, C, OH, OW)."""
    return reference.adaptive_avg_pool2d(x, output_size)


def adaptive_avg_pool2d_backward(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    return reference.adaptive_avg_pool2d_backward(dy, (len(dy), c, height, width))
