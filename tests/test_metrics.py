"""Metrics: hand values, sums written out sample by sample, and what compile, fit and evaluate do with them."""

import math

import numpy as np
import pytest
from model_helpers import small_data, small_model

import fastnn as fn
from fastnn.metrics import (
    F1,
    R2,
    Accuracy,
    MeanAbsoluteError,
    Metric,
    Precision,
    Recall,
    RootMeanSquaredError,
    TopKAccuracy,
    confusion_matrix,
)

# Seven samples of three classes; taken are the classes 0 0 1 1 2 2 0.
LABELS = np.array([0, 0, 0, 1, 1, 2, 2])
SCORES = np.array(
    [[5, 1, 0], [2, 1, 1], [0, 3, 1], [1, 4, 3], [1, 2, 6], [0, 1, 9], [4, 2, 3]], dtype=np.float32
)
MATRIX = [[2, 1, 0], [0, 1, 1], [1, 0, 1]]
# By hand from the matrix: found / column sum, found / row sum, 2 found / (column + row).
VALUES = {
    Precision: [2 / 3, 1 / 2, 1 / 2],
    Recall: [2 / 3, 1 / 2, 1 / 2],
    F1: [4 / 6, 2 / 4, 2 / 4],
}


def random_case(seed=3, n=60, classes=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, classes)), rng.integers(0, classes, n), rng.random(n)


def test_confusion_matrix():
    np.testing.assert_array_equal(confusion_matrix(LABELS, SCORES), MATRIX)
    np.testing.assert_array_equal(confusion_matrix(LABELS, SCORES.argmax(axis=1)), MATRIX)
    np.testing.assert_array_equal(confusion_matrix(np.eye(3)[LABELS], SCORES, 3), MATRIX)
    assert confusion_matrix(LABELS, SCORES).dtype == np.int64
    wide = confusion_matrix(LABELS, SCORES.argmax(axis=1), 5)
    np.testing.assert_array_equal(wide[:3, :3], MATRIX)
    assert wide.shape == (5, 5) and wide.sum() == 7
    weighted = confusion_matrix(LABELS, SCORES, sample_weight=[0.5, 0, 0, 0, 0, 2, 0])
    np.testing.assert_array_equal(weighted, [[0.5, 0, 0], [0, 0, 0], [0, 0, 2]])
    # Labels of one byte: 250 * 256 + 251 does not fit into one.
    narrow = confusion_matrix(np.array([250], np.uint8), np.array([251], np.uint8), 256)
    assert narrow[250, 251] == narrow.sum() == 1


@pytest.mark.parametrize("metric", [Precision, Recall, F1])
def test_hand_values(metric):
    values = np.array(VALUES[metric])
    np.testing.assert_allclose(metric(average=None)(SCORES, LABELS), values)
    assert metric()(SCORES, LABELS) == pytest.approx(values.mean())
    assert metric(average="micro")(SCORES, LABELS) == pytest.approx(4 / 7)
    assert metric(average="weighted")(SCORES, LABELS) == pytest.approx(values @ [3, 2, 2] / 7)


def test_precision_and_recall_are_told_apart():
    # Taken: 0 0 0 1. Precision of class 1 is 1, its recall 1/3.
    p, t = np.eye(2)[[0, 0, 0, 1]], np.array([0, 1, 1, 1])
    np.testing.assert_allclose(Precision(average=None)(p, t), [1 / 3, 1])
    np.testing.assert_allclose(Recall(average=None)(p, t), [1, 1 / 3])
    np.testing.assert_allclose(F1(average=None)(p, t), [1 / 2, 1 / 2])
    assert Precision(average="binary")(p, t) == 1
    assert Recall(average="binary")(p, t) == pytest.approx(1 / 3)
    # The same as one output, the probability of class 1.
    assert Precision()(p[:, 1:], t) == 1
    assert Recall()(p[:, 1], t[:, None]) == pytest.approx(1 / 3)
    assert Accuracy()(p[:, 1], t) == Accuracy()(p, t) == 1 / 2


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
@pytest.mark.parametrize("weighted", [False, True])
def test_rates_are_those_of_sums_over_the_samples(average, weighted):
    scores, labels, weights = random_case()
    labels[labels == 2] = 1  # class 2 is taken, but no sample is of it
    w = weights if weighted else np.ones(60)
    found, taken, true = np.zeros(4), np.zeros(4), np.zeros(4)
    for score, label, weight in zip(scores, labels, w, strict=True):
        best = max(range(4), key=lambda k: score[k])
        found[label] += weight * (best == label)
        taken[best] += weight
        true[label] += weight
    if average == "micro":
        found, taken, true = ([a.sum()] for a in (found, taken, true))
    fractions = {
        Precision: [(f, k) for f, k in zip(found, taken, strict=True)],
        Recall: [(f, k) for f, k in zip(found, true, strict=True)],
        F1: [(2 * f, a + b) for f, a, b in zip(found, taken, true, strict=True)],
    }
    for metric, pairs in fractions.items():
        expected = np.array([a / b if b else 1.0 for a, b in pairs])
        if average == "weighted":
            expected = expected @ np.array(true) / sum(true)
        elif average is not None:
            expected = expected.mean()
        actual = metric(average=average, zero_division=1)(scores, labels, weights if weighted else None)
        np.testing.assert_allclose(actual, expected, rtol=1e-12, err_msg=metric.__name__)


