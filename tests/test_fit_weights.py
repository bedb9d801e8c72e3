"""What samples and classes count in fit, train_step and evaluate."""

import numpy as np
import pytest
from model_helpers import assert_fit_refused, assert_same, both_backends, small_data, small_model

import fastnn as fn

WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5, 1.0])


def weighted(n=20):
    return np.random.default_rng(3).random(n) * 2


@both_backends
def test_the_loss_of_an_epoch_is_the_weighted_mean(backend):
    x, y = small_data(20)
    w = weighted()
    model = small_model(backend, optimizer=fn.SGD(1e-12))
    history = model.fit(x, y, sample_weight=w, batch_size=8, verbose=0)
    each = np.array([model.evaluate(x[k : k + 1], y[k : k + 1])["loss"] for k in range(20)])
    mean = (each * w).sum() / w.sum()
    assert history["loss"][0] == pytest.approx(mean)
    assert model.evaluate(x, y, sample_weight=w, batch_size=7)["loss"] == pytest.approx(mean)
    assert abs(mean - each.mean()) > 1e-3
    assert history["accuracy"][0] == model.evaluate(x, y)["accuracy"]


@both_backends
def test_a_step_with_weights(backend):
    x, y = small_data(20)
    w = weighted()
    model, by_fit = small_model(backend), small_model(backend)
    loss = model.train_step(x, y, sample_weight=w)
    history = by_fit.fit(x, y, sample_weight=w, batch_size="full", shuffle=False, verbose=0)
    assert history["loss"][0] == pytest.approx(loss)
    assert_same(by_fit.params, model.params)
    plain = small_model(backend)
    plain.train_step(x, y)
    assert (plain.params["dense/w"] != model.params["dense/w"]).any()


@pytest.mark.parametrize("given", [WEIGHTS, dict(enumerate(WEIGHTS)), {0: 0.5, 1: 2.0, 2: 0.0, 3: 1.5}])
def test_weights_of_classes_multiply_those_of_samples(given):
    x, y = small_data(20)
    for own in (None, weighted()):
        model, expected = small_model(), small_model()
        model.fit(x, y, class_weight=given, sample_weight=own, verbose=0)
        expected.fit(x, y, sample_weight=WEIGHTS[y] * (1 if own is None else own), verbose=0)
        assert_same(model.params, expected.params)


def test_weights_of_classes_are_those_of_the_loss():
    x, y = small_data(20)
    model, expected = small_model(), small_model()
    expected.compile(fn.Adam(1e-2), fn.losses.SoftmaxCrossEntropy(class_weight=WEIGHTS))
    for other, options in ((model, {"class_weight": WEIGHTS}), (expected, {})):
        other.fit(x, y, batch_size=8, verbose=0, **options)
    assert_same(model.params, expected.params, rtol=1e-9)


def test_classes_of_rows_of_labels_left_out_and_of_one_output():
    x, y = small_data(20)
    rows, labels, expected = (small_model() for _ in range(3))
    expected.fit(x, np.eye(5)[y], sample_weight=WEIGHTS[y], verbose=0)
    rows.fit(x, np.eye(5)[y], class_weight=WEIGHTS, verbose=0)
    assert_same(rows.params, expected.params)
    for other, options in ((labels, {"class_weight": WEIGHTS}), (expected, {"sample_weight": WEIGHTS[y]})):
        other.compile("sgd", fn.losses.SoftmaxCrossEntropy(ignore_index=-100))
        other.params["dense/w"][...] = 0.1
        other.fit(x[1:], np.r_[-100, y[2:]], verbose=0, **{k: v[1:] if len(v) == 20 else v for k, v in options.items()})
    binary, expected = (
        small_model(layers=[fn.Flatten(), fn.Dense(1)], loss="binary_cross_entropy_with_logits") for _ in range(2)
    )
    binary.fit(x, y % 2, class_weight={1: 3.0}, verbose=0)
    expected.fit(x, y % 2, sample_weight=np.where(y % 2, 3.0, 1.0), verbose=0)
    assert_same(binary.params, expected.params)


def test_the_samples_split_off_keep_their_weights():
    x, y = small_data(20)
    w = weighted()
    model, expected = small_model(), small_model()
    found = model.fit(x, y, sample_weight=w, class_weight=WEIGHTS, validation_split=0.25, verbose=0)
    expected.fit(x[:15], y[:15], sample_weight=w[:15], class_weight=WEIGHTS, verbose=0)
    assert_same(model.params, expected.params)
    assert found["val_loss"][0] == pytest.approx(model.evaluate(x[15:], y[15:], sample_weight=w[15:])["loss"])


