"""Limits on gradients and weights, in place."""

import numpy as np

from .._checks import Array, in_place_memory
from .._update_checks import limit as limit_above_0
from .._update_checks import unit_axis


def clip_by_value(grads: Array, limit: float) -> None:
    """Set what is above `limit` to it, and what is below -limit to that.

    Raises
    ------
    TypeError, ValueError
        If `grads` is no flat, contiguous, writeable array, or `limit` is not above 0.
    """
    in_place_memory("clip_by_value", "grads", grads, 1)
    limit = limit_above_0("clip_by_value", limit)
    np.clip(grads, -limit, limit, out=grads)


def clip_by_global_norm(grads: Array, limit: float) -> float:
    """Do grads *= min(1, limit / (norm + 1e-6)) and return the norm before that, as PyTorch's clip_grad_norm_.

    Raises
    ------
    TypeError, ValueError
        If `grads` is no flat, contiguous, writeable array, or `limit` is not above 0.
    """
    in_place_memory("clip_by_global_norm", "grads", grads, 1)
    limit = limit_above_0("clip_by_global_norm", limit)
    norm = float(np.sqrt(np.sum(np.square(grads, dtype=np.float64))))
    grads *= float(np.minimum(1, limit / (norm + 1e-6)))  # np.minimum, unlike min, lets a NaN through
    return norm


def max_norm(w: Array, limit: float, *, axis: int | None = None) -> None:
    """Do unit *= limit / norm(unit) for the units of w that are longer than `limit` (Srivastava et al. 2014, 5.1).

    A unit is what makes one output: a column of (n_in, n_out), a filter of (C_out, C_in, KH, KW).

    Raises
    ------
    TypeError, ValueError
        If `w` is no contiguous, writeable array, its number of axes needs `axis`, or a number is out of range.
    """
    in_place_memory("max_norm", "w", w)
    axis = unit_axis("max_norm", w.shape, axis)
    limit = limit_above_0("max_norm", limit)
    # In float64, as the square of 1e25 is no float32.
    squares = np.square(w, dtype=np.float64)
    norm = np.sqrt(np.sum(squares, axis=tuple(k for k in range(w.ndim) if k != axis), keepdims=True))
    factor = np.ones_like(norm)
    factor[norm > limit] = limit / norm[norm > limit]
    w *= factor
