"""fit: epochs, batches, averages, validation, order, and how an epoch is cut into calls."""

import time

import numpy as np
import pytest
from model_helpers import (
    assert_same,
    both_backends,
    copy_of,
    order_of,
    small_data,
    small_layers,
    small_model,
    state_of,
)

import fastnn as fn
from fastnn.pacer import Pacer
from fastnn.sources import Arrays


@both_backends
@pytest.mark.parametrize("batch_size", [1, 6, 20, 50, "full"])
def test_fit_is_its_steps_one_by_one(backend, batch_size):
    """Two epochs equal steps on the batches of each epoch's permutation; averages are over samples."""
    x, y = small_data(20)
    a, b = small_model(backend, seed=3), small_model(backend, seed=3)
    history = a.fit(x, y, epochs=2, batch_size=batch_size, verbose=0)
    size = 20 if batch_size == "full" else min(batch_size, 20)
    for epoch in range(2):
        order = order_of(3, epoch, 20)
        batches = [order[k : k + size] for k in range(0, 20, size)]
        correct = 0
        losses = []
        for batch in batches:
            correct += (b.predict_classes(x[batch]) == y[batch]).sum()
            losses.append(b.train_step(x[batch], y[batch]) * len(batch))
        assert history["loss"][epoch] == pytest.approx(sum(losses) / 20)
        assert history["accuracy"][epoch] == pytest.approx(correct / 20)
    assert_same(a.params, b.params, rtol=1e-9, atol=1e-12)
    assert history.epochs == [1, 2]
    assert len(history["images_per_second"]) == 2 and min(history["images_per_second"]) > 0


@both_backends
def test_a_second_fit_continues(backend):
    x, y = small_data(20)
    once, twice, numbered = (small_model(backend) for _ in range(3))
    once.fit(x, y, epochs=4, batch_size=6, verbose=0)
    twice.fit(x, y, epochs=1, batch_size=6, verbose=0)
    twice.fit(x, y, epochs=3, batch_size=6, verbose=0)
    numbered.fit(x, y, epochs=3, batch_size=6, verbose=0)
    history = numbered.fit(x, y, epochs=4, initial_epoch=3, batch_size=6, verbose=0)
    assert history.epochs == [4]
    assert_same(state_of(twice), state_of(once))
    assert_same(state_of(numbered), state_of(once))


def test_initial_epoch_chooses_the_permutation():
    x, y = small_data(20)
    a, b = small_model(optimizer=fn.SGD(0.1)), small_model(optimizer=fn.SGD(0.1))
    a.fit(x, y, epochs=5, initial_epoch=4, batch_size=6, verbose=0)
    order = order_of(0, 4, 20)
    for k in range(0, 20, 6):
        b.train_step(x[order[k : k + 6]], y[order[k : k + 6]])
    assert_same(a.params, b.params)


def test_fit_to_the_epoch_reached_does_nothing():
    x, y = small_data(20)
    model = small_model()
    model.fit(x, y, epochs=2, verbose=0)
    before = state_of(model)
    assert model.fit(x, y, epochs=2, initial_epoch=2, verbose=0).epochs == []
    assert_same(state_of(model), before)


def test_without_shuffle():
    x, y = small_data(20)
    a, b = small_model(), small_model()
    a.fit(x, y, batch_size=6, shuffle=False, verbose=0)
    for k in range(0, 20, 6):
        b.train_step(x[k : k + 6], y[k : k + 6])
    assert_same(a.params, b.params)


def test_drop_last():
    x, y = small_data(20)
    model = small_model()
    model.fit(x, y, batch_size=6, drop_last=True, verbose=0)
    assert state_of(model)["counters"].tolist() == [3, 1]


def test_every_sample_once_an_epoch_and_another_order_in_each():
    x, y = small_data(20)
    source = Arrays(x, y, 6, x.dtype, seed=1)
    a, b = source.order(0), source.order(1)
    assert sorted(a) == sorted(b) == list(range(20))
    assert a.dtype == np.int64 and (a != b).any()


