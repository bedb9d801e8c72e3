"""Losses in a model: values by hand or by the twin, their options, the targets and outputs they take."""

import numpy as np
import pytest
from model_helpers import both_backends, small_data, small_model

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.losses import get

X, LABELS = small_data(21)
RNG = np.random.default_rng(3)
NUMBERS, SHARES = RNG.standard_normal((21, 5)), RNG.random((21, 5))
SOFT = SHARES / SHARES.sum(axis=1, keepdims=True)
WEIGHTS = [0.5, 2.0, 0.0, 1.5, 1.0]

# loss, targets, the twin's options
CASES = {
    "labels": ("softmax_cross_entropy", LABELS, {}),
    "soft": ("softmax_cross_entropy", SOFT, {}),
    "smoothed": (fn.losses.SoftmaxCrossEntropy(label_smoothing=0.2), LABELS, {"label_smoothing": 0.2}),
    "ignored": (fn.losses.SoftmaxCrossEntropy(ignore_index=3), LABELS, {"ignore_index": 3}),
    "ignored outside": (
        fn.losses.SoftmaxCrossEntropy(ignore_index=-1),
        np.where(LABELS == 3, -1, LABELS),
        {"ignore_index": -1},
    ),
    "weighted": (fn.losses.SoftmaxCrossEntropy(class_weight=WEIGHTS), LABELS, {"class_weight": np.array(WEIGHTS)}),
    "categorical": ("categorical_cross_entropy", SOFT, {}),
    "binary": ("binary_cross_entropy_with_logits", SHARES, {}),
    "sum": ("sum_squared_error", NUMBERS, {}),
    "mean": ("mean_squared_error", NUMBERS, {}),
    "huber": (fn.losses.Huber(0.3), NUMBERS, {"delta": 0.3}),
}


def layers(outputs=5, activation=None):
    return [fn.Flatten(), fn.Dense(outputs, activation=activation)]


def model_for(loss, backend="reference", outputs=5):
    name = loss if isinstance(loss, str) else loss.name
    activation = "softmax" if name == "categorical_cross_entropy" else None
    model = fn.Sequential(layers(outputs, activation), (2, 6, 6), seed=1, dtype=np.float64)
    model.backend = backend
    model.compile("sgd", loss)
    return model


@both_backends
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_those_of_the_twin(case, backend):
    loss, targets, options = CASES[case]
    model = model_for(loss, backend)
    name = loss if isinstance(loss, str) else loss.name
    expected, d = getattr(ref, name)(model.predict(X), targets, **options)
    if name == "categorical_cross_entropy":
        d = ref.softmax_backward(d, model.predict(X))
    value, grads = model.gradients(X, targets)
    assert value == pytest.approx(float(expected), rel=1e-10)
    np.testing.assert_allclose(grads["dense/b"], d.sum(axis=0), rtol=1e-9, atol=1e-12)
    assert model.evaluate(X, targets, batch_size=21)["loss"] == pytest.approx(value, rel=1e-10)


def test_values_by_hand():
    output, target = np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]])
    expected = {
        "sum_squared_error": 0.5 * (1 + 4),
        "mean_squared_error": (1 + 4) / 2,
        fn.losses.Huber(1.0): (0.5 + 1.5) / 2,
        fn.losses.Huber(): (0.5 + 1.5) / 2,
    }
    for loss, value in expected.items():
        model = fn.Sequential([fn.Identity()], (2,), dtype=np.float64)
        model.backend = "reference"
        model.compile("sgd", loss)
        assert model.evaluate(output, target)["loss"] == pytest.approx(value)


def test_one_output_takes_targets_without_an_axis():
    for loss, y in (("mean_squared_error", NUMBERS[:, 0]), ("binary_cross_entropy_with_logits", LABELS % 2)):
        model = model_for(loss, outputs=1)
        assert model.evaluate(X, y) == model.evaluate(X, y[:, None])


def test_categorical_cross_entropy_takes_labels():
    model = model_for("categorical_cross_entropy")
    assert model.evaluate(X, LABELS) == model.evaluate(X, np.eye(5)[LABELS])
    counting = model_for("categorical_cross_entropy")
    counting.compile("sgd", "categorical_cross_entropy", metrics=["accuracy"])
    right = (counting.predict_classes(X) == LABELS).mean()
    assert counting.evaluate(X, LABELS)["accuracy"] == pytest.approx(right)


def test_names_and_values():
    for case in CASES.values():
        name = case[0] if isinstance(case[0], str) else case[0].name
        assert get(name).name == name
    assert get("huber") == fn.losses.Huber(delta=1.0)
    assert fn.losses.SoftmaxCrossEntropy(class_weight=np.array([1, 2])).class_weight == (1.0, 2.0)


