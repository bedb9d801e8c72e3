"""gelu and silu: x times a share between 0 and 1 that grows with x. Their gradients are written with the input x.

All take arrays of any shape (N, ...); `out` may be the input itself. Where the share, or the density, is 0 the product
is taken to be 0 at inf and -inf as well: that is its limit.
"""

from math import erfc, pi, sqrt

import numpy as np

from .. import _options as options
from .._checks import Array, same_shape
from ._result import result
from .activation_smooth import logistic

FORMS = ("none", "tanh")


def _times(x: Array, share: Array) -> Array:
    """Return x * share, and 0 with the sign of x where share is 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        product: Array = np.where(share == 0, np.copysign(share, x), x * share)
    return product


def _normal(x: Array) -> Array:
    """Return Phi(x), the share of a normal distribution below x."""
    return np.array([0.5 * erfc(-float(value) / sqrt(2)) for value in x.flat], x.dtype).reshape(x.shape)


def _density(x: Array) -> Array:
    """Return phi(x), the density of the normal distribution: the derivative of Phi."""
    with np.errstate(over="ignore"):
        density: Array = np.exp(-0.5 * x * x) / sqrt(2 * pi)
    return density


def _inner(x: Array) -> tuple[Array, Array]:
    """Return 2 * sqrt(2 / pi) * (x + 0.044715 * x**3), and its derivative; 1 + tanh(u) is 2 * sigmoid(2 * u)."""
    a = 2 * sqrt(2 / pi)
    with np.errstate(over="ignore"):
        return a * (x + 0.044715 * x * x * x), a * (1 + 3 * 0.044715 * x * x)


def gelu(x: Array, *, approximate: str = "none", out: Array | None = None) -> Array:
    """Return x * Phi(x), or with "tanh" x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))).

    Raises
    ------
    TypeError, ValueError
        If `approximate` is neither "none" nor "tanh", or `out` does not fit.
    """
    form = options.choice("gelu: approximate", approximate, FORMS)
    share = _normal(x) if form == "none" else logistic(_inner(x)[0])
    return result("gelu", _times(x, share), out, x, in_place=True)


def gelu_backward(dy: Array, x: Array, *, approximate: str = "none", out: Array | None = None) -> Array:
    """Return dy * (Phi(x) + x * phi(x)), or the gradient of the form with tanh.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `x` differ, `approximate` is neither "none" nor "tanh", or `out` does not fit.
    """
    same_shape("gelu_backward", dy=dy.shape, x=x.shape)
    if options.choice("gelu_backward: approximate", approximate, FORMS) == "none":
        derivative = _normal(x) + _times(x, _density(x))
    else:
        inner, d_inner = _inner(x)
        share = logistic(inner)
        derivative = share + _times(x * d_inner, share * (1 - share))
    return result("gelu_backward", dy * derivative, out, dy, x, in_place=True)


def silu(x: Array, *, out: Array | None = None) -> Array:
    """Return x * sigmoid(x).

    Raises
    ------
    TypeError, ValueError
        If `out` does not fit.
    """
    return result("silu", _times(x, logistic(x)), out, x, in_place=True)


def silu_backward(dy: Array, x: Array, *, out: Array | None = None) -> Array:
    """Return dy * (s + x * s * (1 - s)) with s = sigmoid(x), whose derivative is s * (1 - s).

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `x` differ, or `out` does not fit.
    """
    same_shape("silu_backward", dy=dy.shape, x=x.shape)
    share = logistic(x)
    derivative = share + _times(x, share * (1 - share))
    return result("silu_backward", dy * derivative, out, dy, x, in_place=True)
