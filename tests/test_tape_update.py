"""The end of a step: clipping, the rule, max_norm; the compiled interpreter equals the reference interpreter."""

from dataclasses import replace

import numpy as np
import pytest
from tape_nets import SMALL, Net, grouped
from tapes import ADAM, MOMENTUM, SGD, UPDATES, assert_near, assert_same_arrays, both, data, make, threads, trained

import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor
from fastnn_kernels.memory import Memory
from fastnn_kernels.program import make_program
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.stage import Axis, Machine
from fastnn_kernels.update import Update

BLOCK, _, TILE, CHUNK = Axis
ADAMW = replace(ADAM, name="adamw_update")
CLIPPED = {
    "value": replace(SGD, clip_value=0.01),
    "norm": replace(MOMENTUM, clip_norm=0.05),
    "both": replace(ADAM, clip_value=0.02, clip_norm=0.05),
}


def in_balls(tape, limit=1.2):
    """Bound the units of all weights of the tape."""
    tape.params = [replace(p, max_norm=limit) if len(p.shape) > 1 else p for p in tape.params]
    return tape


def train(interpreter, tape, samples=60, batch_size=17, lr=0.01):
    x, y = data(tape, samples, interpreter.memory.params.dtype)
    steps = -(-samples // batch_size)
    return interpreter.train(x, y, np.arange(samples), batch_size, 1, np.full(steps, lr))


def test_phases():
    def last_phases(update, tape):
        program = make_program(tape, Machine(16, 24, 16), backward=True, loss=True, update=update)
        assert program.phases[1][2] == BLOCK
        return [
            (Axis(axis), [c.function.__name__ for c in program.calls[first:last]])
            for first, last, axis in program.phases[3:]
        ]

    plain = SMALL["same_padded"]()
    assert last_phases(SGD, plain) == [(CHUNK, ["reduce_op", "sgd_op"])]
    assert last_phases(CLIPPED["value"], plain) == [(CHUNK, ["reduce_op", "clip_op", "sgd_op"])]
    assert last_phases(CLIPPED["both"], plain) == [
        (CHUNK, ["reduce_op", "clip_op", "squares_op"]),
        (TILE, ["factor_op"]),
        (CHUNK, ["scale_op", "adam_op"]),
    ]
    assert last_phases(SGD, in_balls(SMALL["frozen"]())) == [
        (CHUNK, ["reduce_op", "sgd_op"]),
        (TILE, ["max_norm_op"] * 2),  # frozen weights stay as they are
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("clip", CLIPPED)
@pytest.mark.parametrize("net", ["same_padded", "frozen", "two_features"])
def test_clipped_training_equals_the_reference(net, clip, dtype):
    # With a small eps Adam turns the rounding of gradients near 0 into whole steps.
    update = CLIPPED[clip]
    if "eps" in update.options:
        update = replace(update, options={**update.options, "eps": 1e-2})
    tape = SMALL[net]()
    executor, reference = both(tape, dtype, update)
    plain = make(Executor, tape, dtype, replace(update, clip_value=None, clip_norm=None))
    results = [train(interpreter, tape) for interpreter in (executor, reference, plain)]
    assert_near(results[0][:, 0].astype(dtype), results[1][:, 0].astype(dtype))
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)
    for k in range(update.slots):
        assert_same_arrays(tape, executor.memory.slots[k], reference.memory.slots[k])
    assert np.abs(executor.memory.params - plain.memory.params).max() > 1e-4  # it was clipped
    mask = trained(tape)
    assert not executor.memory.grads[~mask].any()
    # What the step used is what is left in the gradients.
    assert_same_arrays(tape, executor.memory.grads, reference.memory.grads)
    if update.clip_norm is not None:
        assert np.linalg.norm(executor.memory.grads) <= update.clip_norm * (1 + 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_of_single_samples_equals_the_reference(dtype):
    """A batch of one has memory of another layout; the sums of squares have their place in it as well."""
    tape = in_balls(SMALL["two_features"]())
    executor, reference = both(tape, dtype, replace(SGD, clip_norm=0.05, clip_value=0.04))
    for interpreter in (executor, reference):
        train(interpreter, tape, samples=7, batch_size=1, lr=0.1)
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)


def test_a_limit_that_is_not_reached_changes_no_bit():
    tape = SMALL["same_padded"]()
    memories = []
    for update in (MOMENTUM, replace(MOMENTUM, clip_norm=1e6, clip_value=1e6)):
        executor = make(Executor, in_balls(tape, 1e6), np.float32, update)
        train(executor, tape)
        memories.append(executor.memory)
    np.testing.assert_array_equal(memories[0].params, memories[1].params)
    np.testing.assert_array_equal(memories[0].grads, memories[1].grads)


def test_gradients_are_never_clipped():
    tape = SMALL["same_padded"]()
    x, y = data(tape, 9, np.float64)
    found = []
    for update in (SGD, *CLIPPED.values()):
        executor = make(Executor, tape, np.float64, update)
        executor.gradients(x, y)
        found.append(executor.memory.grads)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


@pytest.mark.parametrize("update", [SGD, *CLIPPED.values()], ids=["plain", *CLIPPED])
def test_units_stay_in_their_balls(update):
    tape = in_balls(SMALL["same_padded"](), 0.9)
    update = replace(update, weight_decay=0.0)  # which would draw all of them inside
    executor, reference = both(tape, np.float64, update)
    for interpreter in (executor, reference):
        train(interpreter, tape)
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)
    at_the_border = 0
    for p in tape.params:
        view = executor.memory.params[p.offset : p.offset + p.size].reshape(p.shape)
        if p.max_norm is not None:
            norms = np.sqrt((view**2).sum(axis=0 if view.ndim == 2 else (1, 2, 3)))
            assert (norms <= 0.9 * (1 + 1e-12)).all()
            at_the_border += (norms > 0.9 * (1 - 1e-12)).sum()
    assert at_the_border > 3


