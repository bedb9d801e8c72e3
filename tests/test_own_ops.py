"""Ops registered here, with nothing but public pieces: an op is added without touching the package.

`batch_center` needs the mean of the whole batch, so it runs on the block axis, on the tile axis and on the block axis
again; `refuse` sets a status, which stops a step before its update.
"""

import numpy as np
import pytest
from tape_nets import Net
from tapes import MOMENTUM, assert_equal_gradients, assert_near, assert_same_arrays, both, data, make, threads

from fastnn_kernels import registry
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor
from fastnn_kernels.reduction import tree_sum
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.registry import Kernel, Op
from fastnn_kernels.simd import lanes, vload, vstore
from fastnn_kernels.stage import Axis, Call, Space, Stage
from fastnn_kernels.task import BATCH, BLOCKS, STORE_STRIDE, VALID
from fastnn_kernels.vmath import vset


def sum_lanes(t):
    """Sum each feature over the lanes that hold samples: this block's share of the mean."""
    m, at = t.arena, t.at
    L = lanes(m)
    for f in range(t.options[0]):
        total = m[at[0] + f * L]
        for lane in range(1, t.info[VALID]):
            total += m[at[0] + f * L + lane]
        m[at[1] + f] = total
    return 0


def mean_of_blocks(t):
    """Sum over the blocks by the tree, divide by the samples of the batch."""
    m, at, features = t.arena, t.at, t.options[0]
    tree_sum(m, at[0], t.info[STORE_STRIDE], t.info[BLOCKS], features)
    for f in range(features):
        m[at[1] + f] = m[at[0] + f] / t.info[BATCH]
    return 0


def subtract_mean(t):
    """Subtract the mean; spare lanes of a gradient stay 0, so that they reach no weight."""
    m, at, o = t.arena, t.at, t.options
    L = lanes(m)
    for f in range(o[0]):
        vstore(m, at[2] + f * L, vload(m, at[0] + f * L) - vset(m, m[at[1] + f]))
        if o[1] != 0:
            for lane in range(t.info[VALID], L):
                m[at[2] + f * L + lane] = 0.0
    return 0


def centering_stages(source, target, *, is_gradient):
    features = lambda row: row.values[source].shape[0]  # noqa: E731
    return (
        Stage(Axis.BLOCK, (source,), ("sums",), lambda row, places, machine: Call(sum_lanes, (features(row),)),
              temps=lambda row, machine: {"sums": (Space.STORE, features(row))}, plain=True),
        Stage(Axis.TILE, ("sums",), ("mean",), lambda row, places, machine: Call(mean_of_blocks, (features(row),)),
              temps=lambda row, machine: {"mean": (Space.FIXED, features(row))}),
        Stage(Axis.BLOCK, (source, "mean"), (target,),
              lambda row, places, machine: Call(subtract_mean, (features(row), int(is_gradient))), plain=True),
    )  # fmt: skip


registry.register(
    Op(
        "batch_center",
        lambda shapes, **attrs: {"y": shapes["x"]},
        Kernel("forward", ("x",), ("y",), lambda x, **attrs: x - x.mean(axis=0),
               centering_stages("x", "y", is_gradient=False)),
        (Kernel("backward", ("dy",), ("dx",), lambda dy, **attrs: dy - dy.mean(axis=0),
                centering_stages("dy", "dx", is_gradient=True)),),
    )
)  # fmt: skip

STATUS, SPARE_STATUS = 3, 4
LIMIT = 100.0


def refuse(t):
    """Copy a block; refuse it where the first feature of a sample is above the limit, or 0 in any lane at all."""
    m, at = t.arena, t.at
    L = lanes(m)
    for f in range(t.options[0]):
        vstore(m, at[1] + f * L, vload(m, at[0] + f * L))
    if t.options[1] != 0:
        for lane in range(L):
            if lane < t.info[VALID] and m[at[0] + lane] > t.scalars[0]:
                return STATUS
            if m[at[0] + lane] == 0.0:
                return SPARE_STATUS
    return 0


def refuse_call(row, places, machine):
    return Call(refuse, (row.written()[0].shape[0], int(row.kernel == "forward")), (LIMIT,))


registry.register(
    Op(
        "refuse",
        lambda shapes, **attrs: {"y": shapes["x"]},
        Kernel("forward", ("x",), ("y",), lambda x, **attrs: x.copy(),
               (Stage(Axis.BLOCK, ("x",), ("y",), refuse_call, plain=True),)),
        (Kernel("backward", ("dy",), ("dx",), lambda dy, **attrs: dy.copy(),
                (Stage(Axis.BLOCK, ("dy",), ("dx",), refuse_call, plain=True),)),),
    )
)  # fmt: skip


def centered():
    """The op twice, with weights in front, between and behind; it takes away any bias in front of it."""
    net = Net(6).dense(5, bias=False).layer("batch_center").layer("tanh")
    return net.dense(5, bias=False).layer("batch_center").dense(5).done()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_op_that_needs_the_mean_of_the_batch(dtype):
    tape = centered()
    executor, reference = both(tape, dtype)
    for n in (40, 17, 1):
        x, y = data(tape, n, dtype)
        assert_near(executor.forward(x, n), reference.forward(x, n), f"batch {n}")
        assert_equal_gradients(executor, reference, x, y)
        # A batch of one is its own mean: nothing but the last bias gets a gradient.
        assert np.count_nonzero(executor.memory.grads) == (tape.size if n > 1 else 5)


