"""Nets that compute otherwise in training than at inference: batch normalisation and dropout, and what they keep."""

from math import prod

import numpy as np
import pytest
from tape_nets import STATEFUL, Net, dropped, everything, normed_batch
from tapes import (
    ADAM,
    MOMENTUM,
    assert_equal_gradients,
    assert_near,
    assert_same_arrays,
    both,
    data,
    direct_sums,
    make,
    threads,
)
from test_same_bits import fill_large, fill_nan, fill_ones

import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.tape import Tape

nets = pytest.mark.parametrize("net", STATEFUL)
both_kinds = pytest.mark.parametrize("kind", [Executor, Interpreter], ids=["compiled", "reference"])


def with_state(kind, tape, dtype, update=None):
    """Make an interpreter whose running statistics are those of some training."""
    interpreter = make(kind, tape, dtype, update)
    rng = np.random.default_rng(11)
    for name, view in interpreter.memory.state_views(tape, interpreter.memory.state).items():
        view[...] = rng.uniform(0.5, 2.0, view.shape) if name.endswith("var") else rng.standard_normal(view.shape)
    return interpreter


def assert_near_states(tape, actual, expected):
    views = actual.state_views(tape, expected.state)
    for name, view in actual.state_views(tape, actual.state).items():
        assert_near(view, views[name], name)


@nets
def test_gradients_equal_the_reference(net):
    tape = STATEFUL[net]()
    executor, reference = both(tape, np.float64)
    for n in (40, 17, 3, 16):
        state = executor.memory.state.copy()
        assert_equal_gradients(executor, reference, *data(tape, n, np.float64))
        np.testing.assert_array_equal(executor.memory.state, state)
        np.testing.assert_array_equal(reference.memory.state, state)


@nets
def test_gradients_in_float32_equal_the_reference(net):
    tape = STATEFUL[net]()
    executor, reference = both(tape, np.float32)
    for n in (17, 40):
        x, y = data(tape, n, np.float32)
        assert executor.gradients(x, y)[0] == pytest.approx(reference.gradients(x, y)[0], rel=1e-5)
        # The gradient of a bias in front of a batch normalisation is 0 but for rounding: no relative bound.
        np.testing.assert_allclose(executor.memory.grads, reference.memory.grads, rtol=2e-4, atol=2e-6)


@nets
def test_forward_and_evaluate_equal_the_reference_and_change_nothing(net):
    tape = STATEFUL[net]()
    executor, reference = (with_state(kind, tape, np.float64) for kind in (Executor, Interpreter))
    state = executor.memory.state.copy()
    x, y = data(tape, 37, np.float64)
    for batch in (5, 17, 64):
        assert_near(executor.forward(x, batch), reference.forward(x, batch))
    total, correct = executor.evaluate(x, y, 17)
    expected = reference.evaluate(x, y, 17)
    assert_near(np.array(total), np.array(expected[0]))
    assert correct == expected[1]
    for memory in (executor.memory, reference.memory):
        np.testing.assert_array_equal(memory.state, state)


@nets
def test_at_inference_a_sample_gives_the_same_bits_in_any_batch(net):
    tape = STATEFUL[net]()
    executor = with_state(Executor, tape, np.float64)
    x, _ = data(tape, 40, np.float64)
    with direct_sums():
        alone = executor.forward(x, 1)
        for batch in (40, 17):
            np.testing.assert_array_equal(executor.forward(x, batch), alone)