def test_units_of_a_transposed_convolution_are_its_outputs():
    """Of weights (C_in, C_out / groups, KH, KW) the units lie along the second axis, in each group for itself."""
    tape = SMALL["transposed"]()
    transposed = [row.params["w"].name for row in tape.forward if row.op == "conv_transpose2d"]
    groups = {row.params["w"].name: row.attrs.get("groups", 1) for row in tape.forward if "w" in row.params}
    assert set(transposed) < set(groups) and max(groups.values()) == 2
    tape.params = [
        replace(p, max_norm=0.8, unit_axis=1, unit_groups=groups[p.name]) if p.name in transposed else p
        for p in tape.params
    ]
    executor, reference = both(tape, np.float64, SGD)
    for interpreter in (executor, reference):
        train(interpreter, tape)
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)
    for p in tape.params:
        if p.max_norm is not None:
            view = executor.memory.params[p.offset : p.offset + p.size].reshape(p.unit_groups, -1, *p.shape[1:])
            norms = np.sqrt((view**2).sum(axis=(1, 3, 4)))
            assert (norms <= 0.8 * (1 + 1e-12)).all()
            assert (norms > 0.7).all()  # they started above 1.2


@pytest.mark.parametrize("kind", [Executor, Interpreter])
def test_groups_with_more_units_than_a_task_takes(kind):
    """Equal to NumPy on the weights that the same step leaves without limit; units inside the ball keep their bits."""
    groups, channels, filters, limit = 2, 6, 70, 0.4
    net = Net(channels, 3, 3).conv_transpose(filters, (2, 1), groups=groups).layer("relu").flatten()
    tape = net.dense(3).done()
    first, *others = tape.params
    bounded = replace(tape, params=[replace(first, max_norm=limit, unit_axis=1, unit_groups=groups), *others])
    found = []
    for each in (bounded, tape):
        interpreter = make(kind, each, np.float64, SGD)
        train(interpreter, each, samples=9, batch_size=9)
        w = Memory.views(tape, interpreter.memory.params)[first.name]
        found.append(w.reshape(groups, channels // groups, filters // groups, 2))
    norms = np.sqrt((found[1] ** 2).sum(axis=(1, 3), keepdims=True))
    inside = norms <= limit
    assert 5 < inside.sum() < filters - 5
    np.testing.assert_allclose(found[0], np.where(inside, found[1], found[1] * limit / norms), rtol=1e-12)
    assert not np.where(inside, found[0] != found[1], False).any()


def test_frozen_weights_stay_outside_their_balls():
    tape = in_balls(SMALL["frozen"](), 0.5)
    executor = make(Executor, tape, np.float64, CLIPPED["norm"])
    before = executor.memory.params.copy()
    train(executor, tape)
    mask = trained(tape)
    np.testing.assert_array_equal(executor.memory.params[~mask], before[~mask])
    assert (executor.memory.params[mask] != before[mask]).mean() > 0.9


@pytest.mark.parametrize("update", [SGD, ADAMW], ids=lambda update: update.name)
def test_decay_that_leaves_parameters_out(update):
    """Decoupled decay scales what decays and nothing else; L2 takes its way through the gradient."""
    tape = SMALL["two_features"]()
    start = make(Executor, tape, np.float64).memory.params
    stepped = {}
    for decay in (0.0, 0.5):
        executor = make(Executor, tape, np.float64, replace(update, weight_decay=decay))
        train(executor, tape, samples=9, lr=0.1)
        stepped[decay] = executor.memory.params
    difference = stepped[0.0] - stepped[0.5]
    decays = np.repeat([p.decay for p in tape.params], [p.size for p in tape.params])
    np.testing.assert_allclose(difference, 0.1 * 0.5 * start * decays, atol=1e-15)


def test_gradients_that_explode_are_clipped_in_float32():
    """Their squares are no float32, their norm is."""
    tape = SMALL["two_features"]()
    update = Update("sgd_update", clip_norm=0.5)
    for interpreter in both(tape, np.float32, update):
        before = interpreter.memory.params.copy()
        x, y = data(tape, 5, np.float32)
        interpreter.train(x, y * np.float32(1e25), np.arange(5), 5, 1, np.ones(1))
        assert np.linalg.norm(interpreter.memory.grads.astype(np.float64)) == pytest.approx(0.5, rel=1e-5)
        np.testing.assert_allclose(np.linalg.norm(interpreter.memory.params - before), 0.5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scratch_memory_is_never_read_before_it_is_written(dtype):
    tape = in_balls(SMALL["frozen"]())
    expected = None
    for fill in (0, np.nan, 1e30):
        executor = make(Executor, tape, dtype, CLIPPED["both"])
        start = executor.memory.params.copy()
        train(executor, tape)  # makes the arena
        executor._arena[:] = fill
        executor.memory.params[:] = start
        executor.memory.slots[:] = 0
        train(executor, tape)
        expected = executor.memory.params if expected is None else expected
        np.testing.assert_array_equal(executor.memory.params, expected)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("update", [replace(u, clip_norm=0.05, clip_value=0.03) for u in UPDATES[2::2]],
                         ids=lambda update: update.name)  # fmt: skip
def test_one_thread_and_two_give_the_same_bits(update):
    tape = in_balls(grouped(), 1.0)
    results = []
    for n in (1, 2, 2):
        with threads(n) as used:
            executor = make(Executor, tape, np.float32, update)
            told = train(executor, tape, samples=100, batch_size=40)
            results.append([a.tobytes() for a in (told, executor.memory.params, executor.memory.slots)])
            assert used == {n}
    assert results[0] == results[1] == results[2]


def test_every_rule_is_a_kernel_of_the_same_name():
    for update in UPDATES:
        assert callable(getattr(ref, update.name))
        assert update.counts_steps == (update.slots == 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "adam"}, ValueError, "Update: name is 'adam', needed is one of sgd_update, .*, nadam_update"),
        ({"name": "sgd_update", "clip_value": 0}, ValueError, "Update: clip_value: limit is 0, a number above 0"),
        ({"name": "sgd_update", "clip_norm": -1.0}, ValueError, r"Update: clip_norm: limit is -1\.0"),
        ({"name": "sgd_update", "clip_norm": np.nan}, ValueError, "Update: clip_norm: limit is nan"),
        ({"name": "sgd_update", "clip_norm": "1"}, TypeError, "Update: clip_norm: limit is '1'"),
    ],
)
def test_names_and_limits_of_an_update(arguments, error, message):
    with pytest.raises(error, match=message):
        Update(**arguments)
