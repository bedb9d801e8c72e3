"""Hebb's rule and the delta rule: by hand, exact over drawn shapes, and what they refuse."""

import types
from typing import Any

import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both
@both_dtypes
def test_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    """Two samples: their changes add up."""
    w, x = np.zeros((2, 3), dtype), np.array([[1, 2], [0, -1]], dtype)
    y = np.array([[1, 0, 3], [4, 0, -2]], dtype)
    assert kernels.hebb_update(w, x, y, eta=0.5) is None
    np.testing.assert_array_equal(w, [[0.5, 0, 1.5], [1 - 2, 0, 3 + 1]])
    w[:] = 1
    target = np.array([[2, 0, 3], [4, 0, 2]], dtype)
    kernels.delta_update(w, x, target, y, eta=0.5)
    # The error is 1 for the first output of the first sample, 4 for the last one of the second.
    np.testing.assert_array_equal(w, [[1.5, 1, 1], [2, 1, 1 - 2]])


@both
def test_the_delta_rule_learns_a_linear_map(kernels: types.ModuleType) -> None:
    rng = np.random.default_rng(3)
    x, true = rng.standard_normal((50, 4)), rng.standard_normal((4, 3))
    w, target = np.zeros((4, 3)), x @ true
    for _ in range(300):
        kernels.delta_update(w, x, target, x @ w, eta=0.02)
    np.testing.assert_allclose(w, true, atol=1e-6)


@both
@both_dtypes
def test_no_samples_change_nothing_and_nan_stays_in_its_row_and_column(kernels: types.ModuleType, dtype: type) -> None:
    w = np.arange(15, dtype=dtype).reshape(3, 5)
    before = w.copy()
    none, out = np.zeros((0, 3), dtype), np.zeros((0, 5), dtype)
    kernels.hebb_update(w, none, out, eta=1)
    kernels.delta_update(w, none, out, out, eta=1)
    np.testing.assert_array_equal(w, before)
    x, y = np.ones((17, 3), dtype), np.ones((17, 5), dtype)
    x[16, 1] = np.nan
    kernels.hebb_update(w, x, y, eta=1)
    np.testing.assert_array_equal(np.isnan(w), np.arange(15).reshape(3, 5) // 5 == 1)
    w[:], x[:], y[3, 2] = 0, 1, np.nan
    kernels.delta_update(w, x, np.ones_like(y), y, eta=1)
    np.testing.assert_array_equal(np.isnan(w), np.arange(15).reshape(3, 5) % 5 == 2)


@examples
@given(
    st.sampled_from([np.float32, np.float64]),
    st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 3),
    st.integers(0, 2**32 - 1),
)
def test_small_integers_are_exact(dtype: Any, sizes: tuple[int, int, int], eta: int, seed: int) -> None:
    n, n_in, n_out = sizes
    rng = np.random.default_rng(seed)
    w, x, target, y = (rng.integers(-4, 5, s) for s in ((n_in, n_out), (n, n_in), (n, n_out), (n, n_out)))
    floats = [a.astype(dtype) for a in (w, x, target, y)]
    fk.hebb_update(floats[0], floats[1], floats[3], eta=eta)
    ref.hebb_update(w, x, y, eta=eta)
    np.testing.assert_array_equal(floats[0], w)
    fk.delta_update(*floats, eta=eta)
    ref.delta_update(w, x, target, y, eta=eta)
    np.testing.assert_array_equal(floats[0], w)


def test_inputs_and_outputs_may_be_the_same() -> None:
    """As in an associative memory, which stores patterns in weights between all pairs of units."""
    patterns = np.array([[1.0, -1, 1], [1, 1, -1]])
    w = np.zeros((3, 3))
    fk.hebb_update(w, patterns, patterns, eta=1)
    np.testing.assert_array_equal(w, patterns.T @ patterns)


W, X, Y = np.ones((3, 4)), np.ones((5, 3)), np.ones((5, 4))


@both
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: k.hebb_update(W, X, Y, eta=-1), ValueError, "hebb_update: eta is -1"),
        (lambda k: k.hebb_update(W, X, Y, eta=np.nan), ValueError, "hebb_update: eta is nan"),
        (lambda k: k.delta_update(W, X, Y, Y, eta="1"), TypeError, "delta_update: eta is '1'"),
        (lambda k: k.hebb_update(W, X, Y[:4], eta=1), ValueError, r"hebb_update: y has shape \(4, 4\).*\(5, 4\)"),
        (lambda k: k.hebb_update(W, Y, X, eta=1), ValueError, r"hebb_update: x has 4 features .* w expects 3"),
        (lambda k: k.hebb_update(W, X[0], Y, eta=1), ValueError, "hebb_update: x has 1 axes"),
        (lambda k: k.hebb_update(W[0], X, Y, eta=1), ValueError, r"hebb_update: w has shape \(4,\)"),
        (lambda k: k.delta_update(W, X, Y[:, :3], Y, eta=1), ValueError, r"delta_update: target has shape \(5, 3\)"),
        (lambda k: k.delta_update(W, X, Y, Y.ravel(), eta=1), ValueError, r"delta_update: y has shape \(20,\)"),
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str, kernels: types.ModuleType) -> None:
    assert_refused(error, message, lambda: call(kernels), W, X, Y)


@both
def test_weights_are_written_in_place_and_share_no_memory(kernels: types.ModuleType) -> None:
    square = np.ones((4, 4))
    read_only = np.ones((3, 4))
    read_only.flags.writeable = False
    for call, message in (
        (lambda: kernels.hebb_update(square, square, np.ones((4, 4)), eta=1), "hebb_update: x and w overlap"),
        (lambda: kernels.hebb_update(square, np.ones((4, 4)), square, eta=1), "hebb_update: y and w overlap"),
        (lambda: kernels.delta_update(square, X[:, [0] * 4], square[:1], Y[:1], eta=1), "target and w overlap"),
        (lambda: kernels.hebb_update(read_only, X, Y, eta=1), "hebb_update: w is read-only"),
        (lambda: kernels.hebb_update(W.T.copy().T, X, Y, eta=1), "hebb_update: w is written in place, a C-contiguous"),
    ):
        assert_refused(ValueError, message, call, square, read_only, W, X, Y)
