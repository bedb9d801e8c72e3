"""Losses, kernels and twins: values worked out by hand, edges, refusals, drawn options."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

NUMBERS = ("sum_squared_error", "mean_squared_error", "huber", "binary_cross_entropy_with_logits")
SOFT = (*NUMBERS, "categorical_cross_entropy", "softmax_cross_entropy")
LN2 = np.log(2)


def by_hand(kernels: Any, name: str, prediction: Any, target: Any, losses: Any, d: Any, **options: Any) -> None:
    """Check all three reductions; `losses` and `d` are those of "none"."""
    for reduction in ("none", "sum", "mean"):
        loss, d_prediction = getattr(kernels, name)(prediction, target, reduction=reduction, **options)
        divisor = np.size(losses) if reduction == "mean" else 1
        expected = np.asarray(losses) if reduction == "none" else np.sum(losses) / divisor
        assert loss.dtype == d_prediction.dtype == prediction.dtype
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
        np.testing.assert_allclose(d_prediction, np.array(d) / divisor, rtol=1e-6)


@both
@both_dtypes
def test_losses_of_numbers_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    x, t = np.array([[1.0, 3.0, -1.0], [0.0, 0.5, 0.0]], dtype), np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 4.0]], dtype)
    e = [[1, 2, -3], [0, 0.5, -4]]
    by_hand(kernels, "sum_squared_error", x, t, [7, 8.125], e)
    by_hand(kernels, "mean_squared_error", x, t, np.square(e), 2 * np.array(e))
    by_hand(kernels, "huber", x, t, [[0.5, 1.5, 2.5], [0, 0.125, 3.5]], np.clip(e, -1, 1))
    by_hand(kernels, "huber", x, t, [[0.5, 2, 4], [0, 0.125, 6]], np.clip(e, -2, 2), delta=2)
    # sigmoid(log 3) = 3/4.
    logits, shares = np.array([[0.0, np.log(3), -np.log(3)]], dtype), np.array([[1.0, 0.25, 0.0]], dtype)
    losses = [[LN2, -0.25 * np.log(0.75) - 0.75 * np.log(0.25), -np.log(0.75)]]
    by_hand(kernels, "binary_cross_entropy_with_logits", logits, shares, losses, [[-0.5, 0.5, 0.25]])


@both
@both_dtypes
def test_cross_entropies_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]], dtype)
    t = np.array([[0, 1, 0], [0.5, 0.5, 0]], dtype)
    by_hand(kernels, "categorical_cross_entropy", p, t, [2 * LN2, 2 * LN2], [[0, -4, 0], [-4, -1, 0]])
    by_hand(kernels, "softmax_cross_entropy", np.log(p), t, [2 * LN2, 2 * LN2], p - t)
    by_hand(kernels, "softmax_cross_entropy", np.log(p), np.array([1, 1]), [2 * LN2, LN2], p - [[0, 1, 0], [0, 1, 0]])


@both
@both_dtypes
def test_options_of_softmax_cross_entropy_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    x = np.log(np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]], dtype))
    labels, weights = np.array([0, 2, 1]), np.array([2, 5, 1], dtype)

    def loss(reduction: str, **options: Any) -> Any:
        return kernels.softmax_cross_entropy(x, labels, class_weight=weights, reduction=reduction, **options)

    np.testing.assert_allclose(loss("none")[0], [2 * LN2, 2 * LN2, 10 * LN2], rtol=1e-6)
    # Divided by the weights of the labels that count, 2 + 1.
    value, d = loss("mean", ignore_index=1)
    np.testing.assert_allclose(value, 4 / 3 * LN2, rtol=1e-6)
    np.testing.assert_allclose(d[0], np.array([-1, 0.5, 0.5]) / 3, rtol=1e-6)
    np.testing.assert_array_equal(d[2], [0, 0, 0])
    # Smoothing 0.75 gives the label 1/2 and each other class 1/4, times its weight.
    values, d = loss("none", label_smoothing=0.75)
    np.testing.assert_allclose(values[0], LN2 * (2 / 2 + 2 * 5 / 4 + 2 * 1 / 4), rtol=1e-6)
    np.testing.assert_allclose(d[0], 2.5 * np.array([0.5, 0.25, 0.25]) - [1, 1.25, 0.25], rtol=1e-6, atol=1e-7)


@both
@both_dtypes
def test_a_batch_in_which_nothing_counts_has_loss_and_gradient_zero(kernels: types.ModuleType, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((20, 3)).astype(dtype)
    x[4] = np.nan  # left out with the others
    weights = np.array([1, 0, 1], dtype)
    left_out, no_weight = np.full(20, -100), np.ones(20, int)
    for target, prediction in ((left_out, x), (no_weight, np.nan_to_num(x))):
        for reduction in ("mean", "sum"):
            loss, d = kernels.softmax_cross_entropy(prediction, target, class_weight=weights, reduction=reduction)
            assert loss == 0
            np.testing.assert_array_equal(d, np.zeros_like(x))
        losses, _ = kernels.softmax_cross_entropy(prediction, target, class_weight=weights, reduction="none")
        np.testing.assert_array_equal(losses, np.zeros(20))
    # A NaN of a sample that is not left out stays one.
    loss, d = kernels.softmax_cross_entropy(x, no_weight, class_weight=weights)
    assert np.isnan(loss)
    np.testing.assert_array_equal(np.isnan(d).all(axis=1), np.arange(20) == 4)
    np.testing.assert_array_equal(d[np.arange(20) != 4], np.zeros((19, 3)))


@both
@both_dtypes
def test_probabilities_of_zero(kernels: types.ModuleType, dtype: type) -> None:
    p = np.array([[0, 1, 0], [0, 1, 0], [np.nan, 0.5, 0.5]], dtype)
    t = np.array([[0, 1, 0], [0.5, 0.5, 0], [0, 1, 0]], dtype)
    losses, d = kernels.categorical_cross_entropy(p, t, reduction="none")
    np.testing.assert_array_equal(losses, [0, np.inf, np.nan])
    np.testing.assert_array_equal(d, [[0, -1, 0], [-np.inf, -0.5, 0], [np.nan, -2, 0]])
    assert kernels.categorical_cross_entropy(p[:2], t[:2])[0] == np.inf


@both
@both_dtypes
@pytest.mark.parametrize("name", SOFT)
def test_nan_and_infinity_stay_in_their_sample(name: str, kernels: types.ModuleType, dtype: type) -> None:
    x, t = np.full((20, 4), 0.25, dtype), np.full((20, 4), 0.25, dtype)
    for bad in (np.nan, np.inf):
        if bad == np.inf and name == "categorical_cross_entropy":
            continue
        x[18, 2] = bad
        losses, d = getattr(kernels, name)(x, t, reduction="none")
        np.testing.assert_array_equal(np.isfinite(losses.reshape(20, -1)).all(axis=1), np.arange(20) != 18)
        assert np.isfinite(d[:18]).all()
        if np.isnan(bad):
            assert np.isnan(d[18, 2])
            assert np.isnan(getattr(kernels, name)(x, t)[0])


@both
@both_dtypes
@pytest.mark.parametrize("name", SOFT)
def test_empty_batch(name: str, kernels: types.ModuleType, dtype: type) -> None:
    x = np.zeros((0, 4), dtype)
    for reduction in ("mean", "sum"):
        loss, d = getattr(kernels, name)(x, x, reduction=reduction)
        assert (loss, loss.dtype, d.shape, d.dtype) == (0, dtype, (0, 4), dtype)
    losses, _ = getattr(kernels, name)(x, x, reduction="none")
    each_element = name in NUMBERS[1:]
    assert (losses.shape, losses.dtype) == ((0, 4) if each_element else (0,), dtype)


@both
def test_small_losses_keep_their_digits(kernels: types.ModuleType) -> None:
    """float32: log(1 + exp(-|x|)) is far below the rounding of 1."""
    x, zeros = np.array([[-5.0, -20.0, -50.0, -80.0]], np.float32), np.zeros((1, 4), np.float32)
    losses, d = kernels.binary_cross_entropy_with_logits(x, zeros, reduction="none")
    exact = np.log1p(np.exp(x.astype(np.float64)))
    np.testing.assert_allclose(losses, exact, rtol=1e-6)
    np.testing.assert_allclose(d, np.exp(x.astype(np.float64)) / (1 + np.exp(x.astype(np.float64))), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_within_a_few_ulp(dtype: type) -> None:
    x = np.linspace(-60, 60, 40_001).astype(dtype)[:, None]
    losses, _ = fk.binary_cross_entropy_with_logits(x, np.ones_like(x), reduction="none")
    exact = np.log1p(np.exp(-abs(x.astype(np.longdouble)))) + np.maximum(-x, 0)
    assert (abs(losses - exact) / np.spacing(losses)).max() <= 4


@both
@pytest.mark.parametrize("name", SOFT)
def test_sums_of_many_samples_keep_their_digits(name: str, kernels: types.ModuleType) -> None:
    rng = np.random.default_rng(2)
    n = 300_000
    x = rng.random((n, 3)).astype(np.float32)
    x /= x.sum(axis=1, keepdims=True)
    t = x[::-1].copy()
    losses, _ = getattr(kernels, name)(x, t, reduction="none")
    expected = losses.sum(dtype=np.float64)
    np.testing.assert_allclose(getattr(kernels, name)(x, t, reduction="sum")[0], expected, rtol=2e-7)
    np.testing.assert_allclose(getattr(kernels, name)(x, t)[0], expected / losses.size, rtol=2e-7)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("name", SOFT)
def test_one_thread_and_two_give_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.random((5003, 7)).astype(np.float32)
    x /= x.sum(axis=1, keepdims=True)
    found = []
    for n in (1, 2):
        with threads(n) as used:
            loss, d = getattr(fk, name)(x, x[::-1])
            assert used == {n}
            found.append(loss.tobytes() + d.tobytes())
    assert found[0] == found[1]


# ---- drawn shapes and options


@st.composite
def small_integers(draw: Any) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.lists(st.integers(1, 6), min_size=0, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n = draw(st.sampled_from([0, 1, 3, 16, 17, 40]))
    return rng.integers(-4, 5, (n, *shape)), rng.integers(-4, 5, (n, *shape))


@examples
@given(small_integers(), st.sampled_from(NUMBERS[:3]), st.sampled_from(["sum", "none"]), st.booleans())
def test_losses_of_small_integers_are_exact(
    drawn: tuple[np.ndarray, np.ndarray], name: str, reduction: str, single: bool
) -> None:
    dtype = np.float32 if single else np.float64
    expected = getattr(ref, name)(*drawn, reduction=reduction)
    actual = getattr(fk, name)(*(a.astype(dtype) for a in drawn), reduction=reduction)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, e)


@examples
@given(
    n=st.integers(0, 40),
    classes=st.integers(1, 40),
    kind=st.sampled_from(["labels", "ignored", "soft"]),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    single=st.booleans(),
)
def test_softmax_cross_entropy_with_drawn_options(
    n: int, classes: int, kind: str, weighted: bool, smoothing: float, reduction: str, single: bool
) -> None:
    rng = np.random.default_rng(n + classes)
    dtype = np.float32 if single else np.float64
    x, target = rng.standard_normal((n, classes)).astype(dtype), rng.integers(0, classes, n)
    options: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
    if kind == "ignored":
        target[rng.random(n) < 0.3] = options["ignore_index"] = classes
    elif kind == "soft":
        target = rng.random((n, classes)).astype(dtype)
    if weighted:
        options["class_weight"] = rng.random(classes).astype(dtype)
    for a, e in zip(fk.softmax_cross_entropy(x, target, **options), ref.softmax_cross_entropy(x, target, **options),
                    strict=True):  # fmt: skip
        rtol, atol = (1e-4, 1e-5) if single else (1e-11, 1e-13)
        np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)
        assert (a.dtype, a.shape) == (e.dtype, e.shape)


# ---- refusals

X = np.full((3, 4), 0.25, np.float32)
LABELS = np.array([0, 3, 1])
W = np.ones(4, np.float32)


def changed(array: np.ndarray, where: Any, value: float) -> np.ndarray:
    array = array.copy()
    array[where] = value
    return array


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    *(
        (lambda k, name=name: getattr(k, name)(X, X[:2]), ValueError, rf"^{name}: target has shape \(2, 4\).*\(3, 4\)")
        for name in SOFT
    ),
    *(
        (lambda k, name=name: getattr(k, name)(X, X, reduction="max"), ValueError, f"^{name}: reduction is 'max'")
        for name in SOFT
    ),
    *(
        (lambda k, name=name: getattr(k, name)(X[:, :0], X[:, :0]), ValueError, f"^{name}: .*only N may be 0")
        for name in SOFT
    ),
    (lambda k: k.huber(X, X, delta=0), ValueError, "^huber: delta is 0, needed: 0 < delta"),
    (lambda k: k.huber(X, X, delta=-1.0), ValueError, r"^huber: delta is -1\.0"),
    (lambda k: k.huber(X, X, delta=np.nan), ValueError, "^huber: delta is nan"),
    (lambda k: k.huber(X, X, delta=np.inf), ValueError, "^huber: delta is inf"),
    (lambda k: k.huber(X, X, delta="1"), TypeError, "^huber: delta is '1'"),
    (
        lambda k: k.binary_cross_entropy_with_logits(X, changed(X, (1, 2), 1.5)),
        ValueError,
        r"target\[1, 2\] is 1\.5, needed are values from 0 to 1",
    ),
    (lambda k: k.binary_cross_entropy_with_logits(X, -X), ValueError, r"target\[0, 0\] is -0\.25"),
    (lambda k: k.categorical_cross_entropy(changed(X, (2, 1), 0.5), X), ValueError, r"\[2\] has the sum 1\.25"),
    (lambda k: k.categorical_cross_entropy(4 * X, X), ValueError, r"prediction\[0\] has the sum 4.*softmax_cross"),
    (lambda k: k.categorical_cross_entropy(changed(X, (2, 1), -0.1), X), ValueError, r"prediction\[2, 1\] is -0\.1"),
    (lambda k: k.categorical_cross_entropy(changed(X, (2, 1), 1.5), X), ValueError, r"prediction\[2, 1\] is 1\.5"),
    (lambda k: k.categorical_cross_entropy(X, 5 * X), ValueError, r"target\[0, 0\] is 1\.25"),
    (lambda k: k.categorical_cross_entropy(X[0], X[0]), ValueError, "prediction has 1 axes"),
    (lambda k: k.categorical_cross_entropy(X, LABELS), ValueError, r"\(3, 4\) is needed: for labels np\.eye\(4, "),
    (lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=W[:3]), ValueError, r"class_weight has shape \(3,\)"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=-W), ValueError, r"class_weight\[0\] is -1\.0"),
    (
        lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=changed(W, 2, np.nan)),
        ValueError,
        r"class_weight\[2\] is nan, needed are finite weights",
    ),
    (lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=np.inf * W), ValueError, r"class_weight\[0\] is inf"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=W.astype(float)), TypeError, "class_weight is float64"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, class_weight=[1.0] * 4), TypeError, "class_weight is a list"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, label_smoothing=1.1), ValueError, r"label_smoothing is 1\.1"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, label_smoothing=-0.1), ValueError, r"label_smoothing is -0\.1"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, label_smoothing=np.nan), ValueError, "label_smoothing is nan"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, label_smoothing=True), TypeError, "label_smoothing is True"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, ignore_index=1.0), TypeError, r"ignore_index is 1\.0"),
    (lambda k: k.softmax_cross_entropy(X, LABELS, ignore_index=2**63), ValueError, "ignore_index is 922.*64 bits"),
    (lambda k: k.softmax_cross_entropy(X, LABELS[:, None]), ValueError, r"\(3,\): target\.reshape\(-1\)"),
    (lambda k: k.softmax_cross_entropy(X, X, ignore_index=2), ValueError, "ignore_index is 2 with soft targets"),
    (lambda k: k.softmax_cross_entropy(X, LABELS - 1), ValueError, r"target\[0\] = -1, .* 0 to 3"),
    (lambda k: k.softmax_cross_entropy(X, LABELS + 1, ignore_index=1), ValueError, r"target\[1\] = 4, .* 0 to 3"),
    (lambda k: k.softmax_cross_entropy(X, X, class_weight=W.astype(float)), TypeError, "class_weight is float64"),
]


@both
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[2])
def test_wrong_arguments_are_refused(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    assert_refused(error, message, lambda: call(kernels), X, LABELS, W)


@both
def test_labels_of_any_integer_dtype(kernels: types.ModuleType) -> None:
    expected, _ = kernels.softmax_cross_entropy(X, LABELS, reduction="none")
    for dtype in (np.int8, np.uint8, np.uint64, np.dtype(">i4")):
        for ignored in (-100, 255):
            losses, _ = kernels.softmax_cross_entropy(X, LABELS.astype(dtype), ignore_index=ignored, reduction="none")
            np.testing.assert_array_equal(losses, expected)
    left_out = np.array([255, 3, 1], np.uint8)
    losses, _ = kernels.softmax_cross_entropy(X, left_out, ignore_index=255, reduction="none")
    np.testing.assert_array_equal(losses, expected * [0, 1, 1])
