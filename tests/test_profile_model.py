"""Profiles of a model: the parts add up, rows belong to layers, the model stays as it is."""

import csv
import io
import json
import time
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import pytest

import fastnn as fn
from fastnn import models
from fastnn.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Tanh
from fastnn.profile import model_times, table
from fastnn.profile.reference_times import ClockedInterpreter
from fastnn_kernels.executor import Executor
from fastnn_kernels.reference.interpreter import Interpreter

FAST = {"batch_size": 32, "seconds": 0.01, "reference": False}


def data(model, n=64):
    rng = np.random.default_rng(1)
    return rng.random((n, *model.input_shape), dtype=np.float32), rng.integers(0, 10, n)


@pytest.fixture(scope="module")
def lenet():
    model = models.lenet5((1, 28, 28), 10)
    model.compile("adam", "softmax_cross_entropy", ["accuracy"])
    return model


def small():
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(5, 3, activation="relu"), Flatten(), Dense(10)]
    model = fn.Sequential(layers, input_shape=(2, 12, 12))
    model.compile("sgd", "softmax_cross_entropy")
    return model


def test_layers_and_rest_add_up_to_the_step(lenet):
    found = lenet.profile(*data(lenet), **FAST)
    parts = sum(layer.seconds for layer in found.layers) + sum(found.rest.values())
    assert 0.9 * found.step <= parts <= 1.1 * found.step
    assert all(seconds >= 0 for name, seconds in found.rest.items() if name not in ("waiting", "Python"))
    assert sum(layer.share for layer in found.layers) + sum(found.rest.values()) / found.step == pytest.approx(1, 0.01)


def test_every_layer_is_there_with_what_it_has_to_do(lenet):
    found = lenet.profile(*data(lenet), **FAST)
    assert [layer.name for layer in found.layers] == [
        "conv2d + max_pool2d", "conv2d_1 + max_pool2d_1", "dense", "dense_1", "dense_2",
    ]  # fmt: skip
    first, second, dense, *_ = found.layers
    # The first layer has no input gradient.
    assert first.flops == 2 * 2 * 32 * 6 * 24 * 24 * 25
    assert second.flops == 3 * 2 * 32 * 16 * 8 * 8 * 6 * 25
    assert dense.flops == 3 * 2 * 32 * 256 * 120
    assert sum(layer.parameters for layer in found.layers) == lenet._lowered.tape.size
    assert second.parameters == 16 * 6 * 25 + 16
    assert dense.bytes == 3 * 4 * (32 * (256 + 120) + 256 * 120 + 120)
    assert all(layer.forward > 0 and layer.backward > 0 and layer.update > 0 for layer in found.layers)
    assert found.slowest.seconds == max(layer.seconds for layer in found.layers)
    assert found.rest["images"] > 0
    assert found.rest["packed weights"] > 0


def test_fused_layers_are_named_as_fused_and_apart_where_that_is_asked_for():
    model = small()
    names = [layer.name for layer in model.profile(*data(model), **FAST).layers]
    assert names == ["conv2d + relu + max_pool2d", "conv2d_1", "dense"]
    names = [layer.name for layer in model.profile(*data(model), **FAST, fused=False).layers]
    assert names == ["conv2d", "relu", "max_pool2d", "conv2d_1", "dense"]


def test_residual_blocks_and_their_shortcuts_are_told_apart():
    model = models.resnet8((3, 16, 16), 10)
    model.compile("adam", "softmax_cross_entropy")
    found = {layer.name: layer for layer in model.profile(*data(model, 16), batch_size=16, seconds=0.01).layers}
    fused = "residual_1/batch_norm_1 + residual_1 + relu_2"
    assert {"residual_1/shortcut/conv2d", fused, "global_avg_pool2d"} <= set(found)
    assert found["residual_1/shortcut/conv2d"].flops == 3 * 2 * 16 * 32 * 16 * 8 * 8


@pytest.mark.parametrize("n", [1, 3])
def test_small_batches_have_kernels_of_their_own(lenet, n):
    found = lenet.profile(*data(lenet, n), batch_size=n, seconds=0.01, reference=False)
    assert found.batch_size == n
    assert found.layers[0].forward > 0


