"""warmup: compiles everything and changes nothing."""

import numpy as np
import pytest
from model_helpers import assert_same, small_data, small_layers, small_model, state_of

import fastnn as fn
from fastnn_kernels._jit import lane_count

X, Y = small_data(20)


def test_after_warmup_nothing_is_compiled():
    model = small_model("compiled")
    model.train_step(X, Y)
    before, grads = state_of(model), model._memory.grads.copy()
    model._engine._forget()
    seconds = fn.warmup(model, batch_size=20)
    assert_same(state_of(model), before)
    np.testing.assert_array_equal(model._memory.grads, grads)
    assert seconds > 0
    compiled = model.compile_seconds
    model.fit(X, Y, validation_split=0.2, verbose=0)
    model.train_step(X.astype(np.float32), Y)
    model.gradients(X, Y)
    model.predict(X)
    assert model.compile_seconds == compiled
    assert fn.warmup(model, batch_size=20) == 0


def test_calls_that_take_other_kernels_count_as_compiling(monkeypatch):
    # Where a vector has two lanes, one sample is not few.
    def block_lanes(batch, dtype, training):
        return 1 if batch == 1 else lane_count(64)

    monkeypatch.setattr("fastnn_kernels.executor.block_lanes", block_lanes)
    monkeypatch.setattr("fastnn.engine._block_lanes", block_lanes)
    model = small_model("compiled")
    model.evaluate(X, Y)
    for x, y in ((X[:1], Y[:1]), (X, np.eye(5)[Y]), (X.astype(np.float32), Y)):
        before = model.compile_seconds
        model.evaluate(x, y)
        compiled = model.compile_seconds
        assert compiled > before
        model.evaluate(x, y)
        assert model.compile_seconds == compiled


@pytest.mark.parametrize("loss", ["sum_squared_error", "categorical_cross_entropy"])
def test_other_losses_and_metrics(loss):
    last = "softmax" if loss == "categorical_cross_entropy" else None
    layers = [*small_layers()[:-1], fn.Dense(5, activation=last)]
    model = fn.Sequential(layers, input_shape=(2, 6, 6), dtype=np.float64)
    assert fn.warmup(model) >= 0
    model.compile("adam", loss, ["mae"] if last is None else ["f1"])
    before = state_of(model)
    model.backend = "reference"
    assert fn.warmup(model) == 0
    model.backend = "compiled"
    fn.warmup(model)
    assert_same(state_of(model), before)
    assert model.training_state.step == 0


def test_wrong_arguments():
    with pytest.raises(TypeError, match="warmup: model is 3"):
        fn.warmup(3)
    with pytest.raises(ValueError, match="warmup: batch_size is 0"):
        fn.warmup(small_model(), batch_size=0)