def test_classes_that_nobody_has_seen():
    p, t = np.eye(4)[[0, 1, 1]], np.array([0, 1, 2])
    np.testing.assert_allclose(Recall(average=None)(p, t), [1, 1, 0, 0])
    assert Recall()(p, t) == pytest.approx(2 / 3)  # class 3 has no part in it, as in scikit-learn
    np.testing.assert_allclose(Precision(average=None, zero_division=1)(p, t), [1, 1 / 2, 1, 1])
    assert Precision()(np.array([0.1, 0.2]), np.array([0, 1])) == 0.0
    assert Precision(zero_division=1.0)(np.array([0.1, 0.2]), np.array([0, 1])) == 1.0


def test_yes_or_no_outputs():
    p, t = np.array([[0.9, 0.2], [0.6, 0.7], [0.4, 0.8]]), np.array([[1, 0], [0, 1], [1, 0]])
    assert Accuracy(threshold=0.5)(p, t) == pytest.approx(3 / 6)
    assert Accuracy(threshold=0.5)(p, t, [1, 0, 0]) == 1
    np.testing.assert_allclose(Precision(threshold=0.5, average=None)(p, t), [1 / 2, 1 / 2])
    np.testing.assert_allclose(Recall(threshold=0.3, average=None)(p, t), [1, 1])
    assert F1(threshold=0.65, average="micro")(p, t) == pytest.approx(2 * 2 / (3 + 3))


def test_accuracy_and_top_k():
    assert Accuracy()(SCORES, LABELS) == pytest.approx(4 / 7)
    assert Accuracy()(SCORES, LABELS, [1, 1, 1, 0, 0, 0, 0]) == pytest.approx(2 / 3)
    assert TopKAccuracy(1)(SCORES, LABELS) == pytest.approx(4 / 7)
    assert TopKAccuracy(2)(SCORES, LABELS) == pytest.approx(6 / 7)
    assert TopKAccuracy(2)(SCORES, LABELS, [0, 0, 1, 0, 0, 0, 3]) == pytest.approx(3 / 4)
    assert TopKAccuracy(3)(SCORES, np.eye(3)[LABELS]) == 1
    # The first of equal outputs comes first, as for argmax.
    np.testing.assert_array_equal([TopKAccuracy(2)(np.ones((1, 3)), [k]) for k in range(3)], [1, 1, 0])
    assert TopKAccuracy(2)(np.full((1, 3), np.nan), [0]) == 0


def test_ignored_labels_have_no_part():
    t = np.array([0, -1, 0, 1, -1, 2, 2])
    keep = t >= 0
    for metric in (Accuracy, F1, TopKAccuracy):
        options = {"k": 2} if metric is TopKAccuracy else {}
        expected = metric(**options)(SCORES[keep], t[keep])
        assert metric(**options, ignore_index=-1)(SCORES, t) == pytest.approx(expected)
        assert metric(**options, ignore_index=-1)(SCORES, t, keep * 2.0) == pytest.approx(expected)
        assert math.isnan(metric(**options, ignore_index=-1)(SCORES, np.full(7, -1)))


def test_regression():
    p, t = np.array([[1.0, 2], [3, 0], [2, 5]], np.float32), np.array([[1, 0], [1, 1], [4, 5]])
    assert MeanAbsoluteError()(p, t) == pytest.approx((0 + 2 + 2 + 1 + 2 + 0) / 6)
    assert RootMeanSquaredError()(p, t) == pytest.approx(math.sqrt((4 + 4 + 1 + 4) / 6))
    # Column 0: squares 0 + 4 + 4 of 1 + 1 + 4 around 2; column 1: 4 + 1 + 0 of 4 + 1 + 9 around 2.
    assert R2()(p, t) == pytest.approx(((1 - 8 / 6) + (1 - 5 / 14)) / 2)
    assert MeanAbsoluteError()(p[:, 0], t[:, :1]) == pytest.approx(4 / 3)
    assert R2()(t, t) == 1 and R2()(np.full((3, 2), 2.0), t) == pytest.approx(0)


