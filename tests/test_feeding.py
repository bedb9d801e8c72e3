"""Data that is no array: generators, iterables, Sequences of batches and Datasets of samples."""

import itertools

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, order_of, small_data, small_model, state_of

import fastnn as fn
from fastnn import images, sources
from fastnn.streams import Stream

X, Y = small_data(20)
V, W = small_data(10, seed=5)


def batches(x=X, y=Y, size=6, weights=None):
    for k in range(0, len(x), size):
        part = slice(k, k + size)
        yield (x[part], y[part]) if weights is None else (x[part], y[part], weights[part])


class Loader:
    """Can be iterated anew, as a DataLoader."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs

    def __iter__(self):
        return batches(*self.args, **self.kwargs)


class Sequence:
    """Numbered batches, as Keras has them."""

    def __init__(self, size=6, n=20):
        self.items, self.ended = list(batches(X[:n], Y[:n], size)), 0

    def __len__(self):
        return len(self.items)

    def __getitem__(self, k):
        return self.items[k]

    def on_epoch_end(self):
        self.ended += 1


class Dataset:
    """Numbered samples, as PyTorch has them."""

    def __len__(self):
        return 20

    def __getitem__(self, k):
        return X[k], Y[k]


def unshuffled(epochs=2, size=6, **options):
    model = small_model()
    model.fit(X, Y, epochs=epochs, batch_size=size, shuffle=False, verbose=0, **options)
    return model


def measured(model):
    return {name: values for name, values in model.history.items() if name != "images_per_second"}


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (Loader(), {}),
        (Loader(), {"steps_per_epoch": 4}),
        (itertools.cycle(list(batches())), {"steps_per_epoch": 4}),
        (itertools.chain(batches(), batches()), {"steps_per_epoch": 4}),
        (Sequence(), {"shuffle": False}),
        (Sequence(), {"shuffle": False, "steps_per_epoch": 4}),
        (Dataset(), {"shuffle": False, "batch_size": 6}),
    ],
    ids=["iterable", "iterable with steps", "endless", "two epochs", "sequence", "sequence with steps", "dataset"],
)
def test_the_same_batches_give_the_same_bits(data, options):
    model, expected = small_model(), unshuffled()
    model.fit(data, epochs=2, verbose=0, **options)
    assert_same(state_of(model), state_of(expected))
    assert measured(model) == measured(expected)


@both_backends
def test_compiled_batches_of_all_sizes(backend):
    model, expected = small_model(backend), small_model(backend)
    model.fit(Loader(), epochs=2, verbose=0)
    for _, (x, y) in itertools.product(range(2), batches()):
        expected.train_step(x, y)
    assert_same(model.params, expected.params)


def test_samples_are_shuffled_as_those_of_arrays():
    a, b = small_model(seed=3), small_model(seed=3)
    a.fit(Dataset(), epochs=2, batch_size=8, verbose=0)
    b.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    assert_same(state_of(a), state_of(b))
    a.fit(Dataset(), batch_size=8, drop_last=True, verbose=0)
    b.fit(X, Y, batch_size=8, drop_last=True, verbose=0)
    assert_same(state_of(a), state_of(b))
    assert state_of(a)["counters"].tolist() == [8, 3]


def test_a_small_last_batch_of_samples_has_the_bits_of_arrays():
    a, b = small_model("compiled", seed=3), small_model("compiled", seed=3)
    a.fit(Dataset(), batch_size=19, verbose=0)
    b.fit(X, Y, batch_size=19, verbose=0)
    assert_same(state_of(a), state_of(b))
    assert a.evaluate(Dataset(), batch_size=19) == b.evaluate(X, Y, batch_size=19)


def test_the_batches_of_a_sequence_are_shuffled_as_a_whole():
    model, expected, sequence = small_model(seed=3), small_model(seed=3), Sequence()
    model.fit(sequence, epochs=2, verbose=0)
    for epoch in range(2):
        for k in order_of(3, epoch, 4):
            expected.train_step(*sequence[k])
    assert_same(model.params, expected.params)
    assert sequence.ended == 2


def test_an_iterator_of_one_epoch():
    model = small_model()
    model.fit(batches(), verbose=0)
    assert_same(state_of(model), state_of(unshuffled(epochs=1)))


def test_an_iterator_goes_on_from_epoch_to_epoch_and_an_iterable_begins_anew():
    """Three steps an epoch of four batches: the second epoch begins with the fourth."""
    model, expected = small_model(), small_model()
    model.fit(Loader(), epochs=2, steps_per_epoch=3, verbose=0)
    for x, y in itertools.islice(itertools.cycle(list(batches())), 6):
        expected.train_step(x, y)
    assert_same(model.params, expected.params)


@pytest.mark.parametrize("form", ["iterable", "sequence", "iterator", "arrays"])
def test_validation(form):
    data = {
        "iterable": Loader(V, W),
        "sequence": list(batches(V, W)),
        "iterator": itertools.cycle(list(batches(V, W))),
        "arrays": (V, W),
    }[form]
    if form == "sequence":
        data = type("Numbered", (), {"__len__": lambda self: 2, "__getitem__": lambda self, k, b=data: b[k]})()
    options = {"validation_steps": 2} if form == "iterator" else {}
    model, expected = small_model(), unshuffled(validation_data=(V, W))
    model.fit(Loader(), epochs=2, validation_data=data, verbose=0, **options)
    assert list(measured(model)) == list(measured(expected))
    for name in ("val_loss", "val_accuracy"):
        assert model.history[name] == pytest.approx(expected.history[name], rel=1e-12)


def test_evaluate_and_predict():
    model = small_model()
    expected = model.evaluate(X, Y)
    for data in (Loader(), Sequence(), Dataset(), batches()):
        assert model.evaluate(data) == pytest.approx(expected, rel=1e-12)
    first = model.evaluate(X[:12], Y[:12])
    assert model.evaluate(itertools.cycle(list(batches())), steps=2) == pytest.approx(first, rel=1e-12)
    outputs = model.predict(X)
    for data in (Loader(), Sequence(), Dataset(), batches(), (x for x, _ in batches())):
        np.testing.assert_allclose(model.predict(data), outputs, rtol=1e-12)
    np.testing.assert_array_equal(model.predict_classes(Loader()), outputs.argmax(axis=1))


def test_weights():
    """The loss is the weighted mean over all batches; metrics count every sample alike."""
    weights = np.arange(20.0)
    model = small_model()
    each = np.array([model.evaluate(X[k : k + 1], Y[k : k + 1])["loss"] for k in range(20)])
    plain = model.evaluate(X, Y)
    for found in (model.evaluate(Loader(weights=weights)), model.evaluate(X, Y, sample_weight=weights)):
        assert found["loss"] == pytest.approx(weights @ each / weights.sum())
        assert found["accuracy"] == plain["accuracy"]
    history = model.fit(X, Y, validation_data=(V, W, np.ones(10)), verbose=0)
    assert history["val_loss"][0] == model.evaluate(V, W)["loss"]


def test_samples_without_weight_have_no_part_in_training():
    a, b = small_model(), small_model()
    history = a.fit(Loader(weights=np.repeat([1.0, 0.0], [12, 8])), verbose=0)
    losses = [b.train_step(x, y) for x, y in batches(X[:12], Y[:12])]
    assert history["loss"] == [pytest.approx(np.mean(losses))]


def test_metrics_that_need_all_outputs():
    """Measured on the outputs before each update, whatever gives the batches."""
    found = []
    for data in ((X, Y), (Loader(),), (Dataset(),)):
        model = small_model()
        model.compile(fn.Adam(1e-2), "softmax_cross_entropy", ["accuracy", "f1", fn.metrics.TopKAccuracy(2)])
        options = {"shuffle": False, "batch_size": 6, "validation_data": (V, W)}
        history = model.fit(*data, epochs=2, verbose=0, **options)
        names = ["loss", "accuracy", "f1", "top_k"]
        assert list(history)[:8] == [*names, *(f"val_{name}" for name in names)]
        found.append(measured(model))
        assert model.evaluate(V, W)["f1"] == history["val_f1"][-1]
    assert found[0] == found[1] == found[2]
    twin = small_model()
    outputs = []
    for x, y in batches():
        outputs.append(twin.predict(x))
        twin.train_step(x, y)
    expected = fn.metrics.F1()(np.concatenate(outputs), Y)
    assert found[0]["f1"][0] == pytest.approx(expected)


def test_metrics_need_targets_that_are_alike():
    """Labels in one batch and rows of shares in the next had ended in an error of NumPy's."""
    model = fn.Sequential([fn.Flatten(), fn.Dense(5)], input_shape=(2, 6, 6), dtype=np.float64)
    model.backend = "reference"
    model.compile("sgd", "softmax_cross_entropy", ["precision"])
    mixed = [(X[:4], Y[:4]), (X[4:8], np.eye(5)[Y[4:8]])]
    with pytest.raises(ValueError, match=r"fit: targets have shape \(4, 5\) after ones of shape \(N\) in one epoch"):
        model.fit(iter(mixed), verbose=0)
    assert model.training_state.step == 1


