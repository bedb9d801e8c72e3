"""Whole nets: the compiled interpreter equals the reference interpreter, in gradients and in training."""

from dataclasses import replace

import numpy as np
import pytest
from tape_nets import ALL, SMALL, lenet
from tapes import (
    ADAM,
    MOMENTUM,
    SGD,
    UPDATES,
    assert_equal_gradients,
    assert_near,
    assert_same_arrays,
    both,
    data,
    make,
    threads,
    trained,
)

from fastnn_kernels._jit import VECTOR_BYTES
from fastnn_kernels.executor import Executor
from fastnn_kernels.lane_blocks import block_lanes
from fastnn_kernels.update import Update

BATCHES = (1, 3, 7, 16, 17, 128)


@pytest.mark.parametrize("net", SMALL)
def test_gradients_equal_the_reference(net):
    tape = SMALL[net]()
    executor, reference = both(tape, np.float64)
    for n in BATCHES:
        assert_equal_gradients(executor, reference, *data(tape, n, np.float64))


@pytest.mark.parametrize("net", ["lenet", "grouped"])
def test_gradients_of_larger_nets_equal_the_reference(net):
    tape = ALL[net]()
    executor, reference = both(tape, np.float64)
    for n in (1, 17, 40):
        assert_equal_gradients(executor, reference, *data(tape, n, np.float64))


@pytest.mark.parametrize("net", ["same_padded", "residual", "lenet"])
def test_gradients_in_float32_equal_the_reference(net):
    tape = ALL[net]()
    executor, reference = both(tape, np.float32)
    for n in (3, 7, 12, 17, 128):
        assert_equal_gradients(executor, reference, *data(tape, n, np.float32))


@pytest.mark.parametrize("net", [*SMALL, "grouped"])
def test_images_too_large_for_lane_blocks_run_one_by_one(net, monkeypatch):
    monkeypatch.setattr("fastnn_kernels.executor._BLOCK_BYTES", 0)
    tape = ALL[net]()
    executor, reference = both(tape, np.float64)
    for n in (17, 40):
        assert_equal_gradients(executor, reference, *data(tape, n, np.float64))
    assert {executor._lanes_for(n, training=True) for n in (1, 17, 1000)} == {1}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_batches_have_small_blocks(dtype, training):
    executor, _ = both(lenet(), dtype)
    whole = executor.lanes
    chosen = [executor._lanes_for(n, training=training) for n in range(1, 2 * whole + 1)]
    assert chosen == sorted(chosen)
    assert chosen[0] == 1
    assert {*chosen[whole:], executor._lanes_for(1000, training=training)} == {whole}
    assert {*chosen} <= ({1, whole // 2, whole} if training else {1, whole})


@pytest.mark.skipif(VECTOR_BYTES < 64, reason="vectors are short here")
@pytest.mark.parametrize("halves", [False, True])
def test_half_vectors_are_taken_where_they_cost_no_more(halves, monkeypatch):
    monkeypatch.setattr("fastnn_kernels.lane_blocks.HALVES_VECTORS", halves)
    single = np.dtype(np.float32)
    chosen = [block_lanes(n, single, training=True) for n in (5, 6, 8, 9, 16, 17)]
    assert chosen == [1, 8, 8, *([8, 8] if halves else [16, 16]), 16]


def test_the_reference_interpreter_leaves_the_tape_as_it_was():
    tape = lenet()
    before = len(tape.values)
    both(tape, np.float32)
    assert len(tape.values) == before


@pytest.mark.parametrize("n", [3, 17])
def test_soft_targets(n):
    tape = SMALL["same_padded"]()
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, n, np.float64, soft=True))


def test_correct_predictions_where_all_scores_are_equal():
    tape = SMALL["same_padded"]()
    executor, reference = both(tape, np.float64)
    executor.memory.params[:] = reference.memory.params[:] = 0.0
    x, y = data(tape, 20, np.float64)
    expected = int((y == 0).sum())  # the first of equal scores is the prediction
    assert 0 < expected < 20
    assert executor.gradients(x, y)[1] == reference.gradients(x, y)[1] == expected
    assert executor.evaluate(x, y, 7)[1] == expected


@pytest.mark.parametrize("net", SMALL)
def test_forward_and_evaluate_equal_the_reference(net):
    tape = SMALL[net]()
    executor, reference = both(tape, np.float64)
    x, y = data(tape, 37, np.float64)
    for batch in (5, 17, 64):
        assert_near(executor.forward(x, batch), reference.forward(x, batch))
    total, correct = executor.evaluate(x, y, 17)
    expected = reference.evaluate(x, y, 17)
    assert_near(np.array(total), np.array(expected[0]))
    assert correct == expected[1]


