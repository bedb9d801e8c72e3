"""The identity and activations with a kink, one element at a time.

Each backward function returns dy times the derivative, written with the output y, so that the input need not be
kept. All take arrays of any shape (N, ...); `out` may be the input itself.
"""

import numpy as np

from .. import _options as options
from .._checks import Array, same_shape
from ._result import result


def identity(x: Array, *, out: Array | None = None) -> Array:
    """Return a copy of x.

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("identity", x.copy(), out, x, in_place=True)


def identity_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return a copy of dy: the derivative is 1.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, or `out` does not fit.
    """
    same_shape("identity_backward", dy=dy.shape, y=y.shape)
    return result("identity_backward", dy.copy(), out, dy, y, in_place=True)


def step(x: Array, *, out: Array | None = None) -> Array:
    """Return 1 where x > 0 and 0 elsewhere, also at 0; NaN stays NaN.

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("step", np.heaviside(x, 0).astype(x.dtype), out, x, in_place=True)


def step_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return 0: the derivative is 0 everywhere but at the jump, where there is none.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, or `out` does not fit.
    """
    same_shape("step_backward", dy=dy.shape, y=y.shape)
    return result("step_backward", np.zeros_like(dy), out, dy, y, in_place=True)


def relu(x: Array, *, out: Array | None = None) -> Array:
    """Return max(x, 0); NaN stays NaN.

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("relu", np.maximum(x, 0), out, x, in_place=True)


def relu_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return dy where y > 0 (or y is NaN, as in PyTorch) and 0 elsewhere: the derivative at 0 is 0.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, or `out` does not fit.
    """
    same_shape("relu_backward", dy=dy.shape, y=y.shape)
    dx = np.where(y <= 0, np.zeros_like(dy), dy)
    return result("relu_backward", dx, out, dy, y, in_place=True)


def leaky_relu(x: Array, *, negative_slope: float = 0.01, out: Array | None = None) -> Array:
    """Return x where x > 0 and negative_slope * x elsewhere; negative_slope >= 0.

    Raises
    ------
    TypeError, ValueError
        If `negative_slope` is no number of at least 0, or `out` does not fit.
    """
    slope = options.number("leaky_relu: negative_slope", negative_slope)
    return result("leaky_relu", np.where(x > 0, x, slope * x), out, x, in_place=True)


def leaky_relu_backward(
    dy: Array, y: Array, *, negative_slope: float = 0.01, out: Array | None = None
) -> Array:
    """Return dy where y > 0 and negative_slope * dy elsewhere; y has the sign of x as negative_slope >= 0.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, `negative_slope` is no number of at least 0, or `out` does not fit.
    """
    same_shape("leaky_relu_backward", dy=dy.shape, y=y.shape)
    slope = options.number("leaky_relu_backward: negative_slope", negative_slope)
    return result("leaky_relu_backward", np.where(y > 0, dy, slope * dy), out, dy, y, in_place=True)


def elu(x: Array, *, alpha: float = 1.0, out: Array | None = None) -> Array:
    """Return x where x > 0 and alpha * (exp(x) - 1) elsewhere; alpha >= 0.

    Raises
    ------
    TypeError, ValueError
        If `alpha` is no number of at least 0, or `out` does not fit.
    """
    scale = options.number("elu: alpha", alpha)
    below = scale * np.expm1(np.where(x > 0, 0, x))  # accurate near 0, where exp(x) - 1 would cancel
    return result("elu", np.where(x > 0, x, below), out, x, in_place=True)


def elu_backward(dy: Array, y: Array, *, alpha: float = 1.0, out: Array | None = None) -> Array:
    """Return dy where y > 0 and dy * (y + alpha) elsewhere: alpha * exp(x) is y + alpha.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `y` differ, `alpha` is no number of at least 0, or `out` does not fit.
    """
    same_shape("elu_backward", dy=dy.shape, y=y.shape)
    scale = options.number("elu_backward: alpha", alpha)
    return result("elu_backward", np.where(y > 0, dy, dy * (y + scale)), out, dy, y, in_place=True)
