"""Updates, limits and learning rules inside `@njit` code equal their twins, and refuse what they refuse."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

RNG = np.random.default_rng(9)
P, G = RNG.standard_normal(37), RNG.standard_normal(37)
W, X, Y, T = (RNG.standard_normal(s) for s in ((5, 6), (9, 5), (9, 6), (9, 6)))
FILTERS = RNG.standard_normal((4, 3, 2, 2))


@numba.njit
def updates(p, g, v, n, h, a, m, s):
    """Each with defaults, and with other options; state is carried from one to the next."""
    fk.sgd_update(p, g, lr=1)
    fk.momentum_update(p, g, v, lr=0.1)
    fk.nesterov_update(p, g, n, lr=0.1, momentum=0.8, weight_decay=0.01)
    fk.adagrad_update(p, g, h, lr=0.1)
    fk.adagrad_update(p, g, h, lr=0.1, eps=1e-3, weight_decay=0.01)
    fk.rmsprop_update(p, g, a, lr=0.1)
    fk.rmsprop_update(p, g, a, lr=0.1, alpha=0, eps=1)
    fk.adam_update(p, g, m, s, step=1, lr=0.1, weight_decay=0.01)
    fk.adamw_update(p, g, m, s, step=2, lr=0.1)
    fk.adamw_update(p, g, m, s, step=2, lr=0.1, weight_decay=0.5)
    fk.nadam_update(p, g, m, s, step=3, lr=0.1)
    fk.nadam_update(p, g, m, s, step=3, lr=0.1, beta1=0.5, momentum_decay=1)


@numba.njit
def limits(g, w, filters):
    norm = fk.clip_by_global_norm(g, 3.0)
    fk.clip_by_value(g, limit=0.5)
    fk.max_norm(w, 2)
    fk.max_norm(w, 1.5, axis=-2)
    fk.max_norm(filters, limit=1.5)
    fk.max_norm(filters, 1.5, axis=1)
    return norm


@numba.njit
def learning(w, x, t, y):
    fk.hebb_update(w, x, y, eta=1)
    fk.delta_update(w, x, t, y, eta=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_they_equal_their_twins(dtype):
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    sets = {
        updates: (P, G, *np.zeros((6, P.size))),
        limits: (G, W, FILTERS),
        learning: (W, X[:, ::-1], T, Y[::-1]),
    }
    for function, arrays in sets.items():
        actual, expected = ([a.astype(dtype, order="K") for a in arrays] for _ in range(2))
        function(*actual)
        run_with_twins(function, expected)
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, e, **tolerance)
    assert limits(G.copy(), W.copy(), FILTERS.copy()) == pytest.approx(np.linalg.norm(G), rel=1e-14)


def run_with_twins(function, arrays):
    """Run the Python body of a compiled function with the twins in place of the kernels."""
    body = function.py_func
    type(body)(body.__code__, {"fk": ref})(*arrays)


@numba.njit(parallel=True)
def many(params, grads, rounds):
    """In somebody's parallel loop, each round on arrays of its own."""
    for i in numba.prange(rounds):
        v = np.zeros(params.shape[1])
        fk.clip_by_global_norm(grads[i], 1.0)
        fk.nesterov_update(params[i], grads[i], v, lr=0.1)


def test_in_a_parallel_loop():
    params, grads = np.tile(P, (6, 1)), np.tile(G, (6, 1))
    many(params, grads, 6)
    expected, clipped = P.copy(), G.copy()
    ref.clip_by_global_norm(clipped, 1.0)
    ref.nesterov_update(expected, clipped, np.zeros(37), lr=0.1)
    np.testing.assert_allclose(params, np.tile(expected, (6, 1)), rtol=1e-12)


@numba.njit
def nadam(p, g, m, v, step, lr, beta1):
    fk.nadam_update(p, g, m, v, step=step, lr=lr, beta1=beta1)


@numba.njit
def rmsprop(p, g, h, lr, alpha, eps):
    fk.rmsprop_update(p, g, h, lr=lr, alpha=alpha, eps=eps)


@numba.njit
def clip(g, limit):
    fk.clip_by_value(g, limit)


@numba.njit
def ball(w, limit, axis):
    fk.max_norm(w, limit, axis=axis)


@numba.njit
def ball_by_shape(w):
    fk.max_norm(w, 1.0)


def read_only(array):
    array.flags.writeable = False
    return array


A = np.ones(4)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "the same size", lambda: nadam(A, A, A[:3].copy(), A, 1, 0.1, 0.9)),
        (ValueError, "step is counted from 1", lambda: nadam(A, A, A, A, 0, 0.1, 0.9)),
        (ValueError, "at least 0", lambda: nadam(A, A, A, A, 1, -0.1, 0.9)),
        (ValueError, "at least 0", lambda: nadam(A, A, A, A, 1, np.nan, 0.9)),
        (ValueError, "below 1", lambda: nadam(A, A, A, A, 1, 0.1, 1.0)),
        (ValueError, "below 1", lambda: rmsprop(A, A, A, 0.1, -0.1, 0.0)),
        (ValueError, "at least 0", lambda: rmsprop(A, A, A, 0.1, 0.9, np.inf)),
        (TypingError, "one dtype is needed", lambda: rmsprop(A, A.astype(np.float32), A, 0.1, 0.9, 0.0)),
        (TypingError, "written in place", lambda: rmsprop(A, A, np.ones(8)[::2], 0.1, 0.9, 0.0)),
        (TypingError, "float32 or float64", lambda: clip(np.ones(3, np.int64), 1.0)),
        (TypingError, "written in place", lambda: clip(read_only(np.ones(3)), 1.0)),
        (TypingError, "a flat", lambda: clip(np.ones((3, 3)), 1.0)),
        (ValueError, "above 0", lambda: clip(A, 0.0)),
        (ValueError, "above 0", lambda: clip(A, np.nan)),
        (ValueError, "does not have that axis", lambda: ball(np.ones((2, 3)), 1.0, 2)),
        (ValueError, "above 0", lambda: ball(np.ones((2, 3)), -1.0, 0)),
        (TypingError, "without axis it must have 2 or 4", lambda: ball_by_shape(np.ones((2, 3, 4)))),
        (TypingError, "written in place", lambda: ball_by_shape(np.ones((2, 3)).T)),
        (ValueError, "do not belong together", lambda: learning(W.copy(), X, T, Y[:5])),
        (ValueError, "do not belong together", lambda: learning(W.T.copy(), X, T, Y)),
    ],
)
def test_wrong_arguments_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()
    assert (A == 1).all()


@numba.njit
def overlapping(p, g, v):
    fk.sgd_update(p, p, lr=0.1)


@numba.njit
def overlapping_state(p, g, v):
    fk.momentum_update(p, g, g, lr=0.1)


@numba.njit
def overlapping_part(p, g, v):
    fk.rmsprop_update(p[:4], g, p[3:7], lr=0.1)


@numba.njit
def overlapping_moments(p, g, v):
    fk.adam_update(p, g, v, v, step=1, lr=0.1)


@pytest.mark.parametrize("update", [overlapping, overlapping_state, overlapping_part, overlapping_moments])
def test_arrays_that_overlap(update):
    arrays = np.ones(8), np.ones(4 if update is overlapping_part else 8), np.zeros(8)
    before = [a.copy() for a in arrays]
    with pytest.raises(ValueError, match="overlap"):
        update(*arrays)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)
