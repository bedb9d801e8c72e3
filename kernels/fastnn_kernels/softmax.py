"""Softmax over the class axis (axis 1) of (N, C, ...) arrays."""

from math import prod

import numpy as np

from . import _checks as check
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entries, prange
from ._public import check_floats, flat, inside, output
from .layout import gather_block, lane_samples, scatter_block
from .simd import lanes
from .softmax_block import softmax_backward_block, softmax_block


def _softmax_entry(workers, x, y, n, channels, pixels):
    L = lanes(x)
    size = channels * pixels
    for b in prange(-(-n // L)):
        m = np.empty(2 * size * L, x.dtype)
        samples = np.empty(L, np.int64)
        valid = lane_samples(samples, b * L, n)
        gather_block(x, size, samples, 0, m, 0)
        softmax_block(m, 0, pixels * L, m, size * L, pixels * L, channels, pixels)
        scatter_block(m, size * L, size, valid, y, b * L * size)


def _softmax_backward_entry(workers, dy, y, dx, n, channels, pixels):
    L = lanes(y)
    size = channels * pixels
    for b in prange(-(-n // L)):
        m = np.empty(3 * size * L, y.dtype)
        samples = np.empty(L, np.int64)
        valid = lane_samples(samples, b * L, n)
        gather_block(dy, size, samples, 0, m, 0)
        gather_block(y, size, samples, 0, m, size * L)
        softmax_backward_block(m, 0, pixels * L, m, size * L, pixels * L, m, 2 * size * L, pixels * L, channels, pixels)
        scatter_block(m, 2 * size * L, size, valid, dx, b * L * size)


_forward, _backward = entries(_softmax_entry), entries(_softmax_backward_entry)


def softmax(x: Array, *, out: Array | None = None) -> Array:
    """``exp(x) / sum(exp(x))`` over axis 1, the largest subtracted first.

    Parameters
    ----------
    x : (N, C, ...) float32 or float64
    out : shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    (N, C, ...), dtype of x
        Sums to one over axis 1.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array of two axes or more, or `out` does not fit.
    """
    source = check.float_array("softmax", "x", x)
    check.batch("softmax", "x", source.shape, 2)
    y = check.out_array("softmax", out, source.shape, source.dtype, inputs=(x,), in_place=True)
    n, channels = source.shape[:2]
    workers = _threads.workers_for(n, 30 * source.size)
    _threads.launch(_forward, workers, flat_alias(source), y.reshape(-1), n, channels,
                    prod(source.shape[2:]))
    return y


def softmax_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `softmax` from its output: ``y * (dy - sum(y * dy))``, the sum over axis 1.

    Parameters
    ----------
    dy, y : (N, C, ...) float32 or float64
        Gradient of the output, and the output.
    out : shape and dtype of y, optional
        Where to write; may be `dy` or `y`.

    Returns
    -------
    (N, C, ...), dtype of y

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    name = "softmax_backward"
    gradient, value = check.float_array(name, "dy", dy), check.float_array(name, "y", y)
    check.same_dtype(name, dy=gradient, y=value)
    check.batch(name, "y", value.shape, 2)
    check.same_shape(name, dy=gradient.shape, y=value.shape)
    dx = check.out_array(name, out, value.shape, value.dtype, inputs=(dy, y), in_place=True)
    n, channels = value.shape[:2]
    workers = _threads.workers_for(n, 10 * value.size)
    _threads.launch(_backward, workers, flat_alias(gradient), flat_alias(value),
                    dx.reshape(-1), n, channels, prod(value.shape[2:]))
    return dx


_forward_serial, _backward_serial = _forward[0], _backward[0]


@inside(softmax)
def _softmax_inside(x, out=None):
    check_floats("softmax", x)

    def call(x, out=None):
        y = output(out, x.shape, x)
        n, channels = x.shape[0], x.shape[1]
        _forward_serial(1, flat(x), y.reshape(-1), n, channels, x.size // max(1, n * channels))
        return y

    return call


@inside(softmax_backward)
def _softmax_backward_inside(dy, y, out=None):
    check_floats("softmax_backward", dy, y)

    def call(dy, y, out=None):
        if dy.shape != y.shape:
            raise ValueError("softmax_backward: dy and y have different shapes")
        dx = output(out, y.shape, y)
        n, channels = y.shape[0], y.shape[1]
        _backward_serial(1, flat(dy), flat(y), dx.reshape(-1), n, channels, y.size // max(1, n * channels))
        return dx

    return call
