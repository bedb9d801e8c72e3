"""Activations on arrays of any shape, elementwise."""

import functools

from . import _checks as check
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entries, prange
from ._options import number
from ._public import check_floats, flat, inside, output
from .elementwise_block import (
    IDENTITY,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    TANH,
    activation_backward_flat,
    activation_flat,
)

# Elements of one parallel task, a multiple of every lane count.
_CHUNK = 16_384


@functools.cache
def _forward_entries(kind):
    def activation_entry(workers, x, y, slope):
        for c in prange(-(-x.size // _CHUNK)):
            activation_flat(kind, x, y, c * _CHUNK, min(x.size, (c + 1) * _CHUNK), slope)

    return entries(activation_entry)


@functools.cache
def _backward_entries(kind):
    def activation_backward_entry(workers, dy, y, dx, slope):
        for c in prange(-(-y.size // _CHUNK)):
            activation_backward_flat(kind, dy, y, dx, c * _CHUNK, min(y.size, (c + 1) * _CHUNK), slope)

    return entries(activation_backward_entry)


def _forward(name: str, kind: int, x: Array, out: Array | None, slope: float = 0.0) -> Array:
    source = check.float_array(name, "x", x)
    y = check.out_array(name, out, source.shape, source.dtype, inputs=(x,), in_place=True)
    workers = _threads.workers_for(-(-source.size // _CHUNK), 8 * source.size)
    _threads.launch(_forward_entries(kind), workers, flat_alias(source), y.reshape(-1), slope)
    return y


def _backward(name: str, kind: int, dy: Array, y: Array, out: Array | None, slope: float = 0.0) -> Array:
    gradient, value = check.float_array(name, "dy", dy), check.float_array(name, "y", y)
    check.same_dtype(name, dy=gradient, y=value)
    check.same_shape(name, dy=gradient.shape, y=value.shape)
    dx = check.out_array(name, out, value.shape, value.dtype, inputs=(dy, y), in_place=True)
    workers = _threads.workers_for(-(-value.size // _CHUNK), 8 * value.size)
    arrays = (flat_alias(gradient), flat_alias(value), dx.reshape(-1))
    _threads.launch(_backward_entries(kind), workers, *arrays, slope)
    return dx


def relu(x: Array, *, out: Array | None = None) -> Array:
    """Rectified linear unit, ``max(x, 0)``.

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
    return _forward("relu", RELU, x, out)


def relu_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `relu` from its output: dy where y > 0, else 0 (also at 0). Arguments as in `sigmoid_backward`."""
    return _backward("relu_backward", RELU, dy, y, out)


def leaky_relu(x: Array, *, negative_slope: float = 0.01, out: Array | None = None) -> Array:
    """Leaky rectified linear unit: x where x > 0, else ``negative_slope * x``; ``negative_slope >= 0``.

    Parameters and errors otherwise as in `relu`.
    """
    slope = number("leaky_relu: negative_slope", negative_slope)
    return _forward("leaky_relu", LEAKY_RELU, x, out, slope)


def leaky_relu_backward(dy: Array, y: Array, *, negative_slope: float = 0.01, out: Array | None = None) -> Array:
    """Gradient of `leaky_relu` from its output. Arguments otherwise as in `sigmoid_backward`."""
    slope = number("leaky_relu_backward: negative_slope", negative_slope)
    return _backward("leaky_relu_backward", LEAKY_RELU, dy, y, out, slope)


def sigmoid(x: Array, *, out: Array | None = None) -> Array:
    """Logistic function ``1 / (1 + exp(-x))``, stable on both sides. Arguments as in `relu`."""
    return _forward("sigmoid", SIGMOID, x, out)


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
    return _backward("sigmoid_backward", SIGMOID, dy, y, out)


def tanh(x: Array, *, out: Array | None = None) -> Array:
    """Hyperbolic tangent. Arguments as in `relu`."""
    return _forward("tanh", TANH, x, out)


def tanh_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `tanh` from its output: ``dy * (1 - y**2)``. Arguments as in `sigmoid_backward`."""
    return _backward("tanh_backward", TANH, dy, y, out)


def identity(x: Array, *, out: Array | None = None) -> Array:
    """Return a copy of x. Arguments as in `relu`."""
    return _forward("identity", IDENTITY, x, out)


def identity_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Return a copy of dy. Arguments as in `sigmoid_backward`."""
    return _backward("identity_backward", IDENTITY, dy, y, out)


def _bind(forward, backward, kind):
    """Bind a pair of activations for compiled callers; their entries are made when one is compiled."""
    if kind == LEAKY_RELU:

        @inside(forward)
        def _(x, negative_slope=0.01, out=None):
            check_floats("leaky_relu", x)
            serial, _ = _forward_entries(kind)

            def call(x, negative_slope=0.01, out=None):
                if not negative_slope >= 0:
                    raise ValueError("leaky_relu: negative_slope must be at least 0")
                y = output(out, x.shape, x)
                serial(1, flat(x), y.reshape(-1), float(negative_slope))
                return y

            return call

        @inside(backward)
        def _(dy, y, negative_slope=0.01, out=None):
            check_floats("leaky_relu_backward", dy, y)
            serial, _ = _backward_entries(kind)

            def call(dy, y, negative_slope=0.01, out=None):
                if dy.shape != y.shape:
                    raise ValueError("dy and y have different shapes")
                if not negative_slope >= 0:
                    raise ValueError("leaky_relu_backward: negative_slope must be at least 0")
                dx = output(out, y.shape, y)
                serial(1, flat(dy), flat(y), dx.reshape(-1), float(negative_slope))
                return dx

            return call

        return

    @inside(forward)
    def _(x, out=None):
        check_floats(forward.__name__, x)
        serial, _ = _forward_entries(kind)

        def call(x, out=None):
            y = output(out, x.shape, x)
            serial(1, flat(x), y.reshape(-1), 0.0)
            return y

        return call

    @inside(backward)
    def _(dy, y, out=None):
        check_floats(backward.__name__, dy, y)
        serial, _ = _backward_entries(kind)

        def call(dy, y, out=None):
            if dy.shape != y.shape:
                raise ValueError("dy and y have different shapes")
            dx = output(out, y.shape, y)
            serial(1, flat(dy), flat(y), dx.reshape(-1), 0.0)
            return dx

        return call


for _pair in (
    (relu, relu_backward, RELU),
    (leaky_relu, leaky_relu_backward, LEAKY_RELU),
    (sigmoid, sigmoid_backward, SIGMOID),
    (tanh, tanh_backward, TANH),
    (identity, identity_backward, IDENTITY),
):
    _bind(*_pair)