@pytest.mark.parametrize("stop", [False, True])
def test_the_model_stays_as_it_is(stop):
    results = []
    for profiled in (False, True):
        model = small()
        x, y = data(model)
        model.fit(x, y, epochs=1, batch_size=16, verbose=0)
        if profiled and stop:
            at_once = patch.object(model_times._Run, "time", side_effect=KeyboardInterrupt)
            with at_once, pytest.raises(KeyboardInterrupt):
                model.profile(x, y, **FAST)
        elif profiled:
            model.profile(x, y, **FAST)
            assert model._engine._interpreter.clock is None
        model.fit(x, y, epochs=1, batch_size=16, verbose=0)
        results.append((model._memory.params.copy(), model._memory.slots.copy(), model.history.history["loss"]))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert results[0][2] == results[1][2]


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_running_statistics_and_dropout_go_on_as_without_a_profile(backend):
    results = []
    for profiled in (False, True):
        layers = [Conv2D(4, 3), BatchNorm(), ReLU(), Dropout(0.4), Flatten(), Dense(10)]
        model = fn.Sequential(layers, input_shape=(2, 6, 6))
        model.backend = backend
        model.compile("adam", "softmax_cross_entropy")
        x, y = data(model, 24)
        flip = [fn.augment.Flip()]
        model.fit(x, y, epochs=1, batch_size=8, augment=flip, verbose=0)
        before = [array.copy() for array in vars(model._memory).values()]
        history = model.history
        if profiled:
            model.profile(x, y, batch_size=8, seconds=0.01)
        for array, copy in zip(vars(model._memory).values(), before, strict=True):
            np.testing.assert_array_equal(array, copy)
        assert model.history is history
        model.fit(x, y, epochs=2, batch_size=8, augment=flip, verbose=0)
        results.append([array.copy() for array in vars(model._memory).values()])
    assert results[0][3].any()  # there are statistics
    for without, behind in zip(*results, strict=True):
        np.testing.assert_array_equal(behind, without)


def test_a_step_that_trains_nothing_adds_up_too():
    model = fn.Sequential([Flatten(), ReLU(), Dense(10, trainable=False)], input_shape=(2, 6, 6))
    model.compile("sgd", "softmax_cross_entropy")
    found = model.profile(*data(model), **FAST)
    assert [(layer.name, layer.update) for layer in found.layers] == [("relu", 0), ("dense", 0)]
    parts = sum(layer.seconds for layer in found.layers) + sum(found.rest.values())
    assert parts == pytest.approx(found.step, rel=1e-9)


def test_a_loss_between_numbers_and_a_function_of_ones_own():
    def half_square(output, target):
        return 0.5 * ((output - target) ** 2).sum(), output - target

    for loss in ("mean_squared_error", half_square):
        model = fn.Sequential([Flatten(), Dense(3)], input_shape=(2, 6, 6))
        model.compile("sgd", loss)
        found = model.profile(data(model)[0], np.zeros((64, 3), np.float32), **FAST)
        assert [layer.name for layer in found.layers] == ["dense"]
        assert found.rest["loss"] > 0


def test_ctrl_c_shows_what_is_done(lenet):
    calls = []
    plain = model_times._Run.time

    def time(self, steps):
        calls.append(steps)
        if len(calls) > 2:
            raise KeyboardInterrupt
        plain(self, steps)

    before = fn.get_num_threads()
    with patch.object(model_times._Run, "time", time):
        found = lenet.profile(*data(lenet), **FAST, threads=1)
    assert found.interrupted
    assert "Interrupted" in str(found)
    assert fn.get_num_threads() == before