def test_resumed_within_an_epoch_the_batches_before_are_left():
    for steps in (None, 4):
        source = Stream("fit: x", Loader(), lambda where, item: (where, item[0]), steps)
        source.start(3, 2)
        where, images = source.take(1)
        assert where == "fit: x: batch 2"
        np.testing.assert_array_equal(images, X[12:18])
        source.take(1)
        assert source.take(1) is None
    with pytest.raises(ValueError, match="fit: x ended after 4 batches, training is to go on behind 5"):
        Stream("fit: x", Loader(), lambda where, item: item, None).start(3, 5)


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (Loader(), {"y": Y}, TypeError, r"fit: x gives batches \(x, y\), y is not needed"),
        (batches(), {"epochs": 2}, ValueError, "fit: x is an iterator, which ends once, and there are 2 epochs"),
        (Loader(), {"validation_split": 0.2}, ValueError, "fit: validation_split needs arrays"),
        (Loader(), {"drop_last": True}, ValueError, "fit: drop_last needs arrays or samples, x gives batches"),
        (Sequence(), {"drop_last": True}, ValueError, "fit: drop_last needs arrays or samples"),
        (Sequence(), {"steps_per_epoch": 5}, ValueError, "fit: steps_per_epoch is 5, at most 4 is needed"),
        (Sequence(), {"steps_per_epoch": 0}, ValueError, "fit: steps_per_epoch is 0, at least 1"),
        (Sequence(n=0), {}, ValueError, "fit: x has the length 0"),
        (Dataset(), {"steps_per_epoch": 2}, ValueError, "fit: steps_per_epoch is 2, but x gives samples"),
        (Dataset(), {"batch_size": 0}, ValueError, "fit: batch_size is 0"),
        (iter([]), {}, ValueError, "fit: x gave no batches; an iterator gives them only once"),
        (iter([X]), {}, TypeError, r"fit: x: batch 0 is a ndarray, \(x, y\) or \(x, y, sample_weight\) is needed"),
        (iter([(X[:, :1], Y)]), {}, ValueError, r"fit: x: batch 0: x has shape \(20, 1, 6, 6\)"),
        (iter([(X, Y + 1)]), {}, ValueError, r"fit: x: batch 0: y\[\d+\] is 5, the model has 5 classes"),
        (iter([(X, Y, Y[1:])]), {}, ValueError, r"fit: x: batch 0: sample_weight has shape \(19,\), \(20,\) is needed"),
        (iter([(X, Y, Y - 1.0)]), {}, ValueError, "fit: x: batch 0: sample_weight has values below 0"),
        (object(), {}, TypeError, "fit: x has dtype object"),
        ({"a": X}, {}, TypeError, "fit: x has dtype object"),
        (X, {"y": Y, "steps_per_epoch": 2}, ValueError, "fit: steps_per_epoch is 2, but the data are arrays"),
        (X, {"y": Y, "validation_steps": 2}, ValueError, "fit: validation_steps is 2, but the data are arrays"),
        (X, {"y": Y, "validation_data": batches(V, W), "epochs": 2}, ValueError,
         "fit: validation_data is an iterator, .* validation_steps is needed"),
        (X, {"y": Y, "validation_data": Loader(V, W + 1)}, ValueError, "fit: validation_data: batch 1: y"),
        (X, {"y": Y, "validation_data": (V, W, W[1:])}, ValueError, r"fit: validation_data\[2\] has shape \(9,\)"),
        (X, {"y": Y, "shuffle": 1}, TypeError, "fit: shuffle is 1"),
    ],
)  # fmt: skip
def test_what_is_refused(data, options, error, message):
    model = small_model()
    with pytest.raises(error, match=message):
        model.fit(data, verbose=0, **options)


