"""Checkpoints: training that was interrupted goes on with the same bits, or is refused with nothing changed."""

import math

import numpy as np
import pytest
from files import contents, forge
from model_helpers import Array, assert_same, small_data, small_layers, small_model, state_of

import fastnn as fn

EPOCHS = 4
STEPS = 6  # of an epoch: 5 batches of 7 and one of 5


class Interrupt(fn.Callback):
    """A checkpoint and Ctrl-C after the group of steps in which a number of steps is reached."""

    def __init__(self, path, step):
        self.path, self.step = path, step

    def on_progress(self, batch, logs):
        if self.model.training_state.step >= self.step:
            self.model.save_checkpoint(self.path)
            raise KeyboardInterrupt


def callbacks():
    return [fn.EarlyStopping(patience=2), fn.ReduceLROnPlateau(patience=1)]


def make(**options):
    optimizer = fn.Adam(1e-2, schedule=fn.schedules.Cosine(alpha=0.1))
    return small_model(**{"optimizer": optimizer, **options})


def train(model, *, called=None, data=None, **options):
    x, y = small_data(50) if data is None else data
    plan = {"epochs": EPOCHS, "batch_size": 7, "validation_split": 0.2, "verbose": 0, **options}
    return model.fit(x, y, callbacks=callbacks() if called is None else called, **plan)


