"""The ops of the tape in terms of the public twins: `<op>_<kernel>` for each kernel of the registry.

Each takes plain (N, ...) arrays by operand name (None: absent) and the row's attributes, of which it uses
what it needs. `shapes` holds the shapes of one sample and of the parameters, as the forward row had them.
"""

from collections.abc import Mapping
from typing import Any

from .. import reference
from .._checks import Array

Shapes = Mapping[str, tuple[int, ...]]
Pads = tuple[int, int, int, int]


def _sides(padding: Pads) -> tuple[tuple[int, int], tuple[int, int]]:
    """Write (top, bottom, left, right) as the public kernels take it."""
    top, bottom, left, right = padding
    return (top, bottom), (left, right)


def conv2d_forward(x: Array, w: Array, b: Array | None, *, stride: Any, padding: Pads, **attrs: Any) -> Array:
    """Return y (N, C_out, OH, OW)."""
    return reference.conv2d(x, w, b, stride=stride, padding=_sides(padding))


def conv2d_backward_input(
    dy: Array, w: Array, *, shapes: Shapes, stride: Any, padding: Pads, **attrs: Any
) -> Array:
    """Return dx (N, C_in, H, W)."""
    x_shape = (len(dy), *shapes["x_shape"])
    return reference.conv2d_backward_input(dy, w, x_shape, stride=stride, padding=_sides(padding))


def conv2d_backward_weight(
    dy: Array, x: Array, *, shapes: Shapes, stride: Any, padding: Pads, **attrs: Any
) -> tuple[Array, Array]:
    """Return dw (C_out, C_in, KH, KW) and db (C_out,)."""
    dw = reference.conv2d_backward_weight(dy, x, shapes["w_shape"], stride=stride, padding=_sides(padding))
    return dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)


def max_pool2d_forward(
    x: Array, *, kernel_size: Any, stride: Any, padding: Any, **attrs: Any
) -> tuple[Array, Array]:
    """Return y and argmax, both (N, C, OH, OW)."""
    return reference.max_pool2d(x, kernel_size, stride=stride, padding=padding)


def max_pool2d_backward(dy: Array, argmax: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx (N, C, H, W)."""
    c, height, width = shapes["x_shape"]
    return reference.max_pool2d_backward(dy, argmax, (len(dy), c, height, width))


def dense_forward(x: Array, w: Array, b: Array | None, **attrs: Any) -> Array:
    """Return y (N, n_out)."""
    return reference.dense(x, w, b)


def dense_backward_input(dy: Array, w: Array, **attrs: Any) -> Array:
    """Return dx (N, n_in)."""
    return dy @ w.T


def dense_backward_weight(dy: Array, x: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return dw (n_in, n_out) and db (n_out,)."""
    return x.T @ dy, dy.sum(axis=0, dtype=dy.dtype)


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
    """Return dx, a copy of dy; also the gradient of each term of `add`."""
    return dy.copy()


def softmax_forward(x: Array, **attrs: Any) -> Array:
    """Return y, shaped as x: softmax over axis 1."""
    return reference.softmax(x)


def softmax_backward(dy: Array, y: Array, **attrs: Any) -> Array:
    """Return dx."""
    return reference.softmax_backward(dy, y)


def reshape_forward(x: Array, *, shape: tuple[int, ...], **attrs: Any) -> Array:
    """Return y (N, *shape)."""
    return x.reshape(len(x), *shape)


def reshape_backward(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx, shaped as x was."""
    return dy.reshape(len(dy), *shapes["x_shape"])


def add_forward(x: Array, z: Array, **attrs: Any) -> Array:
    """Return x + z."""
    return x + z


def softmax_cross_entropy_forward(prediction: Array, target: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return the loss of each sample (N,) and the gradient of their mean."""
    losses, d_prediction = reference.softmax_cross_entropy(prediction, target, reduction="none")
    return losses, d_prediction / len(prediction)


def sum_squared_error_forward(prediction: Array, target: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return the loss of each sample (N,) and the gradient of their mean."""
    losses, d_prediction = reference.sum_squared_error(prediction, target, reduction="none")
    return losses, d_prediction / len(prediction)