def test_an_iterator_that_ends_too_early_keeps_what_was_done():
    model = small_model()
    with pytest.raises(ValueError, match="fit: x ended after 1 of the 3 batches of an epoch"):
        model.fit(batches(), epochs=2, steps_per_epoch=3, verbose=0)
    assert model.history.epochs == [1]
    assert state_of(model)["counters"].tolist() == [4, 1]


def test_what_a_user_s_generator_raises_reaches_the_caller():
    def failing():
        yield X, Y
        raise OSError("disk gone")

    model, expected = small_model(), small_model()
    with pytest.raises(OSError, match="disk gone"):
        model.fit(failing(), verbose=0)
    expected.train_step(X, Y)
    assert_same(model.params, expected.params)


def test_not_compiled():
    model = fn.Sequential([fn.Flatten(), fn.Dense(5)], input_shape=(2, 6, 6))
    with pytest.raises(RuntimeError, match="fit: the model is not compiled"):
        model.fit(Loader())
    with pytest.raises(TypeError, match="evaluate: x gives batches"):
        model.evaluate(Loader(), Y)


def layouts(x):
    """The same numbers in memory that the interpreter cannot read."""
    spaced = np.zeros((2 * len(x), *x.shape[1:]), x.dtype)
    spaced[::2] = x
    return {
        "Fortran": np.asfortranarray(x),
        "spaced": spaced[::2],
        "other bytes": x.astype(x.dtype.newbyteorder()),
        "float16": x.astype(np.float16),
        "int16": x.astype(np.int16),
    }


