"""Kernels with drawn options against integer NumPy, and a few values worked out by hand."""

import types

import numpy as np
import pytest
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-4, 5, shape)


@examples
@given(st.integers(0, 40), st.integers(1, 70), st.integers(1, 40), st.sampled_from([np.float32, np.float64]))
def test_dense_is_exact(n: int, n_in: int, n_out: int, dtype: type) -> None:
    rng = np.random.default_rng(3)
    x, w, b = integers(rng, n, n_in), integers(rng, n_in, n_out), integers(rng, n_out)
    dy = integers(rng, n, n_out)
    fx, fw, fb, fdy = (a.astype(dtype) for a in (x, w, b, dy))
    np.testing.assert_array_equal(fk.dense(fx, fw, fb), ref.dense(x, w, b))
    for a, e in zip(fk.dense_backward(fdy, fx, fw), ref.dense_backward(dy, x, w), strict=True):
        np.testing.assert_array_equal(a, e)


@both
def test_dense_by_hand(kernels: types.ModuleType) -> None:
    x, w = np.array([[1.0, 2.0]]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(kernels.dense(x, w, np.array([1.0, 0.0, -1.0])), [[10, 12, 14]])
    dx, dw, db = kernels.dense_backward(np.array([[1.0, 0.0, 2.0]]), x, w)
    np.testing.assert_array_equal(dx, [[7, 16]])
    np.testing.assert_array_equal(dw, [[1, 0, 2], [2, 0, 4]])
    np.testing.assert_array_equal(db, [1, 0, 2])


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_at_their_edges(kernels: types.ModuleType, dtype: type) -> None:
    x = np.array([[-np.inf, -1000.0, 0.0, 1000.0, np.inf]], dtype)
    np.testing.assert_array_equal(kernels.relu(x), [[0, 0, 0, 1000, np.inf]])
    np.testing.assert_array_equal(kernels.sigmoid(x), [[0, 0, 0.5, 1, 1]])
    np.testing.assert_array_equal(kernels.tanh(x), [[-1, -1, 0, 1, 1]])
    leaky = kernels.leaky_relu(x, negative_slope=0.5)
    np.testing.assert_array_equal(leaky, [[-np.inf, -500, 0, 1000, np.inf]])
    np.testing.assert_array_equal(kernels.softmax(x[:, :4]), [[0, 0, 0, 1]])
    one = np.ones((1, 1), dtype)
    np.testing.assert_array_equal(kernels.relu_backward(one, 0 * one), [[0]])
    np.testing.assert_array_equal(kernels.leaky_relu_backward(one, 0 * one, negative_slope=0.5), [[0.5]])


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    prediction, target = np.array([[1.0, 3.0], [0.0, 0.0]], dtype), np.array([[0.0, 1.0], [2.0, 0.0]], dtype)
    expected = {"none": ([2.5, 2.0], 1), "sum": (4.5, 1), "mean": (2.25, 2)}
    for reduction, (loss, divisor) in expected.items():
        actual, d_prediction = kernels.sum_squared_error(prediction, target, reduction=reduction)
        assert actual.dtype == d_prediction.dtype == dtype
        np.testing.assert_array_equal(actual, loss)
        np.testing.assert_array_equal(d_prediction, (prediction - target) / divisor)
    loss, d_prediction = kernels.softmax_cross_entropy(np.zeros((2, 4), dtype), np.array([0, 3]))
    assert isinstance(loss, dtype)
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)
    expected_d = (0.25 - np.eye(4)[[0, 3]]) / 2
    np.testing.assert_allclose(d_prediction, expected_d, rtol=1e-6)
    loss, _ = kernels.softmax_cross_entropy(np.array([[1000.0, -1000.0]], dtype), np.array([1]))
    assert loss == 2000


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_optimizers_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    """Powers of two, so that every step is exact."""
    params, grads, velocity = (np.array(a, dtype) for a in ([1.0, -2.0], [2.0, 4.0], [0.0, 8.0]))
    kernels.sgd_update(params, grads, lr=0.25, weight_decay=0.5)
    np.testing.assert_array_equal(params, [0.375, -2.75])
    params[:] = [1.0, -2.0]
    kernels.momentum_update(params, grads, velocity, lr=0.25, momentum=0.5, weight_decay=0.5)
    np.testing.assert_array_equal(velocity, [2.5, 7])
    np.testing.assert_array_equal(params, [0.375, -3.75])
    m, v = np.zeros(2, dtype), np.zeros(2, dtype)
    params[:] = [1.0, -2.0]
    kernels.adam_update(params, grads, m, v, step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=0.0)
    np.testing.assert_array_equal(m, [1, 2])
    np.testing.assert_array_equal(v, [1, 4])
    np.testing.assert_allclose(params, [0.5, -2.5], rtol=1e-6)  # the first step is lr * sign(g)
