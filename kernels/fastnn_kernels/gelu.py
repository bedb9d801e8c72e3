"""Activations that let x through by a share of it: gelu and silu; on arrays of any shape, elementwise."""

from typing import Any

from ._arrays import Array
from ._jit import kernel
from ._options import choice
from ._public import check_floats, inside, literal_value
from .elementwise import backward, backward_inside, bind_backward, bind_forward, forward, forward_inside
from .elementwise_block import GELUS, SILU


def _gelu(function: str, approximate: Any) -> int:
    return GELUS[choice(f"{function}: approximate", approximate, tuple(GELUS))]


def gelu(x: Array, *, approximate: str = "none", out: Array | None = None) -> Array:
    """Gaussian error linear unit: ``x * Phi(x)``, Phi the normal distribution; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    approximate : {"none", "tanh"}, default "none"
        "tanh": ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``, the form of D. Hendrycks and K. Gimpel,
        "Gaussian error linear units (GELUs)", arXiv:1606.08415, section 2.
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x
        Within 3 ulp in both forms, also where x is far below 0; -0 at -inf, where PyTorch gives NaN.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, `out` does not fit, or `approximate` is none of the two.
    """
    return forward("gelu", _gelu("gelu", approximate), x, out)


def gelu_backward(dy: Array, x: Array, *, approximate: str = "none", out: Array | None = None) -> Array:
    """Gradient of `gelu` from its input: ``dy * (Phi(x) + x * phi(x))``, phi the normal density.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    x : ndarray, shape and dtype of dy
        The input of the forward function.
    approximate : {"none", "tanh"}, default "none"
        As in the forward function; "tanh" takes the gradient of that form.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `x`.

    Returns
    -------
    ndarray, shape and dtype of dy
        0 where x is -inf and dy where it is inf, NaN in PyTorch.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, `out` does not fit, or `approximate` is none of the two.
    """
    return backward("gelu_backward", _gelu("gelu_backward", approximate), dy, x, out, v_name="x")


def silu(x: Array, *, out: Array | None = None) -> Array:
    """Sigmoid linear unit (swish): ``x / (1 + exp(-x))``; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x
        Within 3 ulp, also where x is far below 0; -0 at -inf, where PyTorch gives NaN.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or `out` does not fit.
    """
    return forward("silu", SILU, x, out)


def silu_backward(dy: Array, x: Array, *, out: Array | None = None) -> Array:
    """Gradient of `silu` from its input: ``dy * s * (1 + x * (1 - s))`` with ``s = sigmoid(x)``.

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
        0 where x is -inf and dy where it is inf, NaN in PyTorch.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    return backward("silu_backward", SILU, dy, x, out, v_name="x")


bind_forward(silu, SILU)
bind_backward(silu_backward, SILU, "x")


def _runs(make, function, approximate):
    """Return what `make` makes of the form that a compiled caller names, or of both where a variable names it."""
    name = literal_value(approximate)
    return [make(function, kind) for form, kind in GELUS.items() if name == form or name not in GELUS]


@kernel
def _is_tanh(approximate):
    if approximate != "none" and approximate != "tanh":
        raise ValueError("gelu: approximate must be 'none' or 'tanh'")
    return approximate == "tanh"


@inside(gelu, literal=True)
def _gelu_inside(x, approximate="none", out=None):
    check_floats("gelu", x)
    run, *other = _runs(forward_inside, "gelu", approximate)
    if not other:
        return lambda x, approximate="none", out=None: run(x, out, 0.0)
    (by_tanh,) = other
    return lambda x, approximate="none", out=None: by_tanh(x, out, 0.0) if _is_tanh(approximate) else run(x, out, 0.0)


@inside(gelu_backward, literal=True)
def _gelu_backward_inside(dy, x, approximate="none", out=None):
    check_floats("gelu_backward", dy, x)
    run, *other = _runs(backward_inside, "gelu_backward", approximate)
    if not other:
        return lambda dy, x, approximate="none", out=None: run(dy, x, out, 0.0)
    (by_tanh,) = other

    def call(dy, x, approximate="none", out=None):
        return by_tanh(dy, x, out, 0.0) if _is_tanh(approximate) else run(dy, x, out, 0.0)

    return call
