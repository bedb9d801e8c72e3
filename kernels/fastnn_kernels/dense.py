"""The dense layer's products on (N, features) arrays."""

import numpy as np
from numba.core.errors import TypingError

from . import _checks as check
from ._arrays import Array, flat_alias
from ._public import NO, NONE, ONE, YES, check_floats, flat, inside, is_missing, output
from .matmul import matmul, matmul_alone


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
    matmul(flat_alias(images), n_in, 1, flat_alias(weights), False, start, y.reshape(-1), n, n_in, n_out)
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
    matmul(flat_alias(gradient), n_out, 1, flat_alias(weights), True, None, dx.reshape(-1), n, n_out, n_in)
    matmul(flat_alias(images), 1, n_in, flat_alias(gradient), False, None, dw.reshape(-1), n_in, n, n_out)
    matmul(ones, 0, 1, flat_alias(gradient), False, None, db, 1, n, n_out)
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
            matmul_alone(flat(x), n_in, ONE, weights, NO, weights, NO, y.reshape(-1), n, n_in, n_out)
        else:
            if b.size != n_out:
                raise ValueError("dense: b does not have n_out elements")
            matmul_alone(flat(x), n_in, ONE, weights, NO, flat(b), YES, y.reshape(-1), n, n_in, n_out)
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
        matmul_alone(d, n_out, ONE, weights, YES, weights, NO, dx.reshape(-1), n, n_out, n_in)
        matmul_alone(images, ONE, n_in, d, NO, weights, NO, dw.reshape(-1), n_in, n, n_out)
        matmul_alone(ones, NONE, ONE, d, NO, weights, NO, db, ONE, n, n_out)
        return dx, dw, db

    return call
