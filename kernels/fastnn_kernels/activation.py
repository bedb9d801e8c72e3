"""Identity and the activations with a kink: step, relu, leaky_relu, elu; on arrays of any shape, elementwise."""

from ._arrays import Array
from ._options import number
from ._public import check_floats, inside
from .elementwise import backward, backward_inside, bind_backward, bind_forward, forward, forward_inside
from .elementwise_block import ELU, IDENTITY, LEAKY_RELU, RELU, STEP


def identity(x: Array, *, out: Array | None = None) -> Array:
    """Return a copy of x.

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
    return forward("identity", IDENTITY, x, out)


def identity_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `identity`: a copy of dy.

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
    return backward("identity_backward", IDENTITY, dy, y, out)


def step(x: Array, *, out: Array | None = None) -> Array:
    """Heaviside step: 1 where ``x > 0``, else 0, also at 0; NaN where x is NaN.

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
    return forward("step", STEP, x, out)


def step_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `step`: 0 everywhere, whatever dy and y hold, as of a function constant but for its jump.

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
    return backward("step_backward", STEP, dy, y, out)


def relu(x: Array, *, out: Array | None = None) -> Array:
    """Rectified linear unit: ``max(x, 0)``.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x
        NaN where x is NaN.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or `out` does not fit.
    """
    return forward("relu", RELU, x, out)


def relu_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `relu`: dy where ``y > 0``, 0 elsewhere, also at 0; dy where y is NaN, as in PyTorch.

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
    return backward("relu_backward", RELU, dy, y, out)


def leaky_relu(x: Array, *, negative_slope: float = 0.01, out: Array | None = None) -> Array:
    """Leaky rectified linear unit: x where ``x > 0``, else ``negative_slope * x``; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    negative_slope : float, default 0.01
        At least 0, so that y has the sign of x.
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, `out` does not fit, or `negative_slope` is no finite number of at least 0.
    """
    slope = float(number("leaky_relu: negative_slope", negative_slope))
    return forward("leaky_relu", LEAKY_RELU, x, out, slope)


def leaky_relu_backward(dy: Array, y: Array, *, negative_slope: float = 0.01, out: Array | None = None) -> Array:
    """Gradient of `leaky_relu`: dy where ``y > 0``, else ``negative_slope * dy``, also at 0 and where y is NaN.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    y : ndarray, shape and dtype of dy
        The output of the forward function.
    negative_slope : float, default 0.01
        As in the forward function.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `y`.

    Returns
    -------
    ndarray, shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, `out` does not fit, or `negative_slope` is no finite number of at least 0.
    """
    slope = float(number("leaky_relu_backward: negative_slope", negative_slope))
    return backward("leaky_relu_backward", LEAKY_RELU, dy, y, out, slope)


def elu(x: Array, *, alpha: float = 1.0, out: Array | None = None) -> Array:
    """Exponential linear unit: x where ``x > 0``, else ``alpha * (exp(x) - 1)``, within 3 ulp; NaN where x is NaN.

    Parameters
    ----------
    x : ndarray, float32 or float64, any shape
    alpha : float, default 1.0
        Minus the limit at -inf; at least 0, so that y has the sign of x.
    out : ndarray, shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    ndarray, shape and dtype of x

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, `out` does not fit, or `alpha` is no finite number of at least 0.
    """
    scale = float(number("elu: alpha", alpha))
    return forward("elu", ELU, x, out, scale)


def elu_backward(dy: Array, y: Array, *, alpha: float = 1.0, out: Array | None = None) -> Array:
    """Gradient of `elu`: dy where ``y > 0``, else ``dy * (y + alpha)``; NaN where y is NaN.

    Parameters
    ----------
    dy : ndarray, float32 or float64, any shape
        Gradient of the output.
    y : ndarray, shape and dtype of dy
        The output of the forward function.
    alpha : float, default 1.0
        As in the forward function.
    out : ndarray, shape and dtype of dy, optional
        Where to write; may be `dy` or `y`.

    Returns
    -------
    ndarray, shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, `out` does not fit, or `alpha` is no finite number of at least 0.
    """
    scale = float(number("elu_backward: alpha", alpha))
    return backward("elu_backward", ELU, dy, y, out, scale)


for _pair in ((identity, identity_backward, IDENTITY), (step, step_backward, STEP), (relu, relu_backward, RELU)):
    bind_forward(_pair[0], _pair[2])
    bind_backward(_pair[1], _pair[2])


@inside(leaky_relu)
def _leaky_relu_inside(x, negative_slope=0.01, out=None):
    check_floats("leaky_relu", x)
    run = forward_inside("leaky_relu", LEAKY_RELU, "negative_slope")
    return lambda x, negative_slope=0.01, out=None: run(x, out, negative_slope)


@inside(leaky_relu_backward)
def _leaky_relu_backward_inside(dy, y, negative_slope=0.01, out=None):
    check_floats("leaky_relu_backward", dy, y)
    run = backward_inside("leaky_relu_backward", LEAKY_RELU, "negative_slope")
    return lambda dy, y, negative_slope=0.01, out=None: run(dy, y, out, negative_slope)


@inside(elu)
def _elu_inside(x, alpha=1.0, out=None):
    check_floats("elu", x)
    run = forward_inside("elu", ELU, "alpha")
    return lambda x, alpha=1.0, out=None: run(x, out, alpha)


@inside(elu_backward)
def _elu_backward_inside(dy, y, alpha=1.0, out=None):
    check_floats("elu_backward", dy, y)
    run = backward_inside("elu_backward", ELU, "alpha")
    return lambda dy, y, alpha=1.0, out=None: run(dy, y, out, alpha)
