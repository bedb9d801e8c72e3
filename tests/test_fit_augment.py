"""Augmentation in fit: what each step trains on, what is left alone, what is refused."""

import numpy as np
import pytest
from model_helpers import assert_fit_refused, assert_same, both_backends, small_data, small_model

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.augment import Crop, Cutout, Flip, MixUp, Rotate, Shift
from fastnn.weights import Preparation

SEED = 4
STEPS = [Flip(), Crop(1, fill=0.5), Shift((0, 2)), Rotate(30), Cutout((2, 3)), Flip(False, True)]


def by_hand(x, step):
    stream = {"seed": SEED, "step": step}
    x = ref.flip(x, **stream)
    x = ref.crop(x, 1, fill=0.5, **stream)
    x = ref.shift(x, (0, 2), **stream)
    x = ref.rotate(x, 30, **stream)
    x = ref.cutout(x, (2, 3), **stream)
    return ref.flip(x, horizontal=False, vertical=True, op=1, **stream)


def test_each_step_trains_on_images_changed_anew():
    x, y = small_data(20)
    model, expected = small_model(seed=SEED), small_model(seed=SEED)
    model.fit(x, y, augment=STEPS, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for step in range(6):
        part = slice(8 * (step % 3), 8 * (step % 3) + 8)
        expected.train_step(by_hand(x[part], 1 + step), y[part])
    assert_same(model.params, expected.params)


def test_mixup_mixes_labels_as_rows_of_shares():
    x, y = small_data(20)
    model, expected = small_model(seed=SEED), small_model(seed=SEED)
    history = model.fit(x, y, augment=[MixUp(0.4)], batch_size=10, shuffle=False, verbose=0)
    for step, part in enumerate([slice(10), slice(10, 20)]):
        expected.train_step(*ref.mixup(x[part], np.eye(5)[y[part]], 0.4, seed=SEED, step=1 + step))
    assert_same(model.params, expected.params)
    assert 0 <= history["accuracy"][0] <= 1


def test_mixup_mixes_the_targets_of_a_regression_and_batches_that_come_one_by_one():
    x, _ = small_data(20)
    y = np.random.default_rng(0).standard_normal((20, 5))
    model, streamed, expected = (small_model(loss="mean_squared_error", seed=SEED) for _ in range(3))
    parts = [slice(10), slice(10, 20)]
    model.fit(x, y, augment=[MixUp(0.4)], batch_size=10, shuffle=False, verbose=0)
    streamed.fit(((x[p], y[p]) for p in parts), augment=[MixUp(0.4)], verbose=0)
    for step, part in enumerate(parts):
        expected.train_step(*ref.mixup(x[part], y[part], 0.4, seed=SEED, step=1 + step))
    assert_same(model.params, expected.params)
    assert_same(streamed.params, expected.params)


@both_backends
def test_metrics_compare_with_mixed_targets(backend):
    """They had been compared with those of the samples themselves, which the outputs are not for."""
    x, y = small_data(20)
    model, twin = small_model(backend, seed=SEED), small_model(seed=SEED)
    model.compile("sgd", "mean_squared_error", ["rmse", "mae"])
    twin.compile("sgd", "mean_squared_error")
    y = np.random.default_rng(0).standard_normal((20, 5))
    history = model.fit(x, y, augment=[Flip(), MixUp(0.4)], batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert history["rmse"] == pytest.approx(np.sqrt(history["loss"]))
    outputs, targets = [], []
    for step, part in enumerate([slice(8), slice(8, 16), slice(16, 20)]):
        stream = {"seed": SEED, "step": 1 + step}
        mixed = ref.mixup(ref.flip(x[part], **stream), y[part], 0.4, **stream)
        outputs.append(twin.predict(mixed[0]))
        targets.append(mixed[1])
        twin.train_step(*mixed)
    assert history["mae"][0] == pytest.approx(np.abs(np.concatenate(outputs) - np.concatenate(targets)).mean())


def test_features_may_be_mixed():
    layers = [fn.Dense(3)]
    model = fn.Sequential(layers, input_shape=(4,))
    model.backend = "reference"
    model.compile(optimizer="sgd", loss="softmax_cross_entropy")
    model.fit(np.ones((6, 4)), np.arange(6) % 3, augment=[MixUp(1.0)], verbose=0)
    with pytest.raises(ValueError, match=r"fit: augment has Flip\(.*\), which needs images \(C, H, W\)"):
        model.fit(np.ones((6, 4)), np.arange(6) % 3, augment=[Flip()], verbose=0)


def test_the_compiled_backend_trains_as_the_reference():
    x, y = small_data(20)
    compiled, reference = small_model("compiled", seed=SEED), small_model(seed=SEED)
    for model in (compiled, reference):
        model.fit(x, y, augment=[*STEPS, MixUp(0.4)], epochs=2, batch_size=17, verbose=0)
    assert_same(compiled.params, reference.params, rtol=1e-9, atol=1e-12)


def test_pairs_may_be_lists():
    x, y = small_data(20)
    lists, tuples = small_model("compiled", seed=SEED), small_model("compiled", seed=SEED)
    lists.fit(x, y, augment=[Crop([1, 0]), Rotate([-5, 30]), Cutout([2, 3])], batch_size=17, verbose=0)
    tuples.fit(x, y, augment=[Crop((1, 0)), Rotate((-5, 30)), Cutout((2, 3))], batch_size=17, verbose=0)
    assert_same(lists.params, tuples.params)


def test_only_the_steps_of_fit_are_augmented():
    x, y = small_data(20)
    model, expected = small_model(), small_model()
    history = model.fit(x, y, augment=STEPS, validation_data=(x, y), batch_size=20, verbose=0)
    assert history["val_loss"][0] == model.evaluate(x, y, batch_size=20)["loss"]
    for name, value in expected.params.items():
        value[...] = model.params[name]
    assert model.gradients(x, y)[0] == expected.gradients(x, y)[0]
    assert model.train_step(x, y) == expected.train_step(x, y)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"augment": Flip()}, TypeError, r"fit: augment is Flip\(.*\), a list of steps of fastnn.augment is needed"),
        ({"augment": ["flip"]}, TypeError, r"fit: augment\[0\] is 'flip', a step of fastnn.augment is needed"),
        ({"augment": [Crop(2, size=4)]}, ValueError, r"the model needs images of size \(6, 6\)"),
        ({"augment": [MixUp(1.0)] * 2}, ValueError, "fit: augment has 2 MixUp, one at most is needed"),
        ({"augment": [MixUp(1.0)], "sample_weight": np.ones(20)}, ValueError, "sample_weight and MixUp are both given"),
        ({"augment": [MixUp(1.0)], "class_weight": {0: 2.0}}, ValueError, "class_weight and MixUp are both given"),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_changes(options, error, message):
    assert_fit_refused(error, message, **options)


