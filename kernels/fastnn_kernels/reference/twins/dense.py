"""The dense layer on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array


def dense_forward(x: Array, w: Array, b: Array | None, **attrs: Any) -> Array:
    """Return y (N, n_out)."""
    return reference.dense(x, w, b)


def dense_backward_input(dy: Array, w: Array, **attrs: Any) -> Array:
    """Return dx (N, n_in)."""
    return dy @ w.T


def dense_backward_weight(dy: Array, x: Array, **attrs: Any) -> tuple[Array, Array]:
    """Return dw (n_in, n_out) and db (n_out,)."""
    return x.T @ dy, dy.sum(axis=0, dtype=dy.dtype)
