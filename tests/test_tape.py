"""The tape's backward rows: only what somebody needs, and sums where a value has several readers."""

import itertools

import numpy as np
import pytest

import fastnn as fn
from fastnn.lowering import lower
from fastnn_kernels.memory import Memory
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.tape import Tape


def with_loss(layers, input_shape=(2, 6, 6)):
    lowered = lower(layers, input_shape)
    lowered.tape.set_loss("softmax_cross_entropy", lowered.output)
    return lowered.tape


def kernels(rows):
    """Name the rows; those of one op that follow each other are sorted, as their order has no meaning."""
    names = [(row.op, row.kernel) for row in rows]
    groups = itertools.groupby(names, lambda name: name[0])
    return [f"{op}.{kernel}" for op, group in groups for _, kernel in sorted(group)]


def test_backward_runs_from_last_to_first_without_the_first_input_gradient():
    tape = with_loss([fn.Conv2D(3, 3, activation="relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(5)])
    assert kernels(tape.backward()) == [
        "dense.backward_input",
        "dense.backward_weight",
        "reshape.backward",
        "max_pool2d.backward",
        "relu.backward",
        "conv2d.backward_weight",
    ]


def test_layers_in_front_of_the_first_parameter_have_no_backward_rows():
    tape = with_loss([fn.MaxPool2D(2), fn.Flatten(), fn.Dense(5)])
    assert kernels(tape.backward()) == ["dense.backward_weight"]


def test_the_gradient_of_the_input_can_be_asked_for():
    tape = with_loss([fn.Conv2D(3, 3), fn.Flatten(), fn.Dense(5)])
    rows = tape.backward(input_gradient=True)
    assert "conv2d.backward_input" in kernels(rows)


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        # No gradient goes into a frozen layer that has nothing trained in front of it ...
        ([0], ["dense.backward_input", "dense.backward_weight", "dense.backward_weight"]),
        ([0, 1], ["dense.backward_weight"]),
        ([0, 1, 2], []),
        # ... and it goes through one that has.
        (
            [1],
            [
                "dense.backward_input",
                "dense.backward_input",
                "dense.backward_weight",
                "dense.backward_weight",
            ],
        ),
    ],
)
def test_frozen_layers(frozen, expected):
    layers = [fn.Dense(units, trainable=k not in frozen) for k, units in enumerate([4, 3, 5])]
    tape = with_loss(layers, (6,))
    rows = tape.backward()
    assert kernels(rows) == expected
    with_gradient = {p.name for row in rows for p in row.grads.values()}
    assert with_gradient == {p.name for p in tape.params if p.trainable}


def test_a_layer_without_bias_asks_for_no_bias_gradient():
    rows = with_loss([fn.Flatten(), fn.Dense(5, bias=False)]).backward()
    assert [list(row.grads) for row in rows] == [["dw"]]


def branched_tape(readers):
    """One dense layer whose output is read `readers` times; the branches are added up."""
    tape = Tape()
    x = tape.input((4,))
    y = tape.add("dense", x=x, w=tape.parameter("w", (4, 3)), b=tape.parameter("b", (3,)))
    total = tape.add("tanh", x=y)
    for k in range(readers - 1):
        branch = tape.add("dense", x=y, w=tape.parameter(f"w{k}", (3, 3)), b=None)
        total = tape.add("add", x=total, z=branch)
    tape.set_loss("sum_squared_error", total)
    return tape


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_a_value_with_k_readers_gets_k_minus_1_add_rows(readers):
    assert kernels(branched_tape(readers).backward()).count("add.forward") == readers - 1


@pytest.mark.parametrize("readers", [1, 2, 3])
def test_gradients_of_a_branched_tape_equal_central_differences(readers):
    tape = branched_tape(readers)
    assert_central_differences(tape, x_shape=(5, 4), y_shape=(5, 3))


def test_a_value_read_twice_by_one_row():
    tape = Tape()
    y = tape.add("dense", x=tape.input((4,)), w=tape.parameter("w", (4, 3)), b=None)
    tape.set_loss("sum_squared_error", tape.add("add", x=y, z=y))
    assert_central_differences(tape, x_shape=(5, 4), y_shape=(5, 3))


def assert_central_differences(tape, x_shape, y_shape):
    rng = np.random.default_rng(3)
    memory = Memory.create(tape, np.float64)
    memory.params[:] = rng.standard_normal(tape.size)
    x, y = rng.standard_normal(x_shape), rng.standard_normal(y_shape)
    interpreter = Interpreter(tape, memory)
    interpreter.gradients(x, y)
    found, eps = memory.grads.copy(), 1e-6
    assert np.count_nonzero(found) == tape.size
    for k in range(tape.size):
        losses = []
        for shift in (eps, -2 * eps):
            memory.params[k] += shift
            losses.append(interpreter.evaluate(x, y, len(x))[0] / len(x))
        memory.params[k] += eps
        np.testing.assert_allclose(found[k], (losses[0] - losses[1]) / (2 * eps), rtol=1e-4, atol=1e-8)


def test_backward_needs_a_loss():
    tape = with_loss([fn.Flatten(), fn.Dense(5)])
    tape.loss = None
    with pytest.raises(ValueError, match="set_loss"):
        tape.backward()


def test_a_parameter_belongs_to_one_row():
    tape = Tape()
    w = tape.parameter("w", (3, 3))
    y = tape.add("dense", x=tape.input((3,)), w=w, b=None)
    with pytest.raises(ValueError, match="'w' is used by two rows"):
        tape.add("dense", x=y, w=w, b=None)


def test_parameters_lie_one_behind_the_other():
    tape = with_loss([fn.Conv2D(3, 3), fn.Flatten(), fn.Dense(5)])
    assert [(p.name, p.offset, p.size) for p in tape.params] == [
        ("conv2d/w", 0, 54),
        ("conv2d/b", 54, 3),
        ("dense/w", 57, 240),
        ("dense/b", 297, 5),
    ]
    assert tape.size == 302
