"""save and load: the same bits, the same training, classes of one's own, and what goes into the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytest
import safetensors.numpy
from model_helpers import assert_same, copy_of, small_data, small_layers, small_model, state_of

import fastnn as fn
from fastnn import config, container
from fastnn.layers.base import Layer


@numba.njit
def squares(prediction, target):
    difference = prediction - target
    return (difference**2).sum(), 2 * difference


NEEDED = {  # what has no default
    "layers.AdaptiveAvgPool2D": (2,),
    "layers.AvgPool2D": (2,),
    "layers.Concat": (fn.ReLU(), (fn.Dense(2), fn.Tanh())),
    "layers.Conv2D": (3, (2, 3)),
    "layers.ConvTranspose2D": (3, 2),
    "layers.Dense": (4,),
    "layers.DepthwiseConv2D": (3,),
    "layers.Dropout": (0.25,),
    "layers.GroupNorm": (2,),
    "layers.MaxPool2D": (2,),
    "layers.Residual": (fn.Conv2D(2, 1), fn.LeakyReLU(negative_slope=0.5)),
    "losses.FunctionLoss": (squares,),
    "schedules.LinearWarmup": {"schedule": fn.schedules.Cosine(), "steps": 2},
    "schedules.Step": (3,),
}


@dataclass(frozen=True)
class Twice(Layer):
    """A layer of one's own: the activation given, twice."""

    kind = "twice"

    activation: Layer
    note: Any = None

    def lower(self, tape, x, *, name, params: Mapping[str, Any]):
        for k in range(2):
            x = self.activation.lower(tape, x, name=f"{name}/{k}", params={})
        return x


def through_json(value):
    decoder = config.Decoder({"Twice": Twice, "squares": squares})
    return decoder.decode("it", json.loads(json.dumps(config.encode("it", value))))


@pytest.mark.parametrize("name", sorted(config.known()))
def test_every_class_comes_back_as_it_was(name):
    cls, needed = config.known()[name], NEEDED.get(name, ())
    built = cls(**needed) if isinstance(needed, dict) else cls(*needed)
    assert through_json(built) == built


@pytest.mark.parametrize(
    "built",
    [
        fn.Conv2D(3, 3, padding="same", activation="leaky_relu", bias=False, w_init="lecun_uniform"),
        fn.Conv2D(3, (2, 5), padding=((0, 1), (2, 3)), stride=(1, 2), trainable=False),
        fn.Conv2D(2, 4, padding="same", b_init=fn.initializers.Constant(0.5)),
        fn.MaxPool2D(3, stride=2, padding=1),
        fn.Momentum(0.1, weight_decay=1e-4),
        fn.AdamW(schedule=fn.schedules.LinearWarmup(fn.schedules.OneCycle(steps=50), epochs=1.5), clip_norm=1.0),
        fn.losses.SoftmaxCrossEntropy(class_weight=[1, 2.5], ignore_index=-1),
        fn.metrics.F1(average="macro"),
        Twice(fn.Tanh(), note={"a": (1, 2.5, None), "b": np.float32(0.5), "c": float("inf"), "d": np.int64(3)}),
    ],
    ids=lambda built: type(built).__name__,
)
def test_options_come_back_in_their_normal_form(built):
    assert through_json(built) == built


def test_a_loaded_model_gives_the_same_bits_and_trains_on(tmp_path):
    x, y = small_data(20)
    model = small_model("reference", optimizer=fn.Adam(1e-2, weight_decay=1e-3), seed=5)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    model.save(tmp_path / "model")
    loaded = fn.load(tmp_path / "model")
    assert loaded.layers == model.layers
    assert (loaded.input_shape, loaded.seed, loaded.dtype) == (model.input_shape, 5, np.float64)
    assert_same(state_of(loaded), state_of(model))
    loaded.backend = "reference"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    for each in (model, loaded):
        each.fit(x, y, epochs=4, initial_epoch=2, batch_size=8, verbose=0)
    assert loaded.history["loss"] == model.history["loss"]
    assert_same(state_of(loaded), state_of(model))


def test_layers_inside_layers_and_running_statistics(tmp_path):
    x, y = small_data(20)
    layers = [
        fn.Residual(fn.Conv2D(4, 3, padding="same"), fn.BatchNorm(), shortcut=[fn.Conv2D(4, 1), fn.BatchNorm()]),
        fn.Concat(fn.MaxPool2D(2), [fn.AvgPool2D(2), fn.Residual(fn.Tanh())]),
        fn.Dropout(0.5),
        fn.Flatten(),
        fn.Dense(5),
    ]
    model = small_model(layers=layers)
    model.fit(x, y, verbose=0)
    model.class_names = ["a", "b", "c", "d", "e"]
    model.save(tmp_path / "model")
    loaded = fn.load(tmp_path / "model")
    assert loaded.layers == tuple(layers)
    assert loaded.class_names == model.class_names
    assert_same(loaded.states, model.states)
    assert len(loaded.states) == 4 and all(np.any(state != 0) for state in loaded.states.values())
    loaded.backend = "reference"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.train_step(x, y) == model.train_step(x, y)  # with the same samples dropped
    assert_same(loaded.states, model.states)


