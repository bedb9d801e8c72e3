"""Softmax and its logarithm over the class axis (axis 1) of (N, C, ...) arrays."""

import functools
from math import prod

import numpy as np
from numba.core.errors import TypingError

from . import _checks as check
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._public import ALONE, check_batch, check_floats, flat, inside, output
from .layout import gather_block, lane_samples, scatter_block
from .simd import lanes
from .softmax_block import log_softmax_backward_block, log_softmax_block, softmax_backward_block, softmax_block
from .team import share_out


@kernel
def _forward_lanes(b, log, x, y, n, channels, pixels):
    """Make the outputs of as many samples as a vector has lanes."""
    L = lanes(x)
    size = channels * pixels
    m = np.empty(2 * size * L, x.dtype)
    samples = np.empty(L, np.int64)
    valid = lane_samples(samples, b * L, n)
    gather_block(x, size, samples, 0, m, 0)
    if log:
        log_softmax_block(m, 0, pixels * L, m, size * L, pixels * L, channels, pixels)
    else:
        softmax_block(m, 0, pixels * L, m, size * L, pixels * L, channels, pixels)
    scatter_block(m, size * L, size, valid, y, b * L * size)


@kernel
def _backward_lanes(b, log, dy, y, dx, n, channels, pixels):
    L = lanes(y)
    size = channels * pixels
    stride = pixels * L
    m = np.empty(3 * size * L, y.dtype)
    samples = np.empty(L, np.int64)
    valid = lane_samples(samples, b * L, n)
    gather_block(dy, size, samples, 0, m, 0)
    gather_block(y, size, samples, 0, m, size * L)
    if log:
        log_softmax_backward_block(m, 0, stride, m, size * L, stride, m, 2 * size * L, stride, channels, pixels)
    else:
        softmax_backward_block(m, 0, stride, m, size * L, stride, m, 2 * size * L, stride, channels, pixels)
    scatter_block(m, 2 * size * L, size, valid, dx, b * L * size)


@functools.cache
def _forward_entry(log):
    def softmax_entry(team, x, y, n, channels, pixels):
        share_out(team, -(-n // lanes(x)), _forward_lanes, (log, x, y, n, channels, pixels))

    return entry(softmax_entry)


@functools.cache
def _backward_entry(log):
    def softmax_backward_entry(team, dy, y, dx, n, channels, pixels):
        share_out(team, -(-n // lanes(y)), _backward_lanes, (log, dy, y, dx, n, channels, pixels))

    return entry(softmax_backward_entry)


def _run_forward(name: str, log: bool, x: Array, out: Array | None) -> Array:
    source = check.float_array(name, "x", x)
    check.batch(name, "x", source.shape, 2)
    y = check.out_array(name, out, source.shape, source.dtype, inputs=(x,), in_place=True)
    n, channels = source.shape[:2]
    workers = _threads.workers_for(n, 30 * source.size)
    arrays = (flat_alias(source), y.reshape(-1))
    _threads.launch(_forward_entry(log), workers, *arrays, n, channels, prod(source.shape[2:]))
    return y


def _run_backward(name: str, log: bool, dy: Array, y: Array, out: Array | None) -> Array:
    gradient, value = check.float_array(name, "dy", dy), check.float_array(name, "y", y)
    check.same_dtype(name, dy=gradient, y=value)
    check.batch(name, "y", value.shape, 2)
    check.same_shape(name, dy=gradient.shape, y=value.shape)
    dx = check.out_array(name, out, value.shape, value.dtype, inputs=(dy, y), in_place=True)
    n, channels = value.shape[:2]
    workers = _threads.workers_for(n, (30 if log else 10) * value.size)
    arrays = (flat_alias(gradient), flat_alias(value), dx.reshape(-1))
    _threads.launch(_backward_entry(log), workers, *arrays, n, channels, prod(value.shape[2:]))
    return dx


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
        Sums to one over axis 1; all NaN where one of those summed over is NaN or inf, or all are -inf.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array of two axes or more, or `out` does not fit.
    """
    return _run_forward("softmax", False, x, out)


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
    return _run_backward("softmax_backward", False, dy, y, out)


def log_softmax(x: Array, *, out: Array | None = None) -> Array:
    """``x - max(x) - log(sum(exp(x - max(x))))`` over axis 1, the logarithm of `softmax`.

    Parameters
    ----------
    x : (N, C, ...) float32 or float64
    out : shape and dtype of x, optional
        Where to write; may be `x` itself.

    Returns
    -------
    (N, C, ...), dtype of x
        At most 0; -inf where x is -inf; all NaN where one of those summed over is NaN or inf, or all are -inf.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array of two axes or more, or `out` does not fit.
    """
    return _run_forward("log_softmax", True, x, out)


def log_softmax_backward(dy: Array, y: Array, *, out: Array | None = None) -> Array:
    """Gradient of `log_softmax` from its output: ``dy - exp(y) * sum(dy)``, the sum over axis 1.

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
    return _run_backward("log_softmax_backward", True, dy, y, out)


def _bind(forward, backward, log):
    """Bind a function and its gradient for compiled callers; their entries are made when one is compiled."""
    axes = f"{forward.__name__}: two axes or more are needed, N first"
    shapes = f"{backward.__name__}: dy and y have different shapes"

    @inside(forward)
    def _(x, out=None):
        check_floats(forward.__name__, x)
        if x.ndim < 2:
            raise TypingError(axes)
        compiled = _forward_entry(log)

        def call(x, out=None):
            check_batch(x.shape)
            y = output(out, x.shape, x)
            n, channels = x.shape[0], x.shape[1]
            compiled(ALONE, flat(x), y.reshape(-1), n, channels, x.size // max(1, n * channels))
            return y

        return call

    @inside(backward)
    def _(dy, y, out=None):
        check_floats(backward.__name__, dy, y)
        if y.ndim < 2:
            raise TypingError(axes)
        compiled = _backward_entry(log)

        def call(dy, y, out=None):
            if dy.shape != y.shape:
                raise ValueError(shapes)
            check_batch(y.shape)
            dx = output(out, y.shape, y)
            n, channels = y.shape[0], y.shape[1]
            compiled(ALONE, flat(dy), flat(y), dx.reshape(-1), n, channels, y.size // max(1, n * channels))
            return dx

        return call


_bind(softmax, softmax_backward, False)
_bind(log_softmax, log_softmax_backward, True)
