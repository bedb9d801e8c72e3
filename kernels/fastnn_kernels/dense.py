"""The dense layer's products on (N, features) arrays."""

import numpy as np
from numba.core.errors import TypingError

from . import _checks as check
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._public import ALONE, check_floats, flat, inside, is_missing, output
from .conv_block import product
from .simd import lanes
from .team import share_out
from .tile import tile, tile_cols, tile_like, tile_load, tile_rows, tile_store

# Rows of the product that one task computes.
_TASK_ROWS = 16


@kernel
def _matmul_rows(form, a, a_row, a_step, b, width, bias, out, first, last, terms, cols, scratch):
    """Rows `first` to `last` of ``out = bias + a @ b``; b and bias are padded to `width` columns."""
    L = lanes(a)
    t = tile_like(form)
    rows = tile_rows(t)
    span = tile_cols(t) * L
    for q in range(-(-(last - first) // rows)):
        r = min(first + q * rows, last - rows)
        for p in range(-(-cols // span)):
            c = min(p * span, width - span)
            tile_load(t, bias, c, 0, L)
            product(t, b, c, L, 0, 0, width, a, r * a_row, a_row, 0, 0, a_step, 1, 1, terms)
            tile_store(t, scratch, 0, span, L)
            for i in range(rows):
                for j in range(min(span, cols - c)):
                    out[(r + i) * cols + c + j] = scratch[i * span + j]


@kernel
def _matmul_task(task, a, a_row, a_step, b, width, bias, out, rows, terms, cols):
    first = task * _TASK_ROWS
    last = min(rows, first + _TASK_ROWS)
    scratch = np.empty(4 * tile_cols(tile(a, 4, 2)) * lanes(a), a.dtype)
    if last - first >= 4:
        _matmul_rows(tile(a, 4, 2), a, a_row, a_step, b, width, bias, out, first, last, terms, cols, scratch)
    else:
        _matmul_rows(tile(a, 1, 2), a, a_row, a_step, b, width, bias, out, first, last, terms, cols, scratch)


def _matmul_entry(team, a, a_row, a_step, b, b_step, b_col, bias, has_bias, out, rows, terms, cols):
    """``out[r, c] = bias[c] + sum over s of a[r * a_row + s * a_step] * b[s * b_step + c * b_col]``."""
    L = lanes(a)
    span = tile_cols(tile(a, 4, 2)) * L
    width = max(span, -(-cols // L) * L)
    padded = b
    if b_col != 1 or b_step != width or width != cols:
        padded = np.zeros(terms * width, a.dtype)
        for s in range(terms):
            for c in range(cols):
                padded[s * width + c] = b[s * b_step + c * b_col]
    start = np.zeros(width, a.dtype)
    if has_bias:
        for c in range(cols):
            start[c] = bias[c]
    share_out(team, -(-rows // _TASK_ROWS), _matmul_task, (a, a_row, a_step, padded, width, start, out, rows, terms,
                                                          cols))


_matmul = entry(_matmul_entry)


def _multiply(a, a_row, a_step, b, b_step, b_col, bias, out, rows, terms, cols):
    workers = _threads.workers_for(-(-rows // _TASK_ROWS), rows * terms * cols)
    start = b if bias is None else bias
    _threads.launch(_matmul, workers, a, a_row, a_step, b, b_step, b_col, start, bias is not None, out, rows, terms,
                    cols)


def dense(x: Array, w: Array, b: Array | None = None, *, out: Array | None = None) -> Array:
    """``x @ w + b``.

    Parameters
    ----------
    x : (N, n_in) float32 or float64
    w : (n_in, n_out), dtype of x
    b : (n_out,), dtype of x, optional
    out : (N, n_out), dtype of x, optional

    Returns
    -------
    (N, n_out), dtype of x

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    images, weights = check.float_array("dense", "x", x), check.float_array("dense", "w", w)
    bias = None if b is None else check.float_array("dense", "b", b)
    check.same_dtype("dense", x=images, w=weights, b=bias)
    check.dense_shapes("dense", images.shape, weights.shape, b_shape=None if bias is None else bias.shape)
    n, n_in = images.shape
    n_out = weights.shape[1]
    y = check.out_array("dense", out, (n, n_out), images.dtype, inputs=tuple(a for a in (x, w, b) if a is not None))
    start = None if bias is None else flat_alias(bias)
    _multiply(flat_alias(images), n_in, 1, flat_alias(weights), n_out, 1, start, y.reshape(-1), n, n_in, n_out)
    return y


def dense_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Gradients of `dense`: ``dy @ w.T``, ``x.T @ dy`` and the sum of dy over the samples.

    Parameters
    ----------
    dy : (N, n_out) float32 or float64
    x : (N, n_in), dtype of dy
    w : (n_in, n_out), dtype of dy

    Returns
    -------
    dx : (N, n_in)
    dw : (n_in, n_out)
    db : (n_out,)

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    name = "dense_backward"
    gradient, images = check.float_array(name, "dy", dy), check.float_array(name, "x", x)
    weights = check.float_array(name, "w", w)
    check.same_dtype(name, dy=gradient, x=images, w=weights)
    check.dense_shapes(name, images.shape, weights.shape, dy_shape=gradient.shape)
    (n, n_in), n_out = images.shape, weights.shape[1]
    dx, dw, db = np.empty_like(images, order="C"), np.empty_like(weights, order="C"), np.empty(n_out, images.dtype)
    ones = np.ones(n, images.dtype)
    _multiply(flat_alias(gradient), n_out, 1, flat_alias(weights), 1, n_out, None, dx.reshape(-1), n, n_out, n_in)
    _multiply(flat_alias(images), 1, n_in, flat_alias(gradient), n_out, 1, None, dw.reshape(-1), n_in, n, n_out)
    _multiply(ones, 0, 1, flat_alias(gradient), n_out, 1, None, db, 1, n, n_out)
    return dx, dw, db


@inside(dense)
def _dense_inside(x, w, b=None, out=None):
    check_floats("dense", x, w, *(() if is_missing(b) else (b,)))
    if not is_missing(b) and b.ndim != 1:
        raise TypingError(f"dense: b has {b.ndim} axes, 1 is needed")

    def call(x, w, b=None, out=None):
        n, n_in = x.shape
        n_out = w.shape[1]
        if w.shape[0] != n_in:
            raise ValueError("dense: x and w do not have the same n_in")
        if w.size == 0:
            raise ValueError("dense: w has no elements")
        y = output(out, (n, n_out), x)
        weights = flat(w)
        if b is None:
            _matmul(ALONE, flat(x), n_in, 1, weights, n_out, 1, weights, False, y.reshape(-1), n, n_in, n_out)
        else:
            if b.size != n_out:
                raise ValueError("dense: b does not have n_out elements")
            _matmul(ALONE, flat(x), n_in, 1, weights, n_out, 1, flat(b), True, y.reshape(-1), n, n_in, n_out)
        return y

    return call


@inside(dense_backward)
def _dense_backward_inside(dy, x, w):
    check_floats("dense_backward", dy, x, w)

    def call(dy, x, w):
        n, n_in = x.shape
        n_out = w.shape[1]
        if w.shape[0] != n_in or dy.shape != (n, n_out):
            raise ValueError("dense_backward: the shapes of dy, x and w do not belong together")
        if w.size == 0:
            raise ValueError("dense_backward: w has no elements")
        dx, dw, db = np.empty((n, n_in), x.dtype), np.empty((n_in, n_out), x.dtype), np.empty(n_out, x.dtype)
        d, images, weights, ones = flat(dy), flat(x), flat(w), np.ones(n, x.dtype)
        _matmul(ALONE, d, n_out, 1, weights, 1, n_out, weights, False, dx.reshape(-1), n, n_out, n_in)
        _matmul(ALONE, images, 1, n_in, d, n_out, 1, weights, False, dw.reshape(-1), n_in, n, n_out)
        _matmul(ALONE, ones, 0, 1, d, n_out, 1, weights, False, db, 1, n, n_out)
        return dx, dw, db

    return call
