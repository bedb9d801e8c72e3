"""Learning rules from before backpropagation, in place on w (n_in, n_out)."""

from .._checks import Array, in_place_memory, same_dtype
from .._update_checks import learning_shapes, numbers


def hebb_update(w: Array, x: Array, y: Array, *, eta: float) -> None:
    """Do w[i, j] += eta * x[i] * y[j], summed over the samples; the textbook calls x[i] y_i.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, `w` overlaps another array, or `eta` is below 0.
    """
    in_place_memory("hebb_update", "w", w, x=x, y=y)
    same_dtype("hebb_update", w=w, x=x, y=y)
    learning_shapes("hebb_update", w.shape, x.shape, y=y.shape)
    (eta,) = numbers("hebb_update", eta=eta)
    w += eta * (x.T @ y)


def delta_update(w: Array, x: Array, target: Array, y: Array, *, eta: float) -> None:
    """Do w[i, j] += eta * (target[j] - y[j]) * x[i], summed over the samples.

    The textbook writes w -= eta * (y - target) * x, which is the same.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, `w` overlaps another array, or `eta` is below 0.
    """
    in_place_memory("delta_update", "w", w, x=x, target=target, y=y)
    same_dtype("delta_update", w=w, x=x, target=target, y=y)
    learning_shapes("delta_update", w.shape, x.shape, target=target.shape, y=y.shape)
    (eta,) = numbers("delta_update", eta=eta)
    w += eta * (x.T @ (target - y))
