"""Smooth activations, one element at a time.

The gradients of sigmoid and tanh are written with the output y, that of softplus with the input x. All take arrays
of any shape (N, ...); `out` may be the input itself.
"""

import numpy as np

from .._checks import Array, same_shape
from ._result import result


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), written so that no exp overflows."""
    e = np.exp(-np.abs(x))
    value: Array = np.where(x < 0, e, np.ones_like(e)) / (1 + e)
    return value


def sigmoid(x: Array, *, out: Array | None = None) -> Array:
    """Return 1 / (1 + exp(-x)).

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("sigmoid", logistic(x), out, x, in_place=True)


def sigmoid_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return dy * y * (1 - y).

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, or `out` does not fit.
    """
    same_shape("sigmoid_backward", dy=dy.shape, y=y.shape)
    return result("sigmoid_backward", dy * (y * (1 - y)), out, dy, y, in_place=True)


def tanh(x: Array, *, out: Array | None = None) -> Array:
    """Return the hyperbolic tangent.

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("tanh", np.tanh(x), out, x, in_place=True)


def tanh_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return dy * (1 - y * y); as a product of two factors it is exact also where y is almost 1.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, or `out` does not fit.
    """
    same_shape("tanh_backward", dy=dy.shape, y=y.shape)
    return result("tanh_backward", dy * ((1 - y) * (1 + y)), out, dy, y, in_place=True)


def softplus(x: Array, *, out: Array | None = None) -> Array:
    """Return log(1 + exp(x)), written so that no exp overflows and no small one is lost beside the 1.

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    value = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return result("softplus", value, out, x, in_place=True)


def softplus_backward(dy: Array, x: Array, *, out: Array | None = None) -> Array:
    """Return dy * sigmoid(x).

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `x` differ, or `out` does not fit.
    """
    same_shape("softplus_backward", dy=dy.shape, x=x.shape)
    return result("softplus_backward", dy * logistic(x), out, dy, x, in_place=True)