@nets
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_training_equals_the_reference(net, dtype):
    tape = STATEFUL[net]()
    executor, reference = both(tape, dtype, MOMENTUM)
    x, y = data(tape, 60, dtype)
    for interpreter in (executor, reference):
        for call in range(2):
            order = np.random.default_rng(call).permutation(60)
            interpreter.train(x, y, order, 17, 1 + 4 * call, np.full(4, 0.05))
    if dtype == np.float64:
        assert_same_arrays(tape, executor.memory.params, reference.memory.params)
        assert_near_states(tape, executor.memory, reference.memory)
    else:  # eight steps let the rounding of float32 grow
        np.testing.assert_allclose(executor.memory.params, reference.memory.params, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(executor.memory.state, reference.memory.state, rtol=1e-3, atol=1e-4)
    assert (executor.memory.state != make(Executor, tape, dtype).memory.state).all()


@both_kinds
def test_running_statistics_are_those_of_the_batches(kind):
    net = Net(3, 2, 4).batch_norm(momentum=0.25).flatten().dense(2)
    tape = net.done()
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    x, y = data(tape, 40, np.float64)
    mean, var = np.zeros(3), np.ones(3)
    interpreter.train(x, y, np.arange(40), 17, 1, np.full(3, 0.1))
    for start in (0, 17, 34):
        values = x[start : start + 17].transpose(1, 0, 2, 3).reshape(3, -1)
        mean = 0.75 * mean + 0.25 * values.mean(axis=1)
        var = 0.75 * var + 0.25 * values.var(axis=1, ddof=1)
    views = interpreter.memory.state_views(tape, interpreter.memory.state)
    assert_near(views["layer0/running_mean"], mean)
    assert_near(views["layer0/running_var"], var)


@both_kinds
def test_states_start_with_their_initial_values(kind):
    tape = normed_batch()
    memory = make(kind, tape, np.float32).memory
    views = memory.state_views(tape, memory.state)
    assert [(name, view.shape) for name, view in views.items()][:3] == [
        ("layer0/running_mean", (2,)), ("layer0/running_var", (2,)), ("layer2/running_mean", (5,)),
    ]  # fmt: skip
    for name, view in views.items():
        assert (view == (1.0 if name.endswith("var") else 0.0)).all()
    assert sum(view.size for view in views.values()) == tape.state_size == memory.state.size


@both_kinds
def test_a_failed_block_puts_the_states_back(kind):
    tape = normed_batch()
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    memory, before = interpreter.memory, interpreter.memory.state.copy()
    x, y = data(tape, 17, np.float64)
    with pytest.raises(KeyboardInterrupt), memory.restored_on_error():
        interpreter.train(x, y, np.arange(17), 17, 1, np.full(1, 0.1))
        assert (memory.state != before).all()
        raise KeyboardInterrupt
    np.testing.assert_array_equal(memory.state, before)


def test_batch_statistics_keep_their_digits_beside_a_large_mean():
    tape = Net(3, 4, 5).batch_norm().flatten().dense(2).done()
    executor, reference = make(Executor, tape, np.float32, MOMENTUM), make(Interpreter, tape, np.float64, MOMENTUM)
    x, y = data(tape, 40, np.float32)
    x += 1e4
    for interpreter in (executor, reference):
        interpreter.train(x.astype(interpreter.memory.params.dtype), y, np.arange(40), 40, 1, np.full(1, 0.1))
    np.testing.assert_allclose(executor.memory.state, reference.memory.state, rtol=2e-6)


@nets
@pytest.mark.parametrize("fill", [fill_nan, fill_ones, fill_large])
def test_scratch_memory_is_never_read_before_it_is_written(net, fill):
    tape = STATEFUL[net]()
    executor = with_state(Executor, tape, np.float64)
    for n in (17, 8, 3):
        x, y = data(tape, n, np.float64)
        loss, grads = executor.gradients(x, y), executor.memory.grads.copy()
        scores, evaluated = executor.forward(x, n), executor.evaluate(x, y, n)
        fill(executor._arena)
        assert executor.gradients(x, y) == loss
        np.testing.assert_array_equal(executor.memory.grads, grads)
        fill(executor._arena)
        np.testing.assert_array_equal(executor.forward(x, n), scores)
        fill(executor._arena)
        assert executor.evaluate(x, y, n) == evaluated


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@nets
def test_one_thread_and_two_give_the_same_bits(net, dtype):
    tape = STATEFUL[net]()
    x, y = data(tape, 150, dtype)
    memories = []
    for count in (1, 2, 2):
        executor = make(Executor, tape, dtype, ADAM)
        with threads(count) as used:
            executor.train(x, y, np.arange(150), 64, 1, np.full(3, 1e-3))
            assert used == {count}
        memories.append(executor.memory)
    for memory in memories[1:]:
        np.testing.assert_array_equal(memory.params, memories[0].params)
        np.testing.assert_array_equal(memory.state, memories[0].state)


def central_differences(interpreter, x, y, step=1e-6):
    """Gradient of the loss that `gradients` reports, for every parameter."""
    params = interpreter.memory.params
    found = np.zeros(params.size)
    for k in range(params.size):
        kept = params[k]
        params[k] = kept + step
        above = interpreter.gradients(x, y)[0]
        params[k] = kept - step
        found[k] = (above - interpreter.gradients(x, y)[0]) / (2 * step)
        params[k] = kept
    return found


@both_kinds
def test_gradients_are_those_of_the_training_loss(kind):
    net = Net(2, 3, 3).conv(3, (2, 2)).batch_norm().layer("tanh").dropout(0.4).flatten().dense(4).batch_norm()
    tape = net.layer("tanh").dropout(0.2).dense(3).layer_norm(1).done("sum_squared_error")
    interpreter = make(kind, tape, np.float64)
    x, y = data(tape, 11, np.float64)
    expected = central_differences(interpreter, x, y)
    interpreter.gradients(x, y)
    np.testing.assert_allclose(interpreter.memory.grads, expected, rtol=1e-4, atol=1e-7)
    assert np.count_nonzero(np.abs(expected) > 1e-5) > tape.size // 2


# ---- dropout


@both_kinds
def test_dropout_rows_draw_by_seed_number_step_and_position(kind):
    net = Net(3, 2, 5).dropout(0.5, seed=2**40 + 3)
    first = net.y
    net.dropout(0.25, seed=2**40 + 3)
    tape = net.flatten().dense(2).done("sum_squared_error")
    assert [row.attrs["number"] for row in tape.forward[:2]] == [0, 1]
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    x, y = data(tape, 40, np.float64)
    w, b = (view.copy() for view in interpreter.memory.views(tape, interpreter.memory.params).values())
    told = interpreter.train(x, y, np.arange(40), 40, 2**33, np.zeros(1))
    dropped_once = ref.dropout(x, 0.5, seed=2**40 + 3, step=2**33)[0]
    dropped_twice = ref.dropout(dropped_once, 0.25, seed=2**40 + 3, step=2**33, op=1)[0]
    expected = 0.5 * ((dropped_twice.reshape(40, -1) @ w + b - y) ** 2).sum() / 40
    np.testing.assert_allclose(told[0, 0], expected, rtol=1e-12)
    assert first.shape == (3, 2, 5)


@both_kinds
def test_each_step_drops_anew_and_gradients_those_of_step_0(kind):
    tape = dropped()
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    x, y = data(tape, 17, np.float64)
    order, lr = np.tile(np.arange(17), 3), np.zeros(3)
    losses = interpreter.train(x, y, order, 17, 1, lr)[:, 0]
    assert len(set(losses)) == 3
    np.testing.assert_array_equal(interpreter.train(x, y, order[:34], 17, 2, lr[:2])[:, 0], losses[1:])
    assert interpreter.gradients(x, y)[0] == interpreter.gradients(x, y)[0]
    assert interpreter.gradients(x, y)[0] not in losses


def test_dropout_refuses_what_its_kernel_refuses():
    with pytest.raises(ValueError, match=r"dropout: rate is 2\.0"):
        Net(3).dropout(2.0)
    with pytest.raises(ValueError, match="dropout: seed is -1"):
        Net(3).dropout(0.5, seed=-1)


# ---- refusals


@both_kinds
@pytest.mark.parametrize(("samples", "batch"), [(1, 1), (35, 17), (1, 17), (18, 1)])
def test_a_batch_of_one_value_a_channel_is_refused_before_anything_changes(kind, samples, batch):
    tape = Net(6).dense(4).batch_norm().dense(3).done()
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    memory = interpreter.memory
    before = [a.copy() for a in (memory.params, memory.grads, memory.slots, memory.state)]
    x, y = data(tape, samples, np.float64)
    with pytest.raises(ValueError, match=r"batch_norm: a batch of one sample of shape \(4,\) has one value"):
        interpreter.train(x, y, np.arange(samples), batch, 1, np.full(-(-samples // batch), 0.1))
    with pytest.raises(ValueError, match="batch_norm: a batch of one sample"):
        interpreter.gradients(x[:1], y[:1])
    for old, new in zip(before, (memory.params, memory.grads, memory.slots, memory.state), strict=True):
        np.testing.assert_array_equal(new, old)
    assert np.isfinite(interpreter.evaluate(x[:1], y[:1], 1)[0])
    assert np.isfinite(interpreter.gradients(*data(tape, 2, np.float64))[0])


@both_kinds
def test_one_sample_of_several_pixels_can_be_trained_on(kind):
    tape = Net(2, 1, 2).batch_norm().flatten().dense(3).done()
    interpreter = make(kind, tape, np.float64, MOMENTUM)
    told = interpreter.train(*data(tape, 1, np.float64), np.arange(1), 1, 1, np.full(1, 0.1))
    assert np.isfinite(told).all()
    assert np.isfinite(interpreter.memory.state).all()


@pytest.mark.parametrize(
    ("op", "shapes", "options", "message"),
    [
        ("batch_norm", [(3,), (4,), (4,), (4,)], {"momentum": 0.1}, r"batch_norm: gamma has shape \(3,\).*\(4,\)"),
        ("batch_norm", [(4,), (4,), (4,), (2,)], {"momentum": 0.1}, r"batch_norm: running_var has shape \(2,\)"),
        ("batch_norm", [], {"momentum": 0.1}, "batch_norm: gamma is missing"),
        ("batch_norm", [(4,), (4,)], {"momentum": 0.1}, "batch_norm: running_mean is missing"),
        ("batch_norm", [(4,)] * 4, {"momentum": 1.5}, r"batch_norm: momentum is 1\.5"),
        ("batch_norm", [(4,)] * 4, {"momentum": 0.1, "eps": -1}, "batch_norm: eps is -1"),
        ("group_norm", [(4,)], {"groups": 2}, "group_norm: beta is missing"),
        ("group_norm", [(4,), (4,)], {"groups": 2, "eps": np.inf}, "group_norm: eps is inf"),
        ("layer_norm", [(3,)], {}, "layer_norm: beta is missing"),
        ("layer_norm", [(3,), (3,)], {"eps": np.nan}, "layer_norm: eps is nan"),
        ("group_norm", [(4,), (4,)], {"groups": 3}, r"group_norm: groups is 3, a divisor of the 4 channels"),
        ("group_norm", [(4,), (4,)], {"groups": 0}, r"group_norm: groups is 0"),
        ("group_norm", [(4,), (3,)], {"groups": 2}, r"group_norm: beta has shape \(3,\)"),
        ("layer_norm", [(4,), (4,)], {}, r"layer_norm: gamma has shape \(4,\).*\(4, 2, 3\)"),
        ("layer_norm", [(2, 3), (3,)], {}, r"layer_norm: gamma has shape \(2, 3\) and beta \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(op, shapes, options, message):
    tape = Tape()
    x = tape.input((4, 2, 3))
    names = ["gamma", "beta", "running_mean", "running_var"][: len(shapes)]
    operands = {
        name: tape.parameter(name, shape) if k < 2 else tape.state(name, shape)
        for k, (name, shape) in enumerate(zip(names, shapes, strict=True))
    }
    with pytest.raises(ValueError, match=message):
        tape.add(op, x=x, **operands, **{"eps": 1e-5, **options})


@pytest.mark.parametrize(
    ("op", "options", "message"),
    [
        ("group_norm", {"groups": 2.0, "eps": 0}, r"group_norm: groups is 2\.0 \(float\), an int is needed"),
        ("group_norm", {"groups": 2, "eps": "0"}, "group_norm: eps is '0'"),
        ("group_norm", {"groups": 2, "eps": 0, "momentum": 0.1}, "momentum"),
        ("batch_norm", {"eps": 0, "momentum": "0.1"}, "batch_norm: momentum is '0.1'"),
        ("batch_norm", {"eps": 0}, "momentum"),
    ],
)
def test_options_of_another_type_or_name_are_refused(op, options, message):
    tape = Tape()
    x = tape.input((4, 2, 3))
    operands = {name: tape.parameter(name, (4,)) for name in ("gamma", "beta")}
    if op == "batch_norm":
        operands |= {name: tape.state(name, (4,)) for name in ("running_mean", "running_var")}
    with pytest.raises(TypeError, match=message):
        tape.add(op, x=x, **operands, **options)


def test_a_state_belongs_to_one_row():
    net = Net(3).batch_norm()
    operands = {name: p for name, p in net._scale_and_shift((3,)).items() if name != "name"}
    with pytest.raises(ValueError, match="Tape: state 'layer0/running_mean' is used by two rows"):
        net.layer("batch_norm", **operands, momentum=0.1, **net.tape.forward[0].states)


def test_states_lie_one_behind_the_other():
    tape = everything()
    ends = np.cumsum([0, *(prod(s.shape) for s in tape.states)])
    assert [s.offset for s in tape.states] == list(ends[:-1])
    assert tape.state_size == ends[-1]
    assert Tape().state_size == 0