def test_calls_between_two_steps_are_not_augmented():
    x, y = small_data(20)
    told = []
    model = small_model()

    def compare(*args):
        loss = model.gradients(x, y)[0]
        told.append(model.train_step(x, y) - loss)

    model.fit(x, y, augment=[MixUp(1.0)], callbacks=[fn.LambdaCallback(on_batch_end=compare)], verbose=0)
    assert np.abs(told).max() < 1e-12


def test_labels_of_no_classes_cannot_be_mixed():
    with pytest.raises(ValueError, match="MixUp cannot mix the labels in y, huber is no loss over classes"):
        Preparation(fn.losses.Huber(), (5,), np.dtype(np.float64), mixes=True)("fit", np.arange(3), None)


def test_labels_that_are_left_out_cannot_be_mixed():
    x, y = small_data(20)
    model = small_model()
    model.compile("sgd", fn.losses.SoftmaxCrossEntropy(ignore_index=-1))
    y[3] = -1
    with pytest.raises(ValueError, match="fit: y has the label -1, which is left out, but MixUp mixes all samples"):
        model.fit(x, y, augment=[MixUp(1.0)], verbose=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flip(probability=1.5), "Flip: probability"),
        (lambda: Flip(horizontal=1), "Flip: horizontal"),
        (lambda: Crop(-1), "Crop: padding"),
        (lambda: Crop(1, size=0), "Crop: size"),
        (lambda: Crop(1, fill=np.inf), "Crop: fill"),
        (lambda: Shift(1.5), "Shift: max_shift"),
        (lambda: Rotate(400), "Rotate: degrees"),
        (lambda: Cutout(0), "Cutout: size"),
        (lambda: MixUp(0.0), "MixUp: alpha"),
    ],
)
def test_options_are_checked_where_they_are_written(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
