"""Learning rules from before backpropagation: Hebb's and the delta rule, in place on dense weights."""

import numpy as np

from . import _checks as check
from ._arrays import Array, flat_alias
from ._jit import kernel
from ._public import ALONE, NO, ONE, check_floats, flat, inside
from ._update_checks import learning_shapes, numbers
from .matmul import matmul, matmul_alone
from .optimizer import SGD, launch_update


def _add_product(w: Array, x: Array, d: Array, eta: float) -> None:
    """``w += eta * x.T @ d``: the product of `dense`, then a step of gradient descent uphill."""
    (n, n_in), n_out = x.shape, w.shape[1]
    product = np.empty(w.size, w.dtype)
    matmul(flat_alias(x), 1, n_in, flat_alias(d), False, None, product, n_in, n, n_out)
    launch_update(SGD, w.reshape(-1), product, -eta, 0.0)


def hebb_update(w: Array, x: Array, y: Array, *, eta: float) -> None:
    """Connect more strongly what is active together: Hebb's rule, in place.

    ``w[i, j] += eta * x[i] * y[j]``, summed over the samples: ``w += eta * x.T @ y``. In the textbook's
    ``dw = eta * y_i * y_j`` the activity y_i of the sending unit is our x[i], that of the receiving one y[j].
    Weights only grow under it; normalise them, for example by `max_norm`. Source: Hebb (1949).

    Parameters
    ----------
    w : (n_in, n_out) float32 or float64
        Changed in place.
    x : (N, n_in), dtype of w
        Inputs.
    y : (N, n_out), dtype of w
        Outputs.
    eta : float
        Learning rate, at least 0.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, w overlaps x or y, or eta is below 0.
    """
    name = "hebb_update"
    inputs, outputs = check.float_array(name, "x", x), check.float_array(name, "y", y)
    weights = check.in_place_array(name, "w", w, x=x, y=y)
    check.same_dtype(name, w=weights, x=inputs, y=outputs)
    learning_shapes(name, weights.shape, inputs.shape, y=outputs.shape)
    (rate,) = numbers(name, eta=eta)
    _add_product(weights, inputs, outputs, float(rate))


def delta_update(w: Array, x: Array, target: Array, y: Array, *, eta: float) -> None:
    """Correct weights by the error times the input: the delta rule of Widrow and Hoff (1960), in place.

    ``w[i, j] += eta * (target[j] - y[j]) * x[i]``, summed over the samples: ``w += eta * x.T @ (target - y)``. The
    textbook has the other sign in both places, ``w -= eta * (y - target) * x``, which is the same: a step down the
    gradient of ``0.5 * sum((y - target)**2)`` for ``y = x @ w``.

    Parameters
    ----------
    w : (n_in, n_out) float32 or float64
        Changed in place.
    x : (N, n_in), dtype of w
        Inputs.
    target, y : (N, n_out), dtype of w
        What the outputs should be, and what they are.
    eta : float
        Learning rate, at least 0.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, w overlaps another array, or eta is below 0.
    """
    name = "delta_update"
    inputs, wanted = check.float_array(name, "x", x), check.float_array(name, "target", target)
    outputs = check.float_array(name, "y", y)
    weights = check.in_place_array(name, "w", w, x=x, target=target, y=y)
    check.same_dtype(name, w=weights, x=inputs, target=wanted, y=outputs)
    learning_shapes(name, weights.shape, inputs.shape, target=wanted.shape, y=outputs.shape)
    (rate,) = numbers(name, eta=eta)
    _add_product(weights, inputs, wanted - outputs, float(rate))


@kernel
def _add_product_inside(w, x, d, eta):
    n, n_in = x.shape
    n_out = w.shape[1]
    if w.shape[0] != n_in or d.shape != (n, n_out):
        raise ValueError("learning rule: the shapes of w, x and the outputs do not belong together")
    if not 0.0 <= eta < np.inf:
        raise ValueError("learning rule: eta must be at least 0")
    product, gradient = np.empty(w.size, w.dtype), flat(d)
    matmul_alone(flat(x), ONE, n_in, gradient, NO, gradient, NO, product, n_in, n, n_out)
    SGD(ALONE, w.reshape(-1), product, -eta, 0.0)


@inside(hebb_update)
def _hebb_inside(w, x, y, eta):
    check_floats("hebb_update", x, y, in_place=(w,), flat=False)
    return lambda w, x, y, eta: _add_product_inside(w, x, y, float(eta))


@inside(delta_update)
def _delta_inside(w, x, target, y, eta):
    check_floats("delta_update", x, target, y, in_place=(w,), flat=False)

    def call(w, x, target, y, eta):
        if target.shape != y.shape:
            raise ValueError("delta_update: target and y have different shapes")
        _add_product_inside(w, x, target - y, float(eta))

    return call
