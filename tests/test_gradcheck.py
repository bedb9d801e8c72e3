"""check_gradients: right gradients pass, wrong ones are found, of models and of functions."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, small_data, small_model, state_of

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.trainable import Trainable

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


def squares(x):
    return (x**2).sum(), 2 * x


def checked(function, *arrays, **options):
    return fn.check_gradients(function, *arrays, raise_exception=False, **options)


@both_backends
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sum_squared_error"])
def test_a_model(backend, loss):
    x, y = small_data(5)
    model = small_model(backend, loss=loss)
    model.train_step(x, np.eye(5)[y])
    before, gradients = state_of(model), model.gradients(x, np.eye(5)[y])[1]
    report = fn.check_gradients(model, x, np.eye(5)[y], elements=8)
    worst = report.worst
    assert worst.gradient == pytest.approx(gradients[worst.name][worst.index], rel=1e-12)
    assert report.ok and report
    assert list(report.errors) == list(model.params)
    assert 0 < report.worst.error == max(report.errors.values()) < 1e-4
    sizes = [min(8, p.size) for p in model.params.values()]
    assert report.checked + report.kinks == sum(sizes)
    assert report.checked > 0.9 * sum(sizes)
    assert_same(state_of(model), before)


def test_a_model_of_float32_is_checked_in_float64():
    x, y = small_data(5, dtype=np.float32)
    model = small_model(dtype=np.float32)
    model.fit(x, y, verbose=0)
    assert fn.check_gradients(model, x, y, elements=5).worst.error < 1e-5
    assert model.dtype == np.float32


@pytest.mark.parametrize("name", ["dense/w", "dense_1/b"])
def test_a_wrong_gradient_of_a_model_is_found(name, monkeypatch):
    right = Trainable._gradients

    def wrong(self, function, x, y):
        loss, gradients = right(self, function, x, y)
        gradients[name] *= 1.001
        return loss, gradients

    monkeypatch.setattr(Trainable, "_gradients", wrong)
    model = small_model(layers=[fn.Flatten(), fn.Dense(3, activation="tanh"), fn.Dense(5)])
    with pytest.raises(AssertionError, match=rf"check_gradients: gradients differ .* of {name}\[\d"):
        fn.check_gradients(model, *small_data(5))
    report = checked(model, *small_data(5))
    assert not report.ok and not report
    assert report.worst.name == name
    assert {key for key, error in report.errors.items() if error > 1e-4} == {name}


def test_a_function():
    report = fn.check_gradients(squares, X)
    assert report.ok and report.checked == 12 and report.kinks == 0
    assert list(report.errors) == ["argument 0"]
    assert report.worst.gradient == 2 * X[report.worst.index]
    assert "gradients agree (12 elements checked): the largest relative error is" in str(report)
    # Integers are cast, and what is given is not changed.
    given = np.arange(4)
    assert fn.check_gradients(squares, given).ok
    np.testing.assert_array_equal(given, np.arange(4))


def test_a_function_of_several_arrays():
    def dense(x, w, b):
        y = np.tanh(ref.dense(x, w, b))
        return y.sum(), ref.dense_backward(1 - y**2, x, w)

    w, b = RNG.standard_normal((4, 2)), RNG.standard_normal(2)
    report = fn.check_gradients(dense, X, w, b)
    assert list(report.errors) == ["argument 0", "argument 1", "argument 2"]
    assert report.checked == 12 + 8 + 2

    def swapped(x, w, b):
        value, (dx, dw, db) = dense(x, w, b)
        return value, (dx, dw, db[::-1])

    assert checked(swapped, X, w, b).worst.name == "argument 2"


@pytest.mark.parametrize("index", [(0, 0), (2, 3)])
@pytest.mark.parametrize("error", [1e-3, -1e-3, np.nan, np.inf])
def test_one_wrong_element_is_found(index, error):
    def wrong(x):
        value, gradient = squares(x)
        gradient[index] += error
        return value, gradient

    report = checked(wrong, X)
    assert not report.ok
    assert report.worst.index == index and report.kinks == 0


def test_a_wrong_gradient_where_the_right_one_is_zero():
    # The slopes to both sides are +-eps: as different as at a kink.
    report = checked(lambda x: ((x**2).sum(), 2 * x + 1e-3), np.zeros(3))
    assert not report.ok and report.kinks == 0
    assert checked(squares, np.zeros(3)).ok


def test_kinks_are_left_out():
    x = np.array([-1.0, -2e-7, 0.0, 3e-7, 1.0])
    report = fn.check_gradients(lambda x: (np.maximum(x, 0).sum(), (x > 0) * 1.0), x)
    assert (report.checked, report.kinks) == (2, 3)
    # The slope to neither side is no kink but wrong.
    assert not checked(lambda x: (np.maximum(x, 0).sum(), (x > 0) + 0.25), x).ok
    report = checked(lambda x: (np.abs(x).sum(), np.sign(x) + (x == 0)), np.zeros(2))
    assert not report.ok and str(report) == "no gradient was checked, 2 left out beside kinks"


def test_the_rounding_of_a_large_value_is_no_error():
    assert fn.check_gradients(lambda x: (1e6 + (x**2).sum(), 2 * x), X * 1e-3).ok
    assert not checked(lambda x: (1e6 + (x**2).sum(), 2 * x + 0.1), X * 1e-3).ok


def test_elements_are_drawn():
    x = RNG.standard_normal(100)
    calls = []

    def counting(x):
        calls.append(1)
        return squares(x)

    assert fn.check_gradients(counting, x, elements=7).checked == 7
    assert len(calls) == 2 + 2 * 7
    assert fn.check_gradients(squares, x, elements=None).checked == 100
    wrong_at = {checked(lambda x: ((x**2).sum(), 2 * x + x**2), x, elements=1, seed=k).worst.index for k in range(9)}
    assert len(wrong_at) > 3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: checked(3, X), TypeError, "a model or a function is needed, given is int"),
        (lambda: checked(squares), TypeError, "no array is given"),
        (lambda: checked(squares, X, eps=0), ValueError, "eps is 0, a number above 0"),
        (lambda: checked(squares, X, rtol=-1), ValueError, "rtol is -1"),
        (lambda: checked(squares, X, elements=0), ValueError, "elements is 0"),
        (lambda: checked(squares, X, seed=None), TypeError, "seed is None"),
        (lambda: checked(squares, ["a"]), TypeError, "argument 0 has dtype <U1"),
        (lambda: checked(squares, X, X), TypeError, r"squares\(\) takes 1 positional argument"),
        (lambda: checked(lambda x: 2 * x, X), TypeError, r"returned ndarray, \(value, gradient\) is needed"),
        (lambda: checked(lambda x: (x, x), X), TypeError, r"value has shape \(3, 4\) and dtype float64"),
        (lambda: checked(lambda x: (np.float32(1), x), X), TypeError, "and dtype float32, one number of float64"),
        (lambda: checked(lambda x: (x.sum(), x[0]), X), ValueError, r"\(3, 4\), but its gradient has \(4,\)"),
        (lambda: checked(lambda x, y: (x.sum(), x), X, X), TypeError, "takes 2 arrays, as many gradients"),
        (lambda: checked(lambda x: (x.sum() * np.nan, x), X), ValueError, "the value is nan, a finite one"),
        (lambda: checked(small_model(), X), TypeError, "1 arrays are given, x and y are needed for a model"),
        (lambda: checked(small_model(), X, X), ValueError, r"x has shape \(3, 4\)"),
        (
            lambda: checked(fn.Sequential([fn.Dense(2)], input_shape=(4,)), X, X),
            RuntimeError,
            "the model is not compiled",
        ),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