def test_batches_that_come_one_by_one_are_weighed_by_their_classes():
    x, y = small_data(20)
    w = weighted()
    model, expected = small_model(), small_model()
    parts = [slice(10), slice(10, 20)]
    model.fit(((x[p], y[p], w[p]) for p in parts), class_weight=WEIGHTS, verbose=0)
    expected.fit(x, y, class_weight=WEIGHTS, sample_weight=w, batch_size=10, shuffle=False, verbose=0)
    assert_same(model.params, expected.params)
    with pytest.raises(ValueError, match="fit: sample_weight needs arrays"):
        model.fit(((x[p], y[p]) for p in parts), sample_weight=w, verbose=0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": np.ones(19)}, ValueError, r"fit: sample_weight has shape \(19,\), \(20,\) is needed"),
        ({"sample_weight": np.full(20, -1.0)}, ValueError, "fit: sample_weight has values below 0 or not finite"),
        ({"sample_weight": np.full(20, np.nan)}, ValueError, "fit: sample_weight has values below 0 or not finite"),
        ({"sample_weight": np.zeros(20)}, ValueError, "fit: all samples have the weight 0"),
        ({"class_weight": {5: 1.0}}, ValueError, "fit: class_weight has class 5, the model has 5: from 0 to 4"),
        ({"class_weight": {"a": 1.0}}, TypeError, "fit: class_weight: a class is 'a'"),
        ({"class_weight": {1: -1.0}}, ValueError, r"fit: class_weight\[1\] is -1.0"),
        ({"class_weight": [1.0, 2.0]}, ValueError, r"fit: class_weight has shape \(2,\), \(5,\) is needed"),
        ({"class_weight": [1.0, 2.0, 0, 0, np.nan]}, ValueError, "fit: class_weight is nan"),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_changes(options, error, message):
    assert_fit_refused(error, message, **options)


def test_weights_of_classes_need_classes():
    x, _ = small_data(20)
    model = small_model(loss="mean_squared_error")
    with pytest.raises(ValueError, match="fit: class_weight needs a loss over classes, mean_squared_error"):
        model.fit(x, np.zeros((20, 5)), class_weight={0: 1.0}, verbose=0)


@both_backends
@pytest.mark.parametrize("weights", [None, weighted(50)], ids=["alike", "weighted"])
def test_the_loss_is_the_mean_over_what_counts_whatever_the_batches(backend, weights):
    """Batches of which most samples are left out had counted as much as others."""
    x, y = small_data(50)
    y = np.where(np.arange(50) < 20, -1, y)
    model = small_model(backend)
    model.compile(fn.SGD(1e-12), fn.losses.SoftmaxCrossEntropy(ignore_index=-1, class_weight=WEIGHTS), ["accuracy"])
    used = y >= 0
    counts = WEIGHTS[y[used]] * (1.0 if weights is None else weights[used])
    losses = -np.log(model.predict_proba(x)[used, y[used]])
    expected = pytest.approx((counts * losses).sum() / counts.sum())
    for size in (1, 7, 16, "full"):
        assert model.evaluate(x, y, batch_size=size, sample_weight=weights)["loss"] == expected
        history = model.fit(x, y, batch_size=size, sample_weight=weights, validation_data=(x, y), verbose=0)
        assert history["loss"] == [expected]
        assert history["val_accuracy"] == [(model.predict_classes(x) == y)[used].mean()]
    assert model.evaluate(x, np.full(50, -1))["loss"] == 0
    soft = np.eye(5)[np.abs(y)]
    assert model.evaluate(x, soft, batch_size=7)["loss"] == pytest.approx(model.evaluate(x, soft)["loss"])


def test_a_loss_that_takes_no_weights_says_so_before_anything_changes():
    def plain(prediction, target):
        return np.mean((prediction - target) ** 2), 2 * (prediction - target) / prediction.size

    x, y = small_data(20)
    model = small_model()
    model.compile("sgd", plain)
    model.history = kept = fn.History()
    targets = np.eye(5)[y]
    for function in ("fit", "evaluate", "train_step"):
        with pytest.raises(ValueError, match=f"^{function}: sample_weight: the loss 'function_loss' takes none"):
            getattr(model, function)(x, targets, sample_weight=np.ones(20))
    assert model.history is kept