@both_backends
def test_validation_split_takes_the_last_rows(backend):
    x, y = small_data(20)
    a, b = small_model(backend), small_model(backend)
    history = a.fit(x, y, epochs=2, batch_size=6, validation_split=0.3, verbose=0)
    other = b.fit(x[:14], y[:14], epochs=2, batch_size=6, validation_data=(x[14:], y[14:]), verbose=0)
    assert_same(a.params, b.params)
    names = ["loss", "accuracy", "val_loss", "val_accuracy", "images_per_second"]
    assert list(history.history) == list(other.history) == names
    last = a.evaluate(x[14:], y[14:])
    assert history["val_loss"][-1] == other["val_loss"][-1] == pytest.approx(last["loss"])
    assert history["val_accuracy"][-1] == pytest.approx(last["accuracy"])


@both_backends
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_learns_digits(backend, dtype):
    (x, y), (x_test, y_test) = fn.datasets.digits()
    model = fn.Sequential(
        [fn.Conv2D(8, 3, activation="relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(10)],
        input_shape=x.shape[1:],
        dtype=dtype,
    )
    model.backend = backend
    model.compile(fn.Adam(1e-2), "softmax_cross_entropy", ["accuracy"])
    history = model.fit(x, y, epochs=4, verbose=0)
    assert history["loss"] == sorted(history["loss"], reverse=True)
    assert model.evaluate(x_test, y_test)["accuracy"] > 0.93
    assert (model.predict_classes(x_test) == y_test).mean() == pytest.approx(
        model.evaluate(x_test, y_test)["accuracy"]
    )


@both_backends
def test_regression(backend):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    y = x @ rng.standard_normal((3, 2)) + 1
    model = fn.Sequential([fn.Dense(2)], input_shape=(3,), dtype=np.float64)
    model.backend = backend
    model.compile(fn.SGD(0.5), "sum_squared_error")
    history = model.fit(x, y, epochs=60, batch_size="full", verbose=0)
    assert list(history.history) == ["loss", "images_per_second"]
    assert history["loss"][-1] < 1e-6 * history["loss"][0]
    np.testing.assert_allclose(model.predict(x), y, atol=0.01)


@both_backends
def test_the_same_seed_gives_the_same_bits(backend):
    x, y = small_data(50, dtype=np.float32)
    results = []
    for _ in range(2):
        model = small_model(backend, dtype=np.float32, layers=small_layers())
        model.fit(x, y, epochs=2, batch_size=16, verbose=0)
        results.append(copy_of(model.params))
    assert_same(results[0], results[1])


# ---- calls


def test_the_pacer_grows_carefully_and_never_below_one():
    pacer = Pacer()
    assert pacer.steps == 1
    pacer.record(1, 1e-6)
    assert pacer.steps == 4
    pacer.record(4, 4 * 0.01)
    assert pacer.steps == 5
    pacer.record(5, 5 * 10.0)
    assert pacer.steps == 1


class SlowInterpreter:
    """Counts the samples of each call and takes a millisecond a step."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = []

    def train(self, x, y, order, batch_size, first_step, lr, **options):
        self.calls.append((first_step, len(lr), len(order)))
        time.sleep(0.001 * len(lr))
        return self.inner.train(x, y, order, batch_size, first_step, lr, **options)


def test_an_epoch_is_cut_into_calls_that_number_their_steps():
    x, y = small_data(400)
    model = small_model()
    model.train_step(x[:1], y[:1])
    slow = model._engine._interpreter = SlowInterpreter(model._engine._interpreter)
    model.fit(x, y, batch_size=3, verbose=0)
    firsts, steps, samples = zip(*slow.calls, strict=True)
    assert steps[0] == 1 and 1 < max(steps) <= 50
    assert sum(steps) == 134 and sum(samples) == 400
    assert firsts == tuple(2 + sum(steps[:k]) for k in range(len(steps)))
