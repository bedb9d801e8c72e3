"""The fully connected layer."""

from .._checks import Array, dense_shapes
from ._result import result


def dense(x: Array, w: Array, b: Array | None = None, *, out: Array | None = None) -> Array:
    """Return ``x @ w + b`` (N, n_out) for x (N, n_in), w (n_in, n_out) and b (n_out,).

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or `out` does not fit.
    """
    dense_shapes("dense", x.shape, w.shape, b_shape=None if b is None else b.shape)
    y = x @ w
    if b is not None:
        y += b
    return result("dense", y, out, x, w, *(() if b is None else (b,)))


def dense_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of `dense` for x, w and b, given dy (N, n_out).

    Raises
    ------
    ValueError
        If shapes do not belong together.
    """
    dense_shapes("dense_backward", x.shape, w.shape, dy_shape=dy.shape)
    return dy @ w.T, x.T @ dy, dy.sum(axis=0, dtype=dy.dtype)
