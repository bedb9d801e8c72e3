"""Smooth activations: sigmoid, tanh, softplus; on arrays of any shape, elementwise."""

from ._arrays import Array
from .elementwise import backward, bind_backward, bind_forward, forward
from .elementwise_block import SIGMOID, SOFTPLUS, TANH


def sigmoid(x: Array, *, out: Array | None = None) -> Array:
    """Logistic function: ``1 / (1 + exp(-x))``, stable on both sides, within 3 ulp; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or `out` does not fit.
    """
    return forward("sigmoid", SIGMOID, x, out)


def sigmoid_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `sigmoid` from its output: ``dy * y * (1 - y)``.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    y : ndarray, shape and dtype of dy
        The output of the forward function.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `y`.

    Returns
    -------
    ndarray, shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    return backward("sigmoid_backward", SIGMOID, dy, y, out)


def tanh(x: Array, *, out: Array | None = None) -> Array:
    """Hyperbolic tangent, within 3 ulp; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or `out` does not fit.
    """
    return forward("tanh", TANH, x, out)


def tanh_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `tanh` from its output: ``dy * (1 - y**2)``.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    y : ndarray, shape and dtype of dy
        The output of the forward function.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `y`.

    Returns
    -------
    ndarray, shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    return backward("tanh_backward", TANH, dy, y, out)


def softplus(x: Array, *, out: Array | None = None) -> Array:
    """``log(1 + exp(x))``, computed as ``max(x, 0) + log1p(exp(-abs(x)))``, within 3 ulp; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or `out` does not fit.
    """
    return forward("softplus", SOFTPLUS, x, out)


def softplus_backward(dy: Array, x: Array, *, out: Array | None = None) -> Array:
    """Gradient of `softplus` from its input: ``dy * sigmoid(x)``.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    x : ndarray, shape and dtype of dy
        The input of the forward function.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `x`.

    Returns
    -------
    ndarray, shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    return backward("softplus_backward", SOFTPLUS, dy, x, out, v_name="x")


bind_forward(sigmoid, SIGMOID)
bind_forward(tanh, TANH)
bind_forward(softplus, SOFTPLUS)
bind_backward(sigmoid_backward, SIGMOID)
bind_backward(tanh_backward, TANH)
bind_backward(softplus_backward, SOFTPLUS, "x")