def test_without_the_optimizer_training_starts_anew(tmp_path):
    x, y = small_data(20)
    model = small_model()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model", include_optimizer=False)
    loaded = fn.load(tmp_path / "model")
    assert_same(loaded.params, model.params)
    state = state_of(loaded)
    assert not state["slots"].any() and not state["counters"].any()
    assert not any(name.startswith("slots") for name in safetensors.numpy.load_file(tmp_path / "model"))


def test_a_model_that_is_not_compiled(tmp_path):
    x, _ = small_data(4)
    model = fn.Sequential(small_layers(), input_shape=(2, 6, 6), dtype=np.float64)
    model.save(tmp_path / "raw")
    small_model().save(tmp_path / "compiled")
    for loaded in (fn.load(tmp_path / "raw"), fn.load(tmp_path / "compiled", compile=False)):
        loaded.backend = model.backend = "reference"
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
        with pytest.raises(RuntimeError, match="not compiled"):
            loaded.evaluate(x, np.zeros(4, int))


def test_the_file_is_plain_safetensors_and_the_same_every_time(tmp_path):
    model = small_model()
    model.save(tmp_path / "a")
    model.save(str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    arrays = safetensors.numpy.load_file(tmp_path / "a")
    assert_same({name: arrays[f"params/{name}"] for name in model.params}, model.params)
    with container.opened(tmp_path / "a") as file:
        assert file.description["model"]["layers"][1]["class"] == "layers.MaxPool2D"


def test_a_layer_of_ones_own_needs_custom_objects(tmp_path):
    x, _ = small_data(4)
    layers = [Twice(fn.LeakyReLU(negative_slope=0.5)), fn.Flatten(), fn.Dense(5)]
    model = small_model(layers=layers)
    model.save(tmp_path / "model")
    loaded = fn.load(tmp_path / "model", custom_objects={"Twice": Twice})
    loaded.backend = "reference"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    with pytest.raises(ValueError, match=r"load: .*model: layers\[0\] is the class 'Twice', .*custom_objects"):
        fn.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"layers\[0\]: custom_objects\['Twice'\] is no dataclass"):
        fn.load(tmp_path / "model", custom_objects={"Twice": print})
    with pytest.raises(TypeError, match="custom_objects is a list"):
        fn.load(tmp_path / "model", custom_objects=[Twice])
    with pytest.raises(TypeError, match="'Twice'"):
        fn.load(tmp_path / "model", custom_objects={"Twice": 3})


def test_what_an_initializer_of_ones_own_gave_is_kept(tmp_path):
    model = small_model(layers=[fn.Flatten(), fn.Dense(5, w_init=lambda rng, shape, *_: np.full(shape, 0.25))])
    before = copy_of(model.params)
    model.save(tmp_path / "model")
    loaded = fn.load(tmp_path / "model")
    assert_same(loaded.params, before)
    assert loaded.layers[1].w_init == fn.Dense(5).w_init


def test_what_cannot_be_saved_is_an_error_and_the_file_stays(tmp_path):
    path = tmp_path / "model"
    path.write_text("before")
    model = small_model(layers=[Twice(fn.ReLU(), note=object()), fn.Flatten(), fn.Dense(5)])
    with pytest.raises(TypeError, match=r"save: layers\[0\].note is <object"):
        model.save(path)
    deep = fn.ReLU()
    for _ in range(config.MAX_DEPTH):
        deep = Twice(fn.ReLU(), note=deep)
    with pytest.raises(ValueError, match="nested more than"):
        small_model(layers=[deep, fn.Flatten(), fn.Dense(5)]).save(path)
    long = Twice(fn.ReLU(), note="x" * container.MAX_HEADER)
    with pytest.raises(ValueError, match="at most 8388608 can be saved"):
        small_model(layers=[long, fn.Flatten(), fn.Dense(5)]).save(path)
    assert path.read_text() == "before"
    with pytest.raises(TypeError, match="path is 3"):
        model.save(3)
    with pytest.raises(OSError, match="no/such"):
        small_model().save(tmp_path / "no/such/folder")
