"""NaN and empty batches: kernels and twins let NaN through and return empty results of the right shape."""

import types

import cases_activation
import numpy as np
import pytest

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
ACTIVATIONS = {row[0] for row in cases_activation.ACTIVATIONS}
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both
@both_dtypes
def test_nan_reaches_exactly_the_windows_that_hold_it(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((17, 3, 8, 8), dtype)
    x[16, 1, 0, 0] = np.nan
    y = kernels.conv2d(x, np.ones((5, 3, 3, 3), dtype), padding=1)
    expected = np.zeros(y.shape, bool)
    expected[16, :, :2, :2] = True
    np.testing.assert_array_equal(np.isnan(y), expected)
    np.testing.assert_array_equal(np.isnan(kernels.im2col(x, 3, padding=1)).sum(), 4)


@both
@both_dtypes
def test_activations_keep_nan(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((3, 20), dtype)
    x[1, 18] = np.nan
    for name in ACTIVATIONS - {"step", "softmax", "log_softmax"}:
        y = getattr(kernels, name)(x)
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x), err_msg=name)
        dx = getattr(kernels, f"{name}_backward")(x, np.full_like(x, 0.5))
        np.testing.assert_array_equal(np.isnan(dx), np.isnan(x), err_msg=f"{name}_backward")
    np.testing.assert_array_equal(np.isnan(kernels.step(x)), np.isnan(x))
    for softmax in (kernels.softmax, kernels.log_softmax):
        np.testing.assert_array_equal(np.isnan(softmax(x)).all(axis=1), [False, True, False])
    np.testing.assert_array_equal(kernels.relu_backward(np.ones_like(x), x), np.ones_like(x))


@both
@both_dtypes
def test_dense_and_losses_keep_nan_in_its_sample(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((17, 4), dtype)
    x[16, 2] = np.nan
    only_last = np.arange(17) == 16
    y = kernels.dense(x, np.ones((4, 6), dtype))
    np.testing.assert_array_equal(np.isnan(y), np.repeat(only_last[:, None], 6, axis=1))
    targets = {"sum_squared_error": np.zeros_like(x), "softmax_cross_entropy": np.zeros(17, np.int64)}
    for name, target in targets.items():
        losses, _ = getattr(kernels, name)(x, target, reduction="none")
        np.testing.assert_array_equal(np.isnan(losses), only_last, err_msg=name)
        loss, d_prediction = getattr(kernels, name)(x, target)
        assert np.isnan(loss)
        assert not np.isnan(d_prediction[:16]).any()
        assert np.isnan(d_prediction[16, 2])


@both
@both_dtypes
def test_empty_batch(kernels: types.ModuleType, dtype: type) -> None:
    x, w, b = np.ones((0, 3, 6, 6), dtype), np.ones((5, 3, 3, 3), dtype), np.ones(5, dtype)
    y = kernels.conv2d(x, w, b)
    assert (y.shape, y.dtype) == ((0, 5, 4, 4), dtype)
    dx, dw, db = kernels.conv2d_backward(y, x, w)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros_like(w))
    np.testing.assert_array_equal(db, np.zeros_like(b))
    np.testing.assert_array_equal(kernels.conv2d_backward_weight(y, x, w.shape), np.zeros_like(w))
    assert kernels.conv2d_backward_input(y, w, x.shape).shape == x.shape
    cols = kernels.im2col(x, 3)
    assert cols.shape == (27, 0)
    assert kernels.col2im(cols, x.shape, 3).shape == x.shape


@both
@both_dtypes
def test_empty_batch_of_features(kernels: types.ModuleType, dtype: type) -> None:
    x, w, b = np.ones((0, 4), dtype), np.ones((4, 3), dtype), np.ones(3, dtype)
    y = kernels.dense(x, w, b)
    assert (y.shape, y.dtype) == ((0, 3), dtype)
    dx, dw, db = kernels.dense_backward(y, x, w)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dw, np.zeros_like(w))
    np.testing.assert_array_equal(db, np.zeros_like(b))
    for name in ACTIVATIONS:
        y = getattr(kernels, name)(x)
        assert (y.shape, y.dtype) == (x.shape, dtype)
        assert getattr(kernels, f"{name}_backward")(y, y).shape == x.shape
    targets = {"sum_squared_error": x, "softmax_cross_entropy": np.zeros(0, np.int64)}
    for name, target in targets.items():
        loss, d_prediction = getattr(kernels, name)(x, target)
        assert (loss, loss.dtype, d_prediction.shape) == (0, dtype, x.shape)
        assert getattr(kernels, name)(x, target, reduction="none")[0].shape == (0,)
    empty = np.zeros(0, dtype)
    kernels.sgd_update(empty, empty.copy(), lr=0.1)
    kernels.adam_update(empty, empty.copy(), empty.copy(), empty.copy(), step=1, lr=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("images", [17, 31])
def test_an_infinite_pixel_of_the_first_sample_stays_in_its_gradient(images: int, dtype: type) -> None:
    """Lanes without a sample must not turn it into NaN."""
    x, dy = np.ones((images, 1, 3, 3), dtype), np.ones((images, 2, 2, 2), dtype)
    x[0, 0, 1, 1] = np.inf
    dw = fk.conv2d_backward_weight(dy, x, (2, 1, 2, 2))
    with np.errstate(invalid="ignore"):
        expected = ref.conv2d_backward_weight(dy, x, (2, 1, 2, 2))
    np.testing.assert_array_equal(dw, expected)
    assert np.isinf(dw).all()