@pytest.mark.parametrize("layout", list(layouts(X)))
def test_large_arrays_are_staged_batch_by_batch(layout, monkeypatch):
    """With the bits of a copy of the whole."""
    rounded = np.round(8 * X)
    given = layouts(rounded)[layout]
    whole, staged = small_model(seed=1), small_model(seed=1)
    options = {"epochs": 2, "batch_size": 6, "validation_split": 0.2, "verbose": 0}
    whole.fit(rounded, Y, **options)
    monkeypatch.setattr(images, "STAGED_BYTES", 0)
    most = []
    original = images.readable
    monkeypatch.setattr(sources, "readable", lambda x, dtype: most.append(len(x)) or original(x, dtype))
    staged.fit(given, Y, **options)
    assert_same(state_of(staged), state_of(whole))
    assert measured(staged) == measured(whole)
    assert sum(most) == 2 * 20
    np.testing.assert_array_equal(staged.predict(given), whole.predict(rounded))
    assert staged.evaluate(given, Y) == whole.evaluate(rounded, Y)


@both_backends
def test_memory_maps_and_uint8_are_read_where_they_lie(backend, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, X.shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    a, b = small_model(backend), small_model(backend)
    given = []
    inner = a._engine._run
    monkeypatch.setattr(
        a._engine, "_run", lambda method, x, *args, **options: given.append(x) or inner(method, x, *args, **options)
    )
    a.fit(mapped, Y, batch_size=6, verbose=0)
    assert all(np.shares_memory(x, mapped) for x in given) and given
    b.fit(pixels / 255, Y, batch_size=6, verbose=0)
    assert_same(a.params, b.params, rtol=1e-12)
    np.testing.assert_array_equal(a.predict(mapped), a.predict(pixels))
    # Also where they have to be copied first.
    np.testing.assert_array_equal(a.predict(np.asfortranarray(pixels)), a.predict(pixels))


@pytest.mark.torch
def test_datasets_and_loaders_of_torch():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    a, b = small_model(), small_model()
    a.fit(data, epochs=2, batch_size=6, verbose=0)
    b.fit(X, Y, epochs=2, batch_size=6, verbose=0)
    assert_same(state_of(a), state_of(b))
    a.fit(torch.utils.data.DataLoader(data, batch_size=6), epochs=2, verbose=0)
    b.fit(X, Y, epochs=2, batch_size=6, shuffle=False, verbose=0)
    assert_same(state_of(a), state_of(b))
    assert a.evaluate(data) == b.evaluate(X, Y)