def test_the_mean_is_that_of_the_whole_batch():
    tape = centered()
    x, _ = data(tape, 40, np.float64)
    executor = make(Executor, tape, np.float64)
    assert not np.allclose(executor.forward(x, 40), executor.forward(x, 8))


def test_training_with_an_own_op_equals_the_reference():
    tape = centered()
    x, y = data(tape, 57, np.float64)
    lr = np.full(4, 0.05)
    executor, reference = both(tape, np.float64, MOMENTUM)
    for interpreter in (executor, reference):
        interpreter.train(x, y, np.arange(57), 17, 1, lr)
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)


def test_an_op_name_is_taken_once():
    with pytest.raises(ValueError, match="batch_center"):
        registry.register(registry.get("batch_center"))


def refusing():
    return Net(4).dense(4).layer("tanh").dense(4).done(), Net(4).layer("refuse").dense(4).layer("tanh").dense(4).done()


def stopping():
    """An executor of the refusing net, 7 steps of 22 samples, the last one shorter, and 7 learning rates."""
    tape = refusing()[1]
    return make(Executor, tape, np.float64, MOMENTUM), *data(tape, 144, np.float64), np.full(7, 0.1)


@pytest.mark.parametrize("workers", range(1, min(2, THREAD_LIMIT) + 1))
def test_a_status_stops_before_the_first_update(workers):
    executor, x, y, lr = stopping()
    memory = executor.memory
    memory.slots[:] = 0.5
    params, slots = memory.params.copy(), memory.slots.copy()
    x[17, 0] = LIMIT + 1
    with threads(workers) as used:
        with pytest.raises(RuntimeError, match=f"status {STATUS}"):
            executor.train(x, y, np.arange(144), 22, 1, lr)
        assert used == {workers}
        np.testing.assert_array_equal(memory.params, params)
        np.testing.assert_array_equal(memory.slots, slots)
        with pytest.raises(RuntimeError, match=f"status {STATUS}"):
            executor.forward(x, 22)
        # Nothing is left behind: without that sample it trains, and as the net without the op does.
        x[17, 0] = 1.0
        memory.slots[:] = 0.0
        told = executor.train(x, y, np.arange(144), 22, 1, lr)
    plain = make(Executor, refusing()[0], np.float64, MOMENTUM)
    np.testing.assert_array_equal(plain.train(x, y, np.arange(144), 22, 1, lr), told)
    np.testing.assert_array_equal(plain.memory.params, memory.params)


def test_a_status_in_a_later_step_keeps_the_steps_before_it():
    executor, x, y, lr = stopping()
    x[2 * 22 + 21, 0] = LIMIT + 1
    with pytest.raises(RuntimeError, match="step 2 "):
        executor.train(x, y, np.arange(144), 22, 1, lr)
    two_steps = make(Executor, executor.tape, np.float64, MOMENTUM)
    two_steps.train(x, y, np.arange(44), 22, 1, lr[:2])
    np.testing.assert_array_equal(executor.memory.params, two_steps.memory.params)
    np.testing.assert_array_equal(executor.memory.slots, two_steps.memory.slots)


def test_a_refused_step_leaves_running_statistics_as_they_were():
    tape = Net(4).layer("refuse").dense(4).batch_norm().dense(4).done()
    executor, two_steps = (make(Executor, tape, np.float64, MOMENTUM) for _ in range(2))
    x, y = data(tape, 144, np.float64)
    two_steps.train(x, y, np.arange(44), 22, 1, np.full(2, 0.1))
    x[2 * 22 + 21, 0] = LIMIT + 1
    with pytest.raises(RuntimeError, match="step 2 "):
        executor.train(x, y, np.arange(144), 22, 1, np.full(7, 0.1))
    np.testing.assert_array_equal(executor.memory.state, two_steps.memory.state)
    assert (executor.memory.state != make(Executor, tape, np.float64).memory.state).all()


def test_spare_lanes_hold_a_sample():
    # Zeros, or what was there before, would make NaN in an op that divides, and 0 * NaN is NaN in every gradient.
    executor, x, y, _ = stopping()
    for n in range(1, executor.lanes + 2):
        assert np.isfinite(executor.gradients(x[:n], y[:n])[0])
    x[2, 0] = 0.0
    with pytest.raises(RuntimeError, match=f"status {SPARE_STATUS}"):
        executor.gradients(x[:3], y[:3])


def test_the_twins_of_the_refusing_op_train():
    tape = refusing()[1]
    x, y = data(tape, 22, np.float64)
    interpreters = [make(kind, tape, np.float64, MOMENTUM) for kind in (Executor, Interpreter)]
    for interpreter in interpreters:
        interpreter.train(x, y, np.arange(22), 22, 1, np.array([0.1]))
    assert_same_arrays(tape, interpreters[0].memory.params, interpreters[1].memory.params)