def train_both(tape, dtype, update, *, batch_size=17, samples=60):
    """Two calls, with a learning rate of its own for each step and a short last batch; return both memories."""
    x, y = data(tape, samples, dtype)
    interpreters = both(tape, dtype, update)
    steps = -(-samples // batch_size)
    results = []
    for interpreter in interpreters:
        rng = np.random.default_rng(3)
        told = []
        for call in range(2):
            lr = 0.01 * (1 + np.arange(steps))
            order = rng.permutation(samples)
            told.append(interpreter.train(x, y, order, batch_size, 1 + call * steps, lr))
        results.append(np.concatenate(told))
    assert results[0].shape == (2 * steps, 2)
    assert_near(results[0][:, 0].astype(dtype), results[1][:, 0].astype(dtype), "losses")
    np.testing.assert_array_equal(results[0][:, 1], results[1][:, 1])
    return [interpreter.memory for interpreter in interpreters]


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.name)
def test_training_equals_the_reference(update):
    tape = SMALL["same_padded"]()
    memory, expected = train_both(tape, np.float64, update)
    assert_same_arrays(tape, memory.params, expected.params)
    for k in range(update.slots):
        assert_same_arrays(tape, memory.slots[k], expected.slots[k])


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.name)
def test_frozen_parameters_stay_and_the_others_train(update):
    tape = SMALL["frozen"]()
    before = make(Executor, tape, np.float64).memory.params
    memory, expected = train_both(tape, np.float64, update)
    assert_same_arrays(tape, memory.params, expected.params)
    changed = memory.params != before
    np.testing.assert_array_equal(changed[~trained(tape)], False)
    assert changed[trained(tape)].all()
    assert not memory.grads[~trained(tape)].any()


def test_weight_decay_leaves_out_what_is_told_to_stay():
    tape = SMALL["two_features"]()
    start = make(Executor, tape, np.float64).memory.params
    x, y = data(tape, 9, np.float64)
    trained_with = {}
    for decay in (0.0, 0.5):
        executor = make(Executor, tape, np.float64, Update("sgd_update", 0, {}, decay))
        executor.train(x, y, np.arange(9), 9, 1, np.array([0.1]))
        trained_with[decay] = executor.memory.params
    shrunk = trained_with[0.0].copy()
    for p in tape.params:
        part = slice(p.offset, p.offset + p.size)
        shrunk[part] -= 0.1 * 0.5 * start[part] * p.decay
    assert {p.decay for p in tape.params} == {True, False}
    assert_same_arrays(tape, trained_with[0.5], shrunk)


# With a small eps Adam turns the rounding of gradients near 0 into whole steps.
ADAM_LARGE_EPS = replace(ADAM, options={**ADAM.options, "eps": 1e-2})


@pytest.mark.parametrize("update", [SGD, MOMENTUM, ADAM_LARGE_EPS], ids=lambda update: update.name)
def test_training_in_float32_equals_the_reference(update):
    tape = SMALL["same_padded"]()
    memory, expected = train_both(tape, np.float32, update)
    assert_same_arrays(tape, memory.params, expected.params)


def test_lenet_trains_as_the_reference_does():
    tape = lenet()
    memory, expected = train_both(tape, np.float64, ADAM, batch_size=32, samples=80)
    assert_same_arrays(tape, memory.params, expected.params)


def test_train_reads_samples_by_their_order_and_no_others():
    tape = SMALL["two_features"]()
    x, y = data(tape, 40, np.float64)
    order = np.random.default_rng(5).permutation(40)[:23]
    shuffled, straight = (make(Executor, tape, np.float64, SGD) for _ in range(2))
    unused = np.setdiff1d(np.arange(40), order)
    x[unused] = y[unused] = np.nan
    lr = np.full(3, 0.1)
    results = shuffled.train(x, y, order, 10, 1, lr)
    np.testing.assert_array_equal(straight.train(x[order], y[order], np.arange(23), 10, 1, lr), results)
    np.testing.assert_array_equal(straight.memory.params, shuffled.memory.params)
    assert np.isfinite(shuffled.memory.params).all()


def test_read_only_images_and_labels():
    tape = SMALL["same_padded"]()
    executor = make(Executor, tape, np.float64)
    x, y = data(tape, 19, np.float64)
    expected = executor.gradients(x, y)
    x.flags.writeable = y.flags.writeable = False
    assert executor.gradients(x, y) == expected


def test_subnormal_numbers_count_as_zeros_in_a_call_and_only_there():
    tape = SMALL["two_features"]()
    executor = make(Executor, tape, np.float32, Update(ADAM.name, ADAM.slots, ADAM.options, 0.0))
    x, y = data(tape, 40, np.float32)
    x[:] = 0  # so that the gradients of weights are 0, and their moments decay
    tiny = np.float32(1e-40)
    executor.memory.slots[:] = tiny
    with threads(2):
        executor.train(x, y, np.arange(40), 20, 1, np.zeros(2))
    below = np.abs(executor.memory.slots) < np.finfo(np.float32).tiny
    np.testing.assert_array_equal(executor.memory.slots[below], 0)
    assert below.any()
    assert tiny * np.float32(1) == tiny


@pytest.mark.parametrize("count", [1, 2])
def test_a_clock_has_the_time_of_every_row(count):
    tape = SMALL["same_padded"]()
    executor = make(Executor, tape, np.float32, ADAM)
    x, y = data(tape, 200, np.float32)
    expected = make(Executor, tape, np.float32, ADAM)
    with threads(count):
        executor.train(x, y, np.arange(200), 100, 1, np.zeros(2))
        executor.clock = []
        executor.train(x, y, np.arange(200), 100, 3, np.zeros(2))
        expected.train(x, y, np.arange(200), 100, 1, np.zeros(2))
        expected.train(x, y, np.arange(200), 100, 3, np.zeros(2))
    (clock,) = executor.clock
    assert (clock.kind, clock.steps, clock.workers) == ("train", 2, count)
    assert clock.rows.shape == (count, len(clock.program.calls))
    assert (clock.rows.sum(axis=0) > 0).all()
    assert 0 < clock.rows.sum() <= count * clock.seconds
    np.testing.assert_allclose(clock.phases.sum(), clock.seconds)
    np.testing.assert_array_equal(executor.memory.slots, expected.memory.slots)