def interrupted(path, step, model):
    """Train up to a step, and write a checkpoint on the way out."""
    with pytest.raises(KeyboardInterrupt):
        train(model, called=[*callbacks(), Interrupt(path, step)])
    return model


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a checkpoint in the third epoch."""
    path = tmp_path_factory.mktemp("written") / "checkpoint"
    interrupted(path, 2 * STEPS + 1, make())
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, written):
    path = tmp_path / "checkpoint"
    path.write_bytes(written)
    return path


def measured(history):
    return {name: np.array(values) for name, values in history.items() if name != "images_per_second"}


@pytest.mark.parametrize("step", [1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS + 2])
@pytest.mark.parametrize("loaded", [False, True], ids=["built", "loaded"])
def test_training_goes_on_bit_for_bit(tmp_path, step, loaded):
    whole = make()
    expected = measured(train(whole))
    interrupted(tmp_path / "checkpoint", step, make())
    model = fn.load(tmp_path / "checkpoint") if loaded else make()
    model.backend = "reference"
    assert_same(measured(train(model, resume=tmp_path / "checkpoint")), expected)
    assert_same(state_of(model), state_of(whole))


def test_metrics_that_need_the_outputs_of_the_whole_epoch(tmp_path):
    def build():
        model = make()
        model.compile(fn.Adam(1e-2), "softmax_cross_entropy", ["accuracy", fn.metrics.F1(average="macro")])
        return model

    whole = build()
    expected = measured(train(whole))
    interrupted(tmp_path / "checkpoint", STEPS + 2, build())
    model = build()
    assert_same(measured(train(model, resume=tmp_path / "checkpoint")), expected)
    assert_same(state_of(model), state_of(whole))


def test_a_training_that_is_done_can_be_made_longer(tmp_path):
    x, y = small_data(30)
    model, whole = small_model(), small_model()
    model.fit(x, y, epochs=2, verbose=0)
    model.save_checkpoint(tmp_path / "checkpoint")
    before = state_of(model)
    assert model.fit(x, y, epochs=2, verbose=0, resume=tmp_path / "checkpoint").epochs == [1, 2]
    assert_same(state_of(model), before)
    history = model.fit(x, y, epochs=5, verbose=0, resume=tmp_path / "checkpoint")
    expected = whole.fit(x, y, epochs=5, verbose=0)
    assert history.epochs == [1, 2, 3, 4, 5]
    assert history["loss"] == expected["loss"]
    assert_same(state_of(model), state_of(whole))


@pytest.mark.parametrize("kept", [None, 0.02])
def test_the_learning_rate_is_the_checkpoints(tmp_path, kept):
    data = small_data(30)
    whole, model = small_model(), small_model()
    for each in (whole, model):
        if kept is not None:
            each.lr = kept
    whole.fit(*data, epochs=2, verbose=0)
    model.fit(*data, epochs=1, verbose=0)
    model.save_checkpoint(tmp_path / "checkpoint")
    model.lr = 0.5
    model.fit(*data, epochs=2, verbose=0, resume=tmp_path / "checkpoint")
    assert_same(state_of(model), state_of(whole))
    assert model.lr == whole.lr


def test_a_checkpoint_is_a_model_too(tmp_path):
    model = interrupted(tmp_path / "checkpoint", STEPS + 2, make())
    arrays, _ = contents(tmp_path / "checkpoint")
    loaded = fn.load(tmp_path / "checkpoint")
    loaded.backend = "reference"
    assert_same(loaded.params, {name: arrays[f"params/{name}"] for name in model.params})
    assert loaded.training_state.step == model.training_state.step
    assert loaded.training_state.position == 0


REFUSED = {
    "layers": ({"layers": [*small_layers("tanh")]}, {}, r"layers\[0\] was .*ReLU.* there and is .*Tanh.* here"),
    "fewer layers": ({"layers": small_layers()[:3]}, {}, r"layers\[3\] was .*Dense.* there and is nothing here"),
    "more layers": ({"layers": [*small_layers(), fn.Tanh()]}, {}, r"layers\[5\] was nothing there and is .*Tanh"),
    "seed": ({"seed": 1}, {}, "seed was 0 there and is 1 here"),
    "dtype": ({"dtype": np.float32}, {}, 'dtype was "float64" there'),
    "optimizer": ({"optimizer": fn.SGD(0.1)}, {}, "optimizer was .*Adam.* there and is .*SGD.* here"),
    "rate": ({"optimizer": fn.Adam(1e-3, schedule=fn.schedules.Cosine(alpha=0.1))}, {}, "optimizer was"),
    "schedule": ({"optimizer": fn.Adam(1e-2)}, {}, "optimizer was"),
    "batch size": ({}, {"batch_size": 8}, "batch_size 7.*given are.*batch_size 8"),
    "data length": ({}, {"data": small_data(51)}, "samples 40.*given are.*samples 41"),
    "shuffle": ({}, {"shuffle": False}, "seed 0.*given are.*seed None"),
    "drop_last": ({}, {"drop_last": True}, "samples an epoch 40.*given are.*samples an epoch 35"),
    "augmentation": ({}, {"augment": [fn.augment.Flip()]}, "given are.* augment .*flip"),
    "callbacks": ({}, {"called": [fn.EarlyStopping()]}, "callbacks with a state are"),
    "epochs": ({}, {"epochs": 1}, "epochs is 1, .* has finished 2"),
    "initial_epoch": ({}, {"initial_epoch": 1}, "initial_epoch and resume"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_training_is_refused_and_nothing_changes(path, name):
    built, options, message = REFUSED[name]
    model = make(**built)
    model.fit(*small_data(5), verbose=0)
    check_refused(model, path, message, **options)


def check_refused(model, path, message, **options):
    before, progress, history = state_of(model), model.training_state.as_dict(), model.history
    with pytest.raises(ValueError, match=message):
        train(model, resume=path, **options)
    assert_same(state_of(model), before)
    assert model.training_state.as_dict() == progress
    assert model.history is history


def test_another_loss_or_other_metrics_are_refused(path):
    model = make()
    optimizer = model._optimizer
    model.compile(optimizer, fn.losses.SoftmaxCrossEntropy(label_smoothing=0.1), ["accuracy"])
    check_refused(model, path, "loss was")
    model.compile(optimizer, "softmax_cross_entropy")
    check_refused(model, path, "metrics was")


def test_what_is_no_checkpoint(tmp_path):
    model = make()
    model.save(tmp_path / "model")
    check_refused(model, tmp_path / "model", "fit: resume: .*model: it is a saved model, no checkpoint")
    with pytest.raises(OSError, match="missing"):
        train(model, resume=tmp_path / "missing")
    with pytest.raises(TypeError, match="fit: resume: path is 3"):
        train(model, resume=3)
    raw = fn.Sequential(small_layers(), input_shape=(2, 6, 6))
    with pytest.raises(RuntimeError, match="save_checkpoint: the model is not compiled"):
        raw.save_checkpoint(tmp_path / "model")


def setting(**values):
    return lambda arrays, d: d["training"]["dict"].update(values)


def with_predictions(arrays, d):
    arrays["training/given"] = np.zeros((d["training"]["dict"]["samples"], 5), np.float32)
    setting(predictions={"array": "training/given"})(arrays, d)


DAMAGED = {
    "no state": (lambda arrays, d: d.update(training=3), "is no state"),
    "a list": (lambda arrays, d: d.update(training=[1, 2]), "is no state"),
    "a class": (setting(lr={"class": "os.system", "fields": {}}), "none of fastnn's"),
    "a field too few": (lambda arrays, d: d["training"]["dict"].pop("position") and None, "'position'"),
    "a field too many": (setting(more=1), "'more'"),
    "a step below 0": (setting(step=-1), "its step is -1"),
    "a step that is true": (setting(step=True), "its step is True"),
    "an epoch that is a string": (setting(epoch="1"), "its epoch is '1'"),
    "a sum that is a string": (setting(loss_sum="1"), "its loss_sum is '1'"),
    "a flag that is a number": (setting(stopped=1), "its stopped is 1"),
    "an epoch without samples": (setting(samples=0), "its position is . after 0 samples"),
    "a rate that is a string": (setting(lr="1"), "its lr is '1'"),
    "a rate below 0": (setting(lr=-1.0), "its lr is -1.0"),
    "a source that is a number": (setting(source=3), "its source is 3"),
    "a history too long": (
        setting(history={"dict": {"epochs": [1, 2], "history": {"dict": {"loss": [0.5]}}}}),
        "history has not one number for each epoch",
    ),
    "a history of words": (
        setting(history={"dict": {"epochs": [1], "history": {"dict": {"loss": ["low"]}}}}),
        "history has not one number for each epoch",
    ),
    "a history that is a list": (setting(history=[]), "is no state"),
    "callbacks that are a number": (setting(callbacks=1), "is no state"),
    "predictions that are a number": (setting(predictions=1), "its predictions are no array"),
    "a missing array": (setting(predictions={"array": "training/nothing"}), "no array 'training/nothing'"),
    "an array of the model": (setting(predictions={"array": "params/conv2d/b"}), "keys 'array' means nothing"),
    "predictions of another shape": (setting(predictions={"array": "training/callbacks/0/1/weights/dense/b"}), "shape"),
    "predictions of another dtype": (with_predictions, "its predictions have dtype float32, the model has float64"),
    "nested too deeply": (setting(source={"dict": {"a": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}}), "nested more than"),
    "a parameter too few": (lambda arrays, d: arrays.pop("params/dense/b")[:0].any() or None, "no array 'params/d"),
    "a parameter too many": (lambda arrays, d: arrays.update(more=np.zeros(3)), "'more' belongs to no layer"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_forged_state_is_refused_and_nothing_changes(path, name):
    change, message = DAMAGED[name]
    check_refused(make(), forge(path, change), message)


def test_bits_flipped_at_random_are_refused_and_nothing_changes(path, written):
    rng = np.random.default_rng(9)
    model = make()
    for place in rng.integers(0, len(written), 60):
        data = bytearray(written)
        data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        check_refused(model, path, "fit: resume: ")
    path.write_bytes(written)
    train(model, resume=path)


class Keeps(fn.Callback):
    """Keeps whatever it is given."""

    def __init__(self, kept):
        self.kept = kept

    def state(self):
        return self.kept

    def restore(self, state):
        self.kept = state


def same(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Array):
        return isinstance(b, Array) and a.dtype == b.dtype and np.array_equal(a, b) and b.flags.writeable
    return type(a) is type(b) and (a == b or (math.isnan(a) and math.isnan(b)))


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"a": 1, "b": -0.5, "c": None, "d": True, "e": "text", "f": math.inf, "g": math.nan},
        {"lists": [[], [1, 2], [1.5, math.nan], [1, 2.5], [True, None], (1, ("x",)), [10**30]]},
        {"arrays": [np.arange(6, dtype=np.uint8).reshape(2, 3).T, np.zeros((0, 2)), np.array(2.5), np.array([True])]},
        {"dicts": {"class": 1, "fields": 2}, "array": {"array": "x"}, "empty": {}},
    ],
    ids=["empty", "scalars", "lists", "arrays", "dicts"],
)
def test_what_callbacks_keep_comes_back(tmp_path, kept):
    data = small_data(5)
    model = small_model()
    model.fit(*data, callbacks=[Keeps(kept)], verbose=0)
    model.save_checkpoint(tmp_path / "checkpoint")
    callback = Keeps(None)
    model.fit(*data, callbacks=[callback], verbose=0, resume=tmp_path / "checkpoint")
    assert same(kept, callback.kept)


@pytest.mark.parametrize("kept", [{"a": {1: 2}}, {"a": np.array(["x"])}, {"a": object()}, {"a": {1, 2}}])
def test_what_a_callback_cannot_keep_is_an_error_and_the_file_stays(tmp_path, kept):
    path = tmp_path / "checkpoint"
    path.write_text("before")
    model = small_model()
    model.fit(*small_data(5), callbacks=[Keeps(kept)], verbose=0)
    with pytest.raises(TypeError, match="save_checkpoint: training/callbacks/0/1/a"):
        model.save_checkpoint(path)
    assert path.read_text() == "before"
