"""Losses that are functions: plain arrays of the whole batch in, the loss and its gradient out."""

import numpy as np
import pytest
from model_helpers import assert_same, copy_of, state_of
from numba import njit
from tape_nets import Net
from tapes import MOMENTUM, assert_equal_gradients, assert_near, both, data, make, threads

import fastnn as fn
from fastnn_kernels import _cache
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor
from fastnn_kernels.tape import Tape

LIMIT = 100.0


@njit
def squares(prediction, target):
    """0.5 * sum of squares; mean over the samples. It changes what it is given."""
    if prediction.shape[0] != target.shape[0]:
        raise IndexError("as many targets as predictions")
    total, count = 0.0, len(prediction)
    for n, i in np.ndindex(prediction.shape):
        if target[n, i] > LIMIT:
            raise ValueError(f"target {n} is above the limit")
        prediction[n, i] -= target[n, i]
        total += 0.5 * prediction[n, i] ** 2 / count
        prediction[n, i] /= count
    return total, prediction


def margin(prediction, target):
    """Squared hinge loss of the scores of the right classes, from labels (N,)."""
    gradient = np.zeros_like(prediction)
    total = 0.0
    for i in range(len(target)):
        short = max(0.0, 1.0 - prediction[i, target[i]])
        total += short * short / len(target)
        gradient[i, target[i]] = -2.0 * short / len(target)
    return total, gradient


def net(loss=squares) -> Tape:
    return Net(6).dense(7).layer("tanh").dense(3).done("function_loss", function=loss)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_equal_the_reference_and_the_loss_of_the_package(dtype):
    executor, reference = both(net(), dtype)
    built_in = make(Executor, Net(6).dense(7).layer("tanh").dense(3).done("sum_squared_error"), dtype)
    for n in (17, 3, 40):
        x, y = data(executor.tape, n, dtype)
        assert_equal_gradients(executor, reference, x, y)
        loss, _ = built_in.gradients(x, y)
        assert_near(executor.memory.grads, built_in.memory.grads)
        assert executor.gradients(x, y)[0] == pytest.approx(loss, rel=1e-5 if dtype == np.float32 else 1e-12)


def test_targets_of_samples_in_any_order_and_a_short_last_batch():
    executor, reference = both(net(), np.float64, MOMENTUM)
    x, y = data(executor.tape, 60, np.float64)
    order, lr = np.random.default_rng(1).permutation(60)[:50], np.full(3, 0.05)
    y[np.setdiff1d(np.arange(60), order)] = np.nan
    told = [i.train(x, y, order, 20, 1, lr) for i in (executor, reference)]
    assert_near(*told)
    assert_near(executor.memory.params, reference.memory.params)
    y = np.nan_to_num(y)
    assert executor.evaluate(x, y, 17)[0] == pytest.approx(reference.evaluate(x, y, 17)[0], rel=1e-12)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits():
    found = []
    for n in (1, 2):
        with threads(n) as used:
            executor = make(Executor, net(), np.float32, MOMENTUM)
            x, y = data(executor.tape, 150, np.float32)
            told = executor.train(x, y, np.arange(150), 64, 1, np.full(3, 0.1))
            found.append(told.tobytes() + executor.memory.params.tobytes())
            assert used == {n}
    assert found[0] == found[1]


def model(loss, backend="compiled", units=3):
    model = fn.Sequential([fn.Dense(7, activation="tanh"), fn.Dense(units)], input_shape=(6,), dtype="float64")
    model.backend = backend
    model.compile(optimizer=fn.SGD(0.1, momentum=0.9), loss=loss)
    return model


def points(n=50, units=3):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 6)), rng.standard_normal((n, units))


def test_labels_arrive_as_integers_and_plain_functions_are_compiled():
    x, y = points()
    models = [model(margin, backend) for backend in ("compiled", "reference")]
    labels = y.argmax(axis=1).astype(np.int16)
    validation = x[:9], labels[:9]
    histories = [m.fit(x, labels, epochs=3, batch_size=20, validation_data=validation, verbose=0) for m in models]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-10)
    np.testing.assert_allclose(histories[0]["val_loss"], histories[1]["val_loss"], rtol=1e-10)
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]
    assert_same(models[0].params, models[1].params, rtol=1e-9)
    # The same model takes other targets, and compiles for them.
    with pytest.raises(TypeError, match="train_step: loss margin does not compile"):
        models[0].train_step(x, y)
    assert models[0].evaluate(x, labels)["loss"] == pytest.approx(models[1].evaluate(x, labels)["loss"], rel=1e-10)


