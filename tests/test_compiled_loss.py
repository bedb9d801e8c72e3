"""Losses called from somebody's own compiled functions equal their twins, with every option."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

RNG = np.random.default_rng(8)
X = RNG.standard_normal((21, 5))
T = RNG.random((21, 5))
P = T / T.sum(axis=1, keepdims=True)
LABELS = np.where(RNG.random(21) < 0.3, 7, RNG.integers(0, 5, 21))
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5, 1.0])


@numba.njit
def numbers(x, t, delta):
    return (
        fk.sum_squared_error(x, t),
        fk.sum_squared_error(x, t, reduction="none"),
        fk.mean_squared_error(x, t, reduction="none"),
        fk.huber(x, t, delta=delta, reduction="sum"),
        fk.binary_cross_entropy_with_logits(x, t),
    )


@numba.njit
def classes(x, p, labels, weights, smoothing):
    return (
        fk.softmax_cross_entropy(x, labels, class_weight=weights, ignore_index=7, label_smoothing=smoothing),
        fk.softmax_cross_entropy(x, p, class_weight=weights, reduction="none"),
        fk.categorical_cross_entropy(p, p),
        fk.categorical_cross_entropy(p, p, reduction="none"),
    )


@numba.njit
def reduced(x, t, labels, reduction):
    """The reduction is known only when it runs."""
    return (
        fk.mean_squared_error(x, t, reduction=reduction),
        fk.softmax_cross_entropy(x, labels, None, 7, reduction=reduction),
    )


@numba.njit
def left_out(x, labels, ignore_index):
    return fk.softmax_cross_entropy(x, labels, ignore_index=ignore_index)


@numba.njit
def others(x, t, scores, labels):
    return (
        fk.binary_cross_entropy_with_logits(x, t, reduction="none"),
        fk.huber(x, t),
        fk.softmax_cross_entropy(scores, labels, label_smoothing=0.1, reduction="none"),
    )


def assert_same(actual, expected):
    """The same numbers and dtypes; compiled callers run the same code as Python callers, to the last bit."""
    assert len(actual) == len(expected)
    for (loss, d), (expected_loss, expected_d) in zip(actual, expected, strict=True):
        assert np.asarray(loss).dtype == expected_loss.dtype or np.ndim(loss) == 0  # a scalar comes out as a float
        np.testing.assert_array_equal(loss, expected_loss)
        np.testing.assert_array_equal(d, expected_d)
        assert (d.dtype, d.shape) == (expected_d.dtype, expected_d.shape)


def python_numbers(kernels, x, t, delta):
    return (
        kernels.sum_squared_error(x, t),
        kernels.sum_squared_error(x, t, reduction="none"),
        kernels.mean_squared_error(x, t, reduction="none"),
        kernels.huber(x, t, delta=delta, reduction="sum"),
        kernels.binary_cross_entropy_with_logits(x, t),
    )


def python_classes(kernels, x, p, labels, weights, smoothing):
    softmax, categorical = kernels.softmax_cross_entropy, kernels.categorical_cross_entropy
    return (
        softmax(x, labels, class_weight=weights, ignore_index=7, label_smoothing=smoothing),
        softmax(x, p, class_weight=weights, reduction="none"),
        categorical(p, p),
        categorical(p, p, reduction="none"),
    )


def assert_near(actual, expected):
    for (loss, d), (expected_loss, expected_d) in zip(actual, expected, strict=True):
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
        np.testing.assert_allclose(d, expected_d, rtol=1e-11, atol=1e-14)


def test_losses_of_numbers():
    assert_same(numbers(X, T, 0.5), python_numbers(fk, X, T, 0.5))
    assert_near(numbers(X, T, 0.5), python_numbers(ref, X, T, 0.5))


def test_losses_of_classes():
    arrays = X, P, LABELS, WEIGHTS, 0.2
    assert_same(classes(*arrays), python_classes(fk, *arrays))
    assert_near(classes(*arrays), python_classes(ref, *arrays))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_reduction_known_only_at_run_time(reduction):
    expected = (
        fk.mean_squared_error(X, P, reduction=reduction),
        fk.softmax_cross_entropy(X, LABELS, ignore_index=7, reduction=reduction),
    )
    assert_same(reduced(X, P, LABELS, reduction), expected)


def test_an_empty_batch_and_one_that_is_left_out():
    nothing = np.zeros((0, 5))
    assert_same(numbers(nothing, nothing, 1.0), python_numbers(fk, nothing, nothing, 1.0))
    args = nothing, nothing, LABELS[:0], WEIGHTS, 0.2
    assert_same(classes(*args), python_classes(fk, *args))
    args = X, P, np.full(21, 7), WEIGHTS, 0.2
    assert_same(classes(*args), python_classes(fk, *args))


def test_float32_maps_strided_arrays_and_short_labels():
    """Other types than above; a scalar loss is of the prediction's dtype here too."""
    x = RNG.standard_normal((3, 4, 5, 6)).astype(np.float32).transpose(0, 3, 1, 2)
    arrays = x, abs(x) % 1, X.astype(np.float32)[:, ::2], LABELS.astype(np.uint8) % 3
    assert_same(others(*arrays), others.py_func(*arrays))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "shape of prediction", lambda: numbers(X, T[:3].copy(), 1.0)),
        (ValueError, "shape of prediction", lambda: classes(X, P[:3].copy(), LABELS, WEIGHTS, 0.1)),
        (ValueError, "delta must be above 0", lambda: numbers(X, T, 0.0)),
        (ValueError, "delta must be above 0", lambda: numbers(X, T, np.nan)),
        (ValueError, "target: values from 0 to 1", lambda: numbers(X, T + 0.5, 1.0)),
        (ValueError, "values from 0 to 1", lambda: classes(X, P - 0.5, LABELS, WEIGHTS, 0.1)),
        (ValueError, "does not have the sum 1", lambda: classes(X, 0.9 * P, LABELS, WEIGHTS, 0.1)),
        (ValueError, "a label is out of range", lambda: classes(X, P, LABELS + 1, WEIGHTS, 0.1)),
        (ValueError, "one label for each sample", lambda: classes(X, P, LABELS[:3].copy(), WEIGHTS, 0.1)),
        (ValueError, "one weight for each class", lambda: classes(X, P, LABELS, WEIGHTS[:3].copy(), 0.1)),
        (ValueError, "none below 0", lambda: classes(X, P, LABELS, -WEIGHTS, 0.1)),
        (ValueError, "label_smoothing must be", lambda: classes(X, P, LABELS, WEIGHTS, 1.1)),
        (ValueError, "reduction must be 'mean' or 'sum'", lambda: reduced(X, P, LABELS, "none")),
        (ValueError, "reduction must be 'mean' or 'sum'", lambda: reduced(X, P, LABELS, "max")),
        (TypingError, "one dtype is needed", lambda: numbers(X, T.astype(np.float32), 1.0)),
        (TypingError, "one dtype is needed", lambda: classes(X, P, LABELS, WEIGHTS.astype(np.float32), 0.1)),
        (ValueError, "only N may be 0", lambda: numbers(X[:, :0].copy(), T[:, :0].copy(), 1.0)),
        (ValueError, "only N may be 0", lambda: classes(X[:, :0].copy(), P[:, :0].copy(), LABELS, WEIGHTS[:0], 0.1)),
        (TypingError, "ignore_index is float64", lambda: left_out(X, LABELS, 7.0)),
        (TypingError, "class_weight is .*one axis", lambda: classes(X, P, LABELS, WEIGHTS.reshape(1, 5), 0.1)),
        (TypingError, "labels of an integer dtype", lambda: classes(X, P, LABELS == 7, WEIGHTS, 0.1)),
    ],
)
def test_wrong_arguments_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()
