"""Data for tapes, interpreters of them with seeded parameters, and how results are compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np

from fastnn_kernels import _threads
from fastnn_kernels.executor import Executor
from fastnn_kernels.memory import Memory
from fastnn_kernels.ops import winograd_row, winograd_row_weight
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.tape import Tape
from fastnn_kernels.update import Update

Array = np.ndarray

SGD = Update("sgd_update", 0, {}, 0.02)
MOMENTUM = Update("momentum_update", 1, {"momentum": 0.9}, 0.02)
ADAM = Update("adam_update", 2, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}, 0.02)
UPDATES = (
    SGD,
    MOMENTUM,
    replace(MOMENTUM, name="nesterov_update"),
    Update("adagrad_update", 1, {"eps": 1e-10}, 0.02),
    Update("rmsprop_update", 1, {"alpha": 0.9, "eps": 1e-8}, 0.02),
    ADAM,
    replace(ADAM, name="adamw_update"),
    replace(ADAM, name="nadam_update", options={**ADAM.options, "momentum_decay": 4e-3}),
)


def data(tape: Tape, n: int, dtype: Any, *, soft: bool = False) -> tuple[Array, Array]:
    """`n` images and the targets that the tape's loss takes: labels, soft targets or numbers."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, *tape.inputs[0].shape)).astype(dtype)
    shape = tape.loss.values["prediction"].shape
    if tape.loss.op != "softmax_cross_entropy" or soft:
        targets = rng.random((n, *shape))
        if tape.loss.op.endswith("cross_entropy"):
            targets /= targets.sum(axis=1, keepdims=True)
        return x, targets.astype(dtype)
    return x, rng.integers(0, shape[0], n)


def make(kind: type, tape: Tape, dtype: Any, update: Update | None = None) -> Any:
    """An `Executor` or `Interpreter` of `tape` with seeded parameters that keep values near 1."""
    rng = np.random.default_rng(7)
    memory = Memory.create(tape, dtype)
    for name, view in memory.views(tape, memory.params).items():
        fan_in = prod(view.shape[1:]) if view.ndim == 4 else view.shape[0]
        view[...] = rng.standard_normal(view.shape) * (0.1 if view.ndim == 1 else (2 / fan_in) ** 0.5)
        if name.endswith("gamma"):
            view += 1.0
    if update is not None:
        memory.reset_slots(update.slots)
    return kind(tape, memory, update)


def both(tape: Tape, dtype: Any, update: Update | None = None) -> tuple[Executor, Interpreter]:
    """Compiled and reference interpreter with equal parameters, each with a memory of its own."""
    return make(Executor, tape, dtype, update), make(Interpreter, tape, dtype, update)


@contextmanager
def direct_sums() -> Iterator[None]:
    """Without Winograd's algorithm along rows, whose bits blocks of one sample do not have."""
    with patch.object(winograd_row, "cut", lambda *_: None), patch.object(winograd_row_weight, "cut", lambda *_: None):
        yield


def assert_near(actual: Array, expected: Array, name: str = "") -> None:
    """Compare relative to the largest element: each is a sum of terms of about that size."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    scale = np.abs(expected).max(initial=0.0)
    tolerance = 1e-11 if expected.dtype == np.float64 else 2e-5
    np.testing.assert_allclose(actual, expected, rtol=10 * tolerance, atol=tolerance * max(scale, 1e-3), err_msg=name)


def assert_same_arrays(tape: Tape, actual: Array, expected: Array) -> None:
    """Compare flat vectors parameter by parameter, so that a small one is not lost beside a large one."""
    views = Memory.views(tape, expected)
    for name, view in Memory.views(tape, actual).items():
        assert_near(view, views[name], name)


def trained(tape: Tape) -> Array:
    """Mask of the elements of the flat vectors that belong to trainable parameters."""
    mask = np.zeros(tape.size, bool)
    for p in tape.params:
        mask[p.offset : p.offset + p.size] = p.trainable
    return mask


def assert_equal_gradients(executor: Executor, reference: Interpreter, x: Array, y: Array) -> None:
    """Compare loss, correct predictions and the gradient of every parameter."""
    mask = trained(executor.tape)
    executor.memory.grads[mask] = np.nan  # every element must be written
    loss, correct = executor.gradients(x, y)
    expected_loss, expected_correct = reference.gradients(x, y)
    assert_near(np.array(loss, x.dtype), np.array(expected_loss, x.dtype), "loss")
    assert correct == expected_correct
    assert_same_arrays(executor.tape, executor.memory.grads, reference.memory.grads)
    assert executor.memory.grads[mask].any()


@contextmanager
def threads(n: int) -> Iterator[set[int]]:
    """Use `n` threads, for steps too short to share as well; gives the numbers of workers that calls ran with."""
    before, launch, used = _threads.get_num_threads(), _threads.launch, set()

    def noting_launch(compiled: Any, count: int, *args: Any) -> Any:
        used.add(count)
        return launch(compiled, count, *args)

    _threads.set_num_threads(n)
    try:
        with patch.object(_threads, "_WORK_EACH", 1), patch.object(_threads, "launch", noting_launch):
            yield used
    finally:
        _threads.set_num_threads(before)