@pytest.mark.parametrize("metric", [MeanAbsoluteError(), RootMeanSquaredError(), R2()])
def test_whole_weights_are_repeated_samples(metric):
    rng = np.random.default_rng(0)
    p, t, times = rng.standard_normal((9, 2)), rng.standard_normal((9, 2)), rng.integers(0, 4, 9)
    expected = metric(np.repeat(p, times, axis=0), np.repeat(t, times, axis=0))
    assert metric(p, t, times) == pytest.approx(expected, rel=1e-12)
    assert metric(p, t, times / 7) == pytest.approx(expected, rel=1e-12)


def test_r2_of_targets_that_are_all_the_same():
    t = np.full(3, 0.1)  # whose mean, summed in floats, is another number
    assert R2()(t, t) == 1
    assert R2()(t + 0.5 * np.eye(3)[2], t) == 0
    assert math.isnan(R2()(t[:1], t[:1]))


def test_float32_is_summed_in_float64():
    p, t = np.array([1e25, 0], np.float32), np.zeros(2, np.float32)
    assert RootMeanSquaredError()(p, t) == pytest.approx(1e25 / math.sqrt(2), rel=1e-6)


class Largest(Metric):
    name = "largest"

    def __call__(self, predictions, targets, sample_weight=None):
        return predictions.max()


class Nameless(Metric):
    def __call__(self, predictions, targets, sample_weight=None):
        return 0.0


def test_evaluate_measures_what_compile_was_given():
    x, y = small_data(21)
    model = small_model()
    metrics = ["accuracy", "top_k", "f1", Precision(average="micro", name="micro"), Largest()]
    model.compile("adam", "softmax_cross_entropy", metrics)
    outputs = model.predict(x)
    found = model.evaluate(x, y, batch_size=4)
    expected = {
        "accuracy": Accuracy()(outputs, y),
        "top_k": 1.0,
        "f1": F1()(outputs, y),
        "micro": Accuracy()(outputs, y),
        "largest": outputs.max(),
    }
    loss = found.pop("loss")
    assert loss > 0
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)
    assert all(type(value) is float for value in found.values())


def test_evaluate_measures_regression():
    x, _ = small_data(21)
    y = np.random.default_rng(4).standard_normal((21, 5))
    model = small_model(loss="sum_squared_error")
    model.compile("adam", "sum_squared_error", ["mae", "rmse", "r2"])
    found, error = model.evaluate(x, y), model.predict(x) - y
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert found == pytest.approx(
        {
            "loss": 0.5 * (error**2).sum() / 21,
            "mae": np.abs(error).mean(),
            "rmse": np.sqrt((error**2).mean()),
            "r2": (1 - (error**2).sum(axis=0) / spread).mean(),
        }
    )


def test_fit_measures_the_outputs_of_its_steps():
    x, y = small_data(21)
    model, twin = small_model(), small_model()
    model.compile(fn.SGD(0.1), "softmax_cross_entropy", ["accuracy", "f1"])
    twin.compile(fn.SGD(0.1), "softmax_cross_entropy")
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0, validation_data=(x[:9], y[:9]))
    outputs = []
    for start in (0, 8, 16):
        outputs.append(twin.predict(x[start : start + 8]))
        twin.train_step(x[start : start + 8], y[start : start + 8])
    assert history["f1"] == [pytest.approx(F1()(np.concatenate(outputs), y))]
    assert history["accuracy"] == [pytest.approx(Accuracy()(np.concatenate(outputs), y))]
    assert history["val_f1"] == [pytest.approx(F1()(model.predict(x[:9]), y[:9]))]


def test_samples_that_the_loss_leaves_out():
    x, y = small_data(21)
    y[::3] = 7
    model = small_model()
    model.compile("adam", fn.losses.SoftmaxCrossEntropy(ignore_index=7), ["accuracy", "f1", "top_k"])
    outputs, counts = model.predict(x), y != 7
    found = model.evaluate(x, y)
    assert found["accuracy"] == pytest.approx(Accuracy()(outputs[counts], y[counts]))
    assert found["f1"] == pytest.approx(F1()(outputs[counts], y[counts]))
    assert found["top_k"] == 1


