"""Schedules: their values, and that each step of fit gets its own."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, order_of, small_data, small_model, state_of

import fastnn as fn
from fastnn import schedules

X, Y = small_data(20)
HALF = np.sqrt(0.5)


def rates(schedule, steps=8, lr=2.0, per_epoch=2, total=8):
    return schedule.rates(lr, 0, steps, per_epoch, total)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (schedules.Constant(), [2] * 8),
        (schedules.Step(2, gamma=0.5), [2, 2, 2, 2, 1, 1, 1, 1]),
        (schedules.Step(steps=3, gamma=0.5), [2, 2, 2, 1, 1, 1, 0.5, 0.5]),
        (schedules.Exponential(0.25), [2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        (schedules.Exponential(0.5, steps=1), [2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        (schedules.Cosine(epochs=2), [2, 1 + HALF, 1, 1 - HALF, 0, 0, 0, 0]),
        (schedules.Cosine(0.5, steps=2), [2, 1.5, 1, 1, 1, 1, 1, 1]),
        (
            schedules.LinearWarmup(steps=4),
            [0.5, 1, 1.5, 2, 2, 2, 2, 2],
        ),
        (
            schedules.LinearWarmup(schedules.Cosine(), epochs=2),
            [0.5, 1, 1.5, 2, 2, 1 + HALF, 1, 1 - HALF],
        ),
        (
            schedules.OneCycle(0.5, div_factor=2, final_div_factor=4),
            [1, 1.25, 1.75, 2, *(0.25 + 1.75 * (1 + np.cos(np.pi * np.arange(1, 5) / 4)) / 2)],
        ),
    ],
)  # fmt: skip
def test_values(schedule, expected):
    found = rates(schedule)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    # A pure function of the step's number.
    pieces = [schedule.rates(2.0, k, n, 2, 8) for k, n in ((0, 1), (1, 4), (5, 3))]
    np.testing.assert_array_equal(np.concatenate(pieces), found)
    np.testing.assert_allclose(rates(schedule, lr=0.5), found / 4, rtol=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_one_cycle_of_very_few_steps(total):
    found = schedules.OneCycle().rates(1.0, 0, total + 2, None, total)
    assert np.isfinite(found).all() and (found <= 1).all() and (found > 0).all()


@pytest.mark.torch
@pytest.mark.parametrize(("total", "options"), [(10, {}), (7, {"pct_start": 0.5}), (20, {"div_factor": 5.0})])
def test_one_cycle_is_that_of_torch(total, options):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.3, total_steps=total, cycle_momentum=False, **options
    )
    expected = []
    for _ in range(total):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < total:
            theirs.step()
    found = schedules.OneCycle(**options).rates(0.3, 0, total, None, total)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@both_backends
@pytest.mark.parametrize("way", ["optimizer", "callback"])
def test_fit_gives_each_step_its_rate(backend, way):
    schedule = schedules.LinearWarmup(schedules.Cosine(), steps=2)
    a, b = small_model(backend, optimizer=fn.SGD(0.1)), small_model(backend, optimizer=fn.SGD(0.1))
    callbacks = [fn.LearningRateScheduler(schedule)]
    if way == "optimizer":
        a = small_model(backend, optimizer=fn.SGD(0.1, schedule=schedule))
        callbacks = []
    history = a.fit(X, Y, epochs=3, batch_size=8, callbacks=callbacks, verbose=0)
    expected = schedule.rates(0.1, 0, 9, 3, 9)
    for step, rate in enumerate(expected):
        order = order_of(0, step // 3, 20)[step % 3 * 8 :][:8]
        b.lr = rate
        b.train_step(X[order], Y[order])
    assert_same(a.params, b.params)
    assert history["lr"] == list(expected[2::3])
    assert a.lr == 0.1


def test_a_second_fit_starts_over_and_initial_epoch_goes_on():
    optimizer = fn.SGD(0.1, schedule=schedules.Step(1, gamma=0.5))
    model = small_model(optimizer=optimizer)
    assert model.fit(X, Y, epochs=2, verbose=0)["lr"] == [0.1, 0.05]
    assert model.fit(X, Y, epochs=2, verbose=0)["lr"] == [0.1, 0.05]
    assert model.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)["lr"] == [0.025, 0.0125]


def test_train_step_counts_from_compile():
    a = small_model(optimizer=fn.SGD(0.1, schedule=schedules.Step(steps=1, gamma=0.5)))
    b = small_model(optimizer=fn.SGD(0.1))
    for rate in (0.1, 0.05, 0.025):
        a.train_step(X, Y)
        b.lr = rate
        b.train_step(X, Y)
    assert_same(a.params, b.params)
    whole = small_model(optimizer=fn.SGD(0.1, schedule=schedules.Cosine()))
    before = state_of(whole)
    with pytest.raises(ValueError, match=r"Cosine: the number of steps of fit is not known here: .* steps="):
        whole.train_step(X, Y)
    assert_same(state_of(whole), before)


@pytest.mark.parametrize(("function", "expected"), [
    (lambda epoch: 0.1 / (epoch + 1), [0.1, 0.05, 0.1 / 3]),
    (lambda epoch, lr: lr * 0.5, [0.2, 0.1, 0.05]),
])  # fmt: skip
def test_learning_rate_scheduler_with_a_function(function, expected):
    model = small_model(optimizer=fn.SGD(0.4))
    history = model.fit(X, Y, epochs=3, callbacks=[fn.LearningRateScheduler(function)], verbose=0)
    assert history["lr"] == expected
    assert model.lr == expected[-1]


def test_a_function_that_gives_no_rate():
    for wrong, error in ((lambda epoch: None, TypeError), (lambda epoch: -1.0, ValueError)):
        model = small_model()
        with pytest.raises(error, match="LearningRateScheduler: the rate"):
            model.fit(X, Y, callbacks=[fn.LearningRateScheduler(wrong)], verbose=0)
        assert model.training_state.step == 0


def test_a_schedule_that_gives_no_rates():
    class Wrong(schedules.Schedule):
        def rates(self, lr, first_step, steps, steps_per_epoch, total_steps):
            return np.full(steps, -1.0)

    model = small_model(optimizer=fn.SGD(0.1, schedule=Wrong()))
    before = state_of(model)
    with pytest.raises(ValueError, match=r"fit: the schedule .* gave \[-1.\].* of at least 0"):
        model.fit(X, Y, verbose=0)
    assert_same(state_of(model), before)


def test_the_learning_rate_of_a_model():
    model = small_model(optimizer=fn.SGD(0.1))
    assert model.lr == 0.1
    model.lr = 0
    before = state_of(model)["params"]
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(state_of(model)["params"], before)
    with pytest.raises(ValueError, match="lr is -1"):
        model.lr = -1
    model.compile(fn.SGD(0.2), "softmax_cross_entropy")
    assert model.lr == 0.2
    with pytest.raises(RuntimeError, match="lr: the model is not compiled"):
        fn.Sequential([fn.Dense(1)], input_shape=(2,)).lr  # noqa: B018


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: schedules.Step(), ValueError, "Step: epochs or steps is needed"),
        (lambda: schedules.Step(1, steps=3), ValueError, "Step: epochs and steps are both given"),
        (lambda: schedules.Step(0), ValueError, "Step: epochs is 0"),
        (lambda: schedules.Step(1, gamma=-1), ValueError, "Step: gamma is -1"),
        (lambda: schedules.Exponential("x"), TypeError, "Exponential: gamma is 'x'"),
        (lambda: schedules.Cosine(2), ValueError, "Cosine: alpha is 2"),
        (lambda: schedules.Cosine(steps=0), ValueError, "Cosine: steps is 0"),
        (lambda: schedules.Cosine(steps=1.5), TypeError, "Cosine: steps is 1.5"),
        (lambda: schedules.OneCycle(1.5), ValueError, "OneCycle: pct_start is 1.5"),
        (lambda: schedules.OneCycle(div_factor=0), ValueError, "OneCycle: div_factor is 0"),
        (lambda: schedules.LinearWarmup(), ValueError, "LinearWarmup: epochs or steps is needed"),
        (lambda: schedules.LinearWarmup(0.1, steps=3), TypeError, "LinearWarmup: schedule is 0.1"),
        (lambda: schedules.LinearWarmup(schedules.Cosine, steps=3), TypeError, "LinearWarmup: schedule is <class"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