def test_the_figures_as_text_dict_csv_and_page(lenet):
    found = lenet.profile(*data(lenet), **{**FAST, "reference": True})
    text = str(found)
    assert f"Slowest: {found.slowest.name}" in text
    assert "With NumPy" in text
    assert "waiting" in text
    assert found.reference > found.step
    for layer in found.layers:
        assert table.time_text(layer.reference) in next(row for row in text.splitlines() if row.startswith(layer.name))
        assert table.time_text(layer.reference) in found.to_html()
    everything = json.loads(json.dumps(found.to_dict()))
    assert everything["layers"][0]["name"] == "conv2d + max_pool2d"
    assert all(type(seconds) is float for seconds in found.rest.values())
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [line["name"] for line in lines] == [*(layer.name for layer in found.layers), *found.rest]
    assert sum(float(line["seconds"]) for line in lines) == pytest.approx(found.step)
    assert lines[-1]["forward"] == ""
    page = found.to_html()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "conv2d_1 + max_pool2d_1" in page


@pytest.mark.parametrize("fused", [False, True])
def test_layers_of_the_numpy_step_and_its_rest_add_up(fused):
    model = small()
    found = model.profile(*data(model), batch_size=32, seconds=0.01, fused=fused)
    layers = [layer.reference for layer in found.layers]
    assert all(0 < seconds < found.reference for seconds in layers)
    assert 0 < found.reference_rest < 0.5 * found.reference
    assert sum(layers) + found.reference_rest == pytest.approx(found.reference)
    assert found.to_dict()["reference_rest"] == found.reference_rest
    without = model.profile(*data(model), **FAST)
    assert [layer.reference for layer in without.layers] == [None] * 3
    assert without.reference_rest is None and "NumPy" not in str(without)


def test_the_clocked_interpreter_knows_the_slow_layer_and_trains_the_same():
    model = small()
    x, y = data(model, 32)
    plain, clocked = (model_times._Run(model, x, y, 32, (), kind, True) for kind in (Interpreter, ClockedInterpreter))
    twin = clocked.executor._twin

    def slow(kernel):
        return (
            (lambda **given: (time.sleep(0.02), twin(kernel)(**given))[1])
            if "pool" in kernel.twin.__name__
            else twin(kernel)
        )

    clocked.executor._twin = slow
    for run in (plain, clocked):
        run.call(2)
    np.testing.assert_array_equal(clocked.executor.memory.params, plain.executor.memory.params)
    seconds = {name: clocked.executor.of((name,), 0.0) for name in ("conv2d", "relu", "max_pool2d", "dense")}
    assert seconds["max_pool2d"] >= 0.08 > sum(seconds.values()) - seconds["max_pool2d"]
    assert clocked.executor.of((), 1.0) == clocked.executor.updates > 0


class Endless:
    """Samples on demand, of which there is no last one."""

    def __len__(self):
        return 2**40

    def __getitem__(self, index):
        return 0.0


def test_what_does_not_fit_is_refused(lenet):
    x, y = data(lenet)
    with pytest.raises(RuntimeError, match=r"profile\.model: the model is not compiled"):
        models.lenet5((1, 28, 28), 10).profile(x, y)
    with pytest.raises(ValueError, match="x has shape"):
        lenet.profile(x[:, :, :5], y)
    with pytest.raises(ValueError, match=r"profile\.model: batch_size is 0"):
        lenet.profile(x, y, batch_size=0)
    with pytest.raises(TypeError, match=r"profile\.model: model is 3"):
        fn.profile.model(3, x, y)
    with pytest.raises(TypeError, match=r"profile\.model: x is a Endless; arrays of a batch or more are needed"):
        lenet.profile(Endless(), y)
    with pytest.raises(TypeError, match=r"profile\.model: y is a Endless"):
        lenet.profile(x, Endless())
    for option in ("fused", "reference"):
        with pytest.raises(TypeError, match=rf"profile\.model: {option} is 3 \(int\), True or False is needed"):
            lenet.profile(x, y, **{option: 3})


@dataclass(frozen=True)
class Bent(fn.Layer):
    """Two ops, without names of their own, one of them called like another layer."""

    kind = "bent"

    def lower(self, tape, x, *, name, params):
        return tape.add("tanh", x=tape.add("sigmoid", x=x))


def test_ops_belong_to_the_layer_that_adds_them_whatever_they_are_called():
    model = fn.Sequential([Flatten(), Dense(6), Bent(), Tanh(), Dense(10)], input_shape=(2, 6, 6))
    model.compile("sgd", "softmax_cross_entropy")
    found = model.profile(*data(model), **FAST).layers
    assert [layer.name for layer in found] == ["dense", "bent", "tanh", "dense_1"]
    bent, tanh = found[1:3]
    assert (bent.activations, tanh.activations) == (2 * 4 * 32 * 6, 4 * 32 * 6)
    assert bent.forward > 0
    assert bent.backward > 0