def test_outputs_that_are_logits_of_yes():
    x, y = small_data(21)
    model = small_model(layers=[fn.Flatten(), fn.Dense(1)], loss="sum_squared_error")
    model.compile("adam", "binary_cross_entropy_with_logits", ["accuracy", "precision"])
    yes, true = model.predict(x)[:, 0] > 0, y > 2
    found = model.evaluate(x, true)
    assert found["accuracy"] == pytest.approx((yes == true).mean())
    assert found["precision"] == pytest.approx((yes & true).sum() / yes.sum())


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ("f1", TypeError, r"compile: metrics is 'f1', a list is needed"),
        (Accuracy(), TypeError, r"compile: metrics is Accuracy\(.*, a list is needed"),
        ([Accuracy], TypeError, "compile: metrics has <class"),
        ([len], TypeError, "compile: metrics has <built-in"),
        (["auc"], ValueError, "compile: metrics is 'auc', needed is one of 'accuracy', 'top_k'"),
        (["f1", F1(average="micro")], ValueError, "two metrics are called 'f1': give one a name="),
        ([F1(name="loss")], ValueError, "a metric is called 'loss', as what fit tells itself"),
        ([F1(name="lr")], ValueError, "a metric is called 'lr'"),
        ([Recall(average=None)], ValueError, '"recall" has average None'),
        ([Recall(average="binary")], ValueError, 'average "binary".*the last layer gives \\(5,\\)'),
        ([TopKAccuracy(6)], ValueError, '"top_k" needs a loss over at least 6 classes'),
        (["mae"], ValueError, "'mae' compares outputs with targets"),
        (None, TypeError, "compile: metrics is None, a list"),
        ([Nameless()], TypeError, "compile: metrics has <.*, which has no name"),
        ([Recall(threshold=0.5)], ValueError, '"recall" has the threshold 0.5, .* leave it out'),
    ],
)
def test_metrics_that_compile_refuses(metrics, error, message):
    model = small_model()
    with pytest.raises(error, match=message):
        model.compile("adam", "softmax_cross_entropy", metrics)
    assert [metric.name for metric in model._metrics] == ["accuracy"]


@pytest.mark.parametrize("name", ["accuracy", "top_k", "precision", "recall", "f1"])
def test_metrics_of_classes_need_classes(name):
    with pytest.raises(ValueError, match="needs a loss over classes, sum_squared_error is none"):
        small_model(loss="sum_squared_error").compile("adam", "sum_squared_error", [name])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F1(average="mean"), ValueError, "F1: average is 'mean'"),
        (lambda: F1(zero_division=2), ValueError, "F1: zero_division is 2"),
        (lambda: F1(threshold="high"), TypeError, "F1: threshold is 'high'"),
        (lambda: TopKAccuracy(0), ValueError, "TopKAccuracy: k is 0"),
        (lambda: Accuracy()(SCORES, LABELS[:3]), ValueError, r"accuracy: .*\(7, 3\) and targets \(3,\)"),
        (lambda: Accuracy()(SCORES[:0], LABELS[:0]), ValueError, "accuracy: predictions has no samples"),
        (lambda: Accuracy()(SCORES, LABELS + 1), ValueError, r"accuracy: targets\[5\] is class 3, from 0 to 2"),
        (lambda: Accuracy()(SCORES, LABELS * 1.0), TypeError, "accuracy: targets has dtype float64"),
        (lambda: Accuracy()(SCORES, np.eye(4)[LABELS]), ValueError, r"targets has shape \(7, 4\)"),
        (lambda: Accuracy(threshold=0)(SCORES, LABELS), ValueError, r"accuracy: .*\(N, outputs\) for both"),
        (lambda: Accuracy()(SCORES, LABELS, np.ones(6)), ValueError, r"sample_weight has shape \(6,\), \(7,\)"),
        (lambda: Accuracy()(SCORES, LABELS, -np.ones(7)), ValueError, "sample_weight has to be finite"),
        (lambda: Accuracy()(SCORES, LABELS, np.zeros(7)), ValueError, "sample_weight has to be finite"),
        (lambda: TopKAccuracy(4)(SCORES, LABELS), ValueError, r"predictions has shape \(7, 3\), \(N, 4 or more\)"),
        (lambda: F1(average="binary")(SCORES, LABELS), ValueError, '"binary" with 3 classes'),
        (lambda: R2()(SCORES, LABELS), ValueError, r"r2: .*\(7, 3\) and targets \(7,\), the same"),
        (lambda: R2()(LABELS.astype(str), LABELS), TypeError, "r2: predictions has dtype"),
        (lambda: confusion_matrix(LABELS, SCORES.argmax(axis=1), 2), ValueError, r"targets\[5\] is class 2"),
        (lambda: confusion_matrix(LABELS - 1, LABELS), ValueError, r"targets\[0\] is class -1"),
        (lambda: confusion_matrix(LABELS, SCORES[:, :, None]), ValueError, r"predictions has shape \(7, 3, 1\)"),
        (lambda: confusion_matrix(LABELS, LABELS, 0), ValueError, "classes is 0"),
    ],
)
def test_what_metrics_refuse(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_names():
    assert fn.metrics.F1 is F1