def test_the_gradient_is_taken_as_returned_and_in_any_layout_and_precision():
    def tripled(prediction, target):
        gradient = np.empty(prediction.shape[::-1], np.float32).T
        total = np.float32(0.0)
        for n, i in np.ndindex(prediction.shape):
            difference = np.float32(prediction[n, i] - target[n, i])
            total += np.float32(0.5 * difference**2 / len(prediction))
            gradient[n, i] = 3 * difference / len(prediction)
        return total, gradient

    x, y = points()
    given, plain = model(tripled), model(squares)
    assert given.gradients(x, y)[0] == pytest.approx(plain.gradients(x, y)[0], rel=1e-5)
    for name, gradient in plain.gradients(x, y)[1].items():
        np.testing.assert_allclose(given.gradients(x, y)[1][name], 3 * gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_an_exception_is_raised_and_the_parameters_stay(backend):
    x, y = points()
    m = model(squares, backend)
    m.fit(x, y, epochs=2, batch_size=20, verbose=0)
    before = state_of(m)
    y[23, 1] = LIMIT + 1
    for call in (m.train_step, m.gradients, m.evaluate):
        with pytest.raises(ValueError, match=r"target \d+ is above the limit"):
            call(x, y)
        assert_same(state_of(m), before)
    y[23, 1] = 0.0
    assert np.isfinite(m.train_step(x, y))


def test_an_exception_in_a_later_step_keeps_the_steps_before_it():
    x, y = points()
    first, second = model(squares), model(squares)
    for m in (first, second):
        m.fit(x, y, batch_size=20, verbose=0)  # compiled from now on
    second.train_step(x[:20], y[:20])
    wrong = y.copy()
    wrong[20:] = LIMIT + 1
    with pytest.raises(ValueError, match="above the limit"):
        first._engine.call("train", x, wrong, np.arange(50), 20, 4, np.full(3, 0.1))
    assert_same(first.params, second.params)


def wrong_shape(prediction, target):
    return 0.0, np.zeros((len(prediction) + 1, prediction.shape[1]))


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_a_gradient_of_another_shape(backend):
    x, y = points()
    m = model(wrong_shape, backend)
    before = copy_of(m.params)
    with pytest.raises(ValueError, match=r"wrong_shape: the gradient has shape \(51, 3\), .* is needed: \(50, 3\)"):
        m.train_step(x, y)
    assert_same(m.params, before)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda p, t: p.sum(), r"returns float64, \(loss, gradient\) is needed"),
        (lambda p, t: (p.sum(), p, t), r"\(loss, gradient\) is needed"),
        (lambda p, t: (p, p), r"returns array\(float64, 2d, C\) as the loss, one number"),
        (lambda p, t: (p.sum(), 1.0), "returns float64 as the gradient, an array of floats"),
        (lambda p, t: (p.sum(), p.sum(axis=1)), "with the 2 axes of the prediction"),
        (lambda p, t: (p.sum(), p.astype(np.int64)), "returns array.int64.* as the gradient"),
        (lambda p: p, "does not compile for"),
        (lambda p, t: np.no_such_function(p), "does not compile for .*(\n|.)*no_such_function"),
    ],
)
def test_functions_that_return_something_else(loss, message):
    x, y = points(4)
    m = model(loss)
    before = state_of(m)
    for call in (m.fit, m.train_step):
        with pytest.raises(TypeError, match=f"loss <lambda> (\n|.)*{message}"):
            call(x, y)
    assert_same(state_of(m), before)


@njit(parallel=True)
def parallel(prediction, target):
    return 0.0, prediction


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (parallel, ValueError, "compile: loss has parallel loops"),
        (np.add, TypeError, "compile: loss is <ufunc 'add'>"),
        (fn.losses.FunctionLoss, TypeError, "an object of it is needed"),
    ],
)
def test_what_is_no_loss_function(loss, error, message):
    with pytest.raises(error, match=message):
        model(loss)


@pytest.mark.parametrize("y", [3.0, np.zeros((0, 3)), np.array(["a"] * 50), np.zeros((49, 3))])
def test_targets_that_are_refused(y):
    with pytest.raises((TypeError, ValueError), match="fit: "):
        model(squares).fit(points()[0], y)


def test_targets_of_mixed_samples():
    x, y = points()
    models = []
    for backend in ("compiled", "reference"):
        m = fn.Sequential([fn.Flatten(), fn.Dense(3)], input_shape=(1, 2, 3), dtype="float64")
        m.backend = backend
        m.compile(optimizer=fn.SGD(0.1), loss=squares)
        before = m.params["dense/w"].copy()
        m.fit(x.reshape(50, 1, 2, 3), y, batch_size=20, augment=[fn.augment.MixUp(0.4)], verbose=0)
        assert (m.params["dense/w"] != before).all()
        models.append(m)
    assert_same(models[0].params, models[1].params, rtol=1e-9)
    with pytest.raises(ValueError, match="MixUp mixes floats"):
        models[0].fit(x.reshape(50, 1, 2, 3), np.ones((50, 3), int), augment=[fn.augment.MixUp(0.4)], verbose=0)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_weights_of_samples_are_refused(backend):
    x, y = points()
    m = model(squares, backend)
    before = state_of(m)
    for call in (m.fit, m.evaluate):
        with pytest.raises(ValueError, match="sample_weight: the loss 'function_loss' takes none"):
            call(x, y, sample_weight=np.ones(len(x)), **({"verbose": 0} if call == m.fit else {}))
    with pytest.raises((TypeError, ValueError), match="class_weight"):
        m.fit(x, y, class_weight={0: 1.0}, verbose=0)
    assert_same(state_of(m), before)


def test_warmup_with_a_loss_that_refuses_zeros():
    def strict(prediction, target):
        if target[0, 0] == 0.0:
            raise ValueError("zero")
        return 0.0, prediction

    m = model(strict)
    before = state_of(m)
    fn.warmup(m)
    assert_same(state_of(m), before)
    assert m._loss.function.signatures
    with pytest.raises(ValueError, match="zero"):
        m.train_step(points()[0], np.zeros((50, 3)))


def test_a_loss_with_a_function_is_saved_by_name(tmp_path):
    x, y = points()
    m = model(squares)
    m.save(tmp_path / "model.safetensors")
    again = fn.load(tmp_path / "model.safetensors", custom_objects={"squares": squares})
    assert again.evaluate(x, y) == m.evaluate(x, y)


def test_nothing_made_of_a_loss_function_is_kept_on_disk():
    model(squares).evaluate(*points())
    kept = {path.name for path in _cache.cache_folder().iterdir()}
    assert [name for name in kept if "gradient_in" in name]
    assert [name for name in kept if "make_function_loss" in name] == []
