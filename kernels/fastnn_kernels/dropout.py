"""Dropout: zeros at random places, drawn anew for each step, sample and element, whoever computes them."""

from math import prod

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._public import ALONE, check_floats, check_stream, flat, inside, output, read_stream, sample_size
from .dropout_block import dropout_flat, scale_flat
from .random import counter
from .team import share_out

# Elements of one task.
_TASK = 1 << 14
_LAYER_OPS = 2**options.LAYER_OP_BITS


@kernel
def _drop_task(task, x, y, mask, n, size, rows, pieces, key0, key1, sample_offset, c2, c3, threshold, scale):
    first = task % pieces * _TASK
    start = task // pieces * rows
    for i in range(start, min(n, start + rows)):
        dropout_flat(x, y, mask, i * size, first, min(size, first + _TASK), key0, key1, sample_offset + i, c2, c3,
                     threshold, scale)


@kernel
def _scale_task(task, dy, mask, dx, size):
    scale_flat(dy, mask, dx, task * _TASK, min(size, (task + 1) * _TASK))


def _dropout_entry(team, x, y, mask, n, size, key0, key1, op, step, sample_offset, threshold, scale):
    c2, c3 = counter(op, step)
    rows, pieces = max(1, _TASK // size), -(-size // _TASK)
    share_out(team, -(-n // rows) * pieces, _drop_task, (x, y, mask, n, size, rows, pieces, key0, key1, sample_offset,
                                                         c2, c3, threshold, scale))


def _backward_entry(team, dy, mask, dx, size):
    share_out(team, -(-size // _TASK), _scale_task, (dy, mask, dx, size))


_forward, _backward = entry(_dropout_entry), entry(_backward_entry)


def dropout(
    x: Array, rate: float, *, seed: int, step: int, op: int = 0, sample_offset: int = 0
) -> tuple[Array, Array]:
    """Set each element to 0 with probability `rate`, multiply the others by ``1 / (1 - rate)`` (inverted dropout).

    What is dropped follows from (seed, op, step, position of the sample, element) alone, by Philox4x32-10: the same
    for any number of threads, for any way to cut a batch, for float32 and float64. Element e of a sample (counted in
    C order) is dropped where word e % 4 of the counter (e // 4, position, step, op) is below ``rate * 2**32``.

    Parameters
    ----------
    x : (N, ...) float32 or float64
    rate : float
        From 0 (everything stays) to 1 (everything is 0).
    seed : int
        At least 0, below 2**64.
    step : int
        Number of the training step, below 2**40; another step drops other elements.
    op : int
        Number of the layer, below 2**23: two layers with one seed need two numbers. Augmentations draw with those
        from 2**23 on.
    sample_offset : int
        Position of the first sample in the whole batch, where `x` is a part of it.

    Returns
    -------
    y : shape and dtype of x
        0 where an element was dropped, also where it was inf or NaN.
    mask : shape and dtype of x
        0 or ``1 / (1 - rate)``; `dropout_backward` takes it.

    Raises
    ------
    TypeError, ValueError
        If `x` is no float array, or an option is out of its range.

    Notes
    -----
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 2014; Philox: Salmon et al., SC 2011.
    """
    source = check.float_array("dropout", "x", x)
    check.batch("dropout", "x", source.shape, 1)
    threshold, scale = options.dropout_rate("dropout", rate)
    n = len(source)
    stream = options.stream("dropout", seed, step, op, sample_offset, n, options.LAYER_OP_BITS)
    y, mask = np.empty_like(source, subok=False), np.empty_like(source, subok=False)
    size = prod(source.shape[1:])
    workers = _threads.workers_for(max(1, source.size // _TASK), 4 * source.size)
    _threads.launch(_forward, workers, flat_alias(source), y.reshape(-1), mask.reshape(-1), n, size, *stream,
                    threshold, scale)
    return y, mask


def dropout_backward(dy: Array, mask: Array, *, out: Array | None = None) -> Array:
    """Gradient of `dropout`: ``dy * mask``, and 0 where the mask is 0, whatever dy is.

    Parameters
    ----------
    dy, mask : (N, ...) float32 or float64
        Gradient of the output, and the mask that `dropout` gave.
    out : shape and dtype of dy, optional
        Where to write; may be `dy` itself.

    Returns
    -------
    shape and dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes differ, or `out` does not fit.
    """
    name = "dropout_backward"
    gradient, factors = check.float_array(name, "dy", dy), check.float_array(name, "mask", mask)
    check.same_dtype(name, dy=gradient, mask=factors)
    check.batch(name, "dy", gradient.shape, 1)
    check.same_shape(name, dy=gradient.shape, mask=factors.shape)
    dx = check.out_array(name, out, gradient.shape, gradient.dtype, inputs=(dy, mask), in_place=True)
    workers = _threads.workers_for(max(1, gradient.size // _TASK), gradient.size)
    _threads.launch(_backward, workers, flat_alias(gradient), flat_alias(factors), dx.reshape(-1), gradient.size)
    return dx


@inside(dropout)
def _dropout_inside(x, rate, seed, step, op=0, sample_offset=0):
    check_floats("dropout", x)
    check_stream("dropout", seed, step, op, sample_offset)

    def call(x, rate, seed, step, op=0, sample_offset=0):
        if not 0.0 <= rate <= 1.0:
            raise ValueError("dropout: rate is not between 0 and 1")
        if op >= _LAYER_OPS:
            raise ValueError("dropout: op is not below 2**23")
        size = sample_size(x.shape)
        key0, key1, number, count, first = read_stream(seed, step, op, sample_offset, x.shape[0])
        y, mask = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
        scale = 1.0 / (1.0 - rate) if rate < 1.0 else 0.0
        _forward(ALONE, flat(x), y.reshape(-1), mask.reshape(-1), x.shape[0], size, key0, key1, number, count,
                 first, np.int64(round(rate * 2.0**32)), scale)
        return y, mask

    return call


@inside(dropout_backward)
def _dropout_backward_inside(dy, mask, out=None):
    check_floats("dropout_backward", dy, mask)

    def call(dy, mask, out=None):
        if dy.shape != mask.shape:
            raise ValueError("dropout_backward: dy and mask have different shapes")
        sample_size(dy.shape)
        dx = output(out, dy.shape, dy)
        _backward(ALONE, flat(dy), flat(mask), dx.reshape(-1), dy.size)
        return dx

    return call