def swish(x, beta, y):
    for n, i in np.ndindex(x.shape):
        y[n, i] = x[n, i] / (1 + np.exp(-beta[i] * x[n, i]))


def swish_backward(dy, x, beta, dx, dbeta):
    for n, i in np.ndindex(x.shape):
        s = 1 / (1 + np.exp(-beta[i] * x[n, i]))
        dx[n, i] = dy[n, i] * s * (1 + beta[i] * x[n, i] * (1 - s))
        dbeta[i] += dy[n, i] * x[n, i] ** 2 * s * (1 - s)


@dataclass(frozen=True)
class Scaled(fn.Layer):
    """An op of one's own, with a parameter."""

    kind = "scaled"

    def weights(self, input_shape):
        return {"beta": fn.Weight(input_shape, "ones", decay=False)}

    def lower(self, tape, x, *, name, params):
        return tape.add("profiled_swish", name=name, x=x, beta=params["beta"])


def test_an_op_of_ones_own_has_its_time_compiled_and_with_numpy():
    fn.register_op("profiled_swish", swish, swish_backward)
    model = fn.Sequential([Flatten(), Dense(6), Scaled(), Dense(10)], input_shape=(2, 6, 6))
    model.compile("adam", "softmax_cross_entropy")
    found = model.profile(*data(model), batch_size=32, seconds=0.01)
    assert [layer.name for layer in found.layers] == ["dense", "scaled", "dense_1"]
    own = found.layers[1]
    assert own.parameters == 6 and own.flops == 0 and own.gflops is None
    assert min(own.forward, own.backward, own.update, own.reference) > 0
    assert "scaled" in str(found)


@pytest.mark.parametrize("fused", [False, True])
def test_rows_keep_their_layers_through_rewrites_and_fusion(lenet, fused):
    normed = fn.Sequential(
        [Conv2D(4, 3, activation="relu"), BatchNorm(), MaxPool2D(2), Flatten(), Dense(10)], input_shape=(2, 12, 12)
    )
    for net in (lenet, normed, models.resnet8((3, 16, 16), 10)):
        net.compile("adam", "softmax_cross_entropy")
        run = model_times._Run(net, *data(net, 32), 32, (), Executor, fused)
        run.executor.clock = []
        run.call(1)
        rows = [row for row in run.executor.clock[0].program.rows if row is not None]
        assert {row.op for row in rows if not row.origin} == {"load", "softmax_cross_entropy"}
        for row in rows:
            # Parameters are called after the layer that has them: the origin says the same.
            owned = {p.name.rpartition("/")[0] for p in (*row.params.values(), *row.grads.values())}
            assert owned <= set(row.origin)


def test_augmentation_is_timed_with_the_images(lenet):
    x, y = data(lenet)
    plain = lenet.profile(x, y, **FAST)
    steps = [fn.augment.Rotate(20), fn.augment.MixUp(0.2)]
    augmented = lenet.profile(x, y, **{**FAST, "reference": True}, augment=steps)
    assert augmented.rest["images"] > 2 * plain.rest["images"]
    with pytest.raises(TypeError, match=r"profile\.model: augment\[0\] is 3"):
        lenet.profile(x, y, augment=[3])


def test_the_tape_of_the_model_does_not_grow(lenet):
    before = len(lenet._lowered.tape.values)
    lenet.profile(*data(lenet), **FAST, fused=False)
    assert len(lenet._lowered.tape.values) == before


def test_the_peak_is_that_of_the_dtype():
    model = fn.Sequential([Flatten(), Dense(10)], input_shape=(2, 6, 6), dtype="float64")
    model.compile("sgd", "softmax_cross_entropy")
    with patch.object(model_times.fk, "fma_peak", side_effect=lambda threads, dtype: np.dtype(dtype).itemsize):
        assert model.profile(*data(model), **FAST).peak == 8