def test_one_logit_has_two_classes():
    model = model_for("binary_cross_entropy_with_logits", outputs=1)
    logits = model.predict(X)
    assert logits.min() < 0 < logits.max()
    share = ref.sigmoid(logits)
    np.testing.assert_allclose(model.predict_proba(X), np.concatenate([1 - share, share], axis=1), rtol=1e-12)
    np.testing.assert_array_equal(model.predict_classes(X), (logits[:, 0] > 0).astype(int))
    ended = fn.Sequential(layers(1, "sigmoid"), (2, 6, 6), seed=1, dtype=np.float64)
    ended.backend = "reference"
    np.testing.assert_allclose(ended.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(ended.predict_classes(X), model.predict_classes(X))


def test_several_logits_are_questions_of_their_own():
    model = model_for("binary_cross_entropy_with_logits")
    logits = model.predict(X)
    np.testing.assert_allclose(model.predict_proba(X), ref.sigmoid(logits), rtol=1e-12)
    np.testing.assert_array_equal(model.predict_classes(X), (logits > 0).astype(int))


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "error", "message"),
    [
        ("softmax_cross_entropy", 5, np.full(21, 5), ValueError, r"y\[0\] is 5, .*labels from 0 to 4 are needed"),
        (fn.losses.SoftmaxCrossEntropy(ignore_index=-1), 5, np.full(21, -2), ValueError, "or -1 for samples"),
        ("categorical_cross_entropy", 5, SHARES, ValueError, r"fit: y\[0\] has the sum"),
        ("categorical_cross_entropy", 5, 2 * SOFT, ValueError, r"fit: y.* is .*from 0 to 1|fit: y\[\d+\] has the sum"),
        ("categorical_cross_entropy", 5, LABELS.astype(float), TypeError, "integer labels"),
        ("binary_cross_entropy_with_logits", 1, LABELS, ValueError, r"\] is [234][.]0, .* values from 0 to 1"),
        ("binary_cross_entropy_with_logits", 1, np.full(21, np.nan), ValueError, "fit: y has a NaN"),
        ("binary_cross_entropy_with_logits", 5, SHARES[:, :4], ValueError, r"\(21, 4\), \(N, 5\) is needed"),
        ("mean_squared_error", 5, LABELS, ValueError, r"mean_squared_error needs targets \(N, 5\): for labels"),
        ("huber", 1, np.zeros((21, 2)), ValueError, r"\(21, 2\), \(N, 1\) is needed"),
        ("mean_squared_error", 1, np.zeros(20), ValueError, "x has 21 samples but y has 20"),
    ],
)
def test_wrong_targets(loss, outputs, y, error, message):
    model = model_for(loss, outputs=outputs)
    before = model.params["dense/w"].copy()
    with pytest.raises(error, match=message):
        model.fit(X, y, verbose=0)
    np.testing.assert_array_equal(model.params["dense/w"], before)


@pytest.mark.parametrize(
    ("loss", "outputs", "activation", "message"),
    [
        ("softmax_cross_entropy", 5, "log_softmax", "takes logits: leave out the log_softmax"),
        ("softmax_cross_entropy", 1, None, "over one class is always 0.*binary_cross_entropy_with_logits"),
        (fn.losses.SoftmaxCrossEntropy(class_weight=[1, 2]), 5, None, "2 class weights, the model has 5 classes"),
        ("categorical_cross_entropy", 5, None, "takes probabilities, the last layer is dense"),
        ("categorical_cross_entropy", 1, "softmax", "over one class"),
        ("binary_cross_entropy_with_logits", 1, "sigmoid", "takes logits: leave out the sigmoid"),
    ],
)
def test_outputs_that_do_not_suit(loss, outputs, activation, message):
    model = fn.Sequential(layers(outputs, activation), (2, 6, 6))
    with pytest.raises(ValueError, match=f"^compile: .*{message}"):
        model.compile("sgd", loss)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fn.losses.Huber(0), ValueError, "Huber: delta is 0"),
        (lambda: fn.losses.SoftmaxCrossEntropy(label_smoothing=1.5), ValueError, "label_smoothing is 1.5"),
        (lambda: fn.losses.SoftmaxCrossEntropy(ignore_index=1.0), TypeError, "ignore_index is 1.0"),
        (lambda: fn.losses.SoftmaxCrossEntropy(class_weight=2.0), TypeError, "class_weight is 2.0"),
        (lambda: fn.losses.SoftmaxCrossEntropy(class_weight=[1, -1]), ValueError, "class_weight is -1"),
        (lambda: get("hinge"), ValueError, "compile: loss is 'hinge'.*'huber'"),
        (lambda: get(fn.losses.Huber), TypeError, r"loss is the class Huber, .*Huber\(\)"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_regression_of_maps():
    x = RNG.standard_normal((5, 2, 6, 6))
    model = small_model(layers=[fn.Conv2D(2, 3, padding="same")], loss="mean_squared_error")
    value, _ = model.gradients(x, x)
    assert value == pytest.approx(np.mean((model.predict(x) - x) ** 2))
