"""Softmax and its logarithm over the class axis, axis 1 of (N, C, ...)."""

import numpy as np

from .._checks import Array, batch, same_shape
from ._result import result


def softmax(x: Array, *, out: Array | None = None) -> Array:
    """Return exp(x) / sum of exp(x) over axis 1; the maximum is subtracted first: no exp overflows.

    Raises
    ------
    TypeError, ValueError
        If `x` has fewer than two axes, another than the first has size 0, or `out` does not fit.
    """
    batch("softmax", "x", x.shape, 2)
    with np.errstate(invalid="ignore"):  # inf - inf: the sample becomes NaN, as in PyTorch
        e = np.exp(x - x.max(axis=1, keepdims=True))
    return result("softmax", e / e.sum(axis=1, keepdims=True), out, x, in_place=True)


def softmax_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return y * (dy - sum of dy * y over axis 1), with y the output of `softmax`.

    Raises
    ------
    TypeError, ValueError
        If `dy` has fewer than two axes, another than the first has size 0, the shapes of `dy` and `y` differ, or `out`
        does not fit.
    """
    batch("softmax_backward", "dy", dy.shape, 2)
    same_shape("softmax_backward", dy=dy.shape, y=y.shape)
    dx = y * (dy - (dy * y).sum(axis=1, keepdims=True, dtype=dy.dtype))
    return result("softmax_backward", dx, out, dy, y, in_place=True)


def log_softmax(x: Array, *, out: Array | None = None) -> Array:
    """Return the logarithm of softmax over axis 1, without taking the logarithm of a small exp.

    Raises
    ------
    TypeError, ValueError
        If `x` has fewer than two axes, another than the first has size 0, or `out` does not fit.
    """
    batch("log_softmax", "x", x.shape, 2)
    with np.errstate(invalid="ignore"):  # inf - inf: the sample becomes NaN, as in PyTorch
        shifted = x - x.max(axis=1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result("log_softmax", y, out, x, in_place=True)


def log_softmax_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return dy - exp(y) * sum of dy over axis 1, with y the output of `log_softmax`: exp(y) is the softmax.

    Raises
    ------
    TypeError, ValueError
        If `dy` has fewer than two axes, another than the first has size 0, the shapes of `dy` and `y` differ, or `out`
        does not fit.
    """
    batch("log_softmax_backward", "dy", dy.shape, 2)
    same_shape("log_softmax_backward", dy=dy.shape, y=y.shape)
    dx = dy - np.exp(y) * dy.sum(axis=1, keepdims=True, dtype=dy.dtype)
    return result("log_softmax_backward", dx, out, dy, y, in_place=True)
