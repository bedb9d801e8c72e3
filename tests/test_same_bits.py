"""The same bits whatever scratch memory held before, whatever the batch a sample is in, whatever the threads.

The bits of a sample alone are those of direct sums.
"""

import hashlib

import numpy as np
import pytest
from tape_nets import ALL, SMALL
from tapes import ADAM, assert_near, assert_same_arrays, data, direct_sums, make, threads

from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor


def fill_nan(arena):
    arena[:] = np.nan


def fill_ones(arena):
    arena.view(np.uint8)[:] = 0xFF


def fill_large(arena):
    arena[:] = 1e30  # goes unnoticed by nothing that a NaN would be compared away in


@pytest.mark.parametrize("fill", [fill_nan, fill_ones, fill_large])
@pytest.mark.parametrize("net", ALL)
def test_scratch_memory_is_never_read_before_it_is_written(net, fill):
    tape = ALL[net]()
    executor = make(Executor, tape, np.float64, ADAM)
    for n in (17, 8, 1):
        x, y = data(tape, n, np.float64)
        loss = executor.gradients(x, y)
        scores, grads = executor.forward(x, n), executor.memory.grads.copy()
        arena = executor._arena
        assert arena.size > n
        fill(arena)
        assert executor.gradients(x, y) == loss
        np.testing.assert_array_equal(executor.memory.grads, grads)
        fill(arena)
        np.testing.assert_array_equal(executor.forward(x, n), scores)
        fill(arena)
        assert executor.evaluate(x, y, n)[0] == pytest.approx(n * loss[0], rel=1e-12)
        assert executor._arena is arena


@pytest.mark.parametrize("net", ALL)
def test_a_sample_gives_the_same_bits_in_any_batch(net):
    tape = ALL[net]()
    x, _ = data(tape, 40, np.float64)
    with direct_sums():
        executor = make(Executor, tape, np.float64)
        alone = executor.forward(x, 1)
        for batch in (40, 17, 8):
            np.testing.assert_array_equal(executor.forward(x, batch), alone)


@pytest.mark.parametrize("net", ALL)
def test_a_sample_gives_the_same_bits_in_any_block_of_several(net):
    tape = ALL[net]()
    executor = make(Executor, tape, np.float64)
    x, _ = data(tape, 40, np.float64)
    together = executor.forward(x, 40)
    for batch in (20, 8):
        np.testing.assert_array_equal(executor.forward(x, batch), together)
    assert_near(executor.forward(x, 1), together)


@pytest.mark.parametrize("net", SMALL)
def test_the_gradient_of_a_batch_is_the_mean_over_its_samples(net):
    tape = SMALL[net]()
    executor = make(Executor, tape, np.float64)
    x, y = data(tape, 19, np.float64)
    mean_loss, correct = executor.gradients(x, y)
    of_batch = executor.memory.grads.copy()
    losses, rights, grads = 0.0, 0, np.zeros_like(of_batch)
    for i in range(19):
        loss, right = executor.gradients(x[i : i + 1], y[i : i + 1])
        losses, rights, grads = losses + loss / 19, rights + right, grads + executor.memory.grads / 19
    assert_near(np.array(mean_loss), np.array(losses))
    assert correct == rights
    assert_same_arrays(tape, of_batch, grads)


@pytest.mark.parametrize("net", ["same_padded", "residual", "two_features", "grouped"])
def test_aligned_halves_of_a_batch_add_up_to_the_same_bits(net):
    # Sums over the blocks form a balanced tree: whoever holds an aligned half has a subtree of it. The factor 1 / n
    # is a power of two, hence exact.
    tape = ALL[net]()
    executor = make(Executor, tape, np.float64)
    n = 16 * executor.lanes

    def gradients(x, y):
        loss, _ = executor.gradients(x, y)
        return np.append(executor.memory.grads, loss)

    def by_halves(x, y):
        if len(x) == 2 * executor.lanes:  # fewer samples may have smaller blocks
            return gradients(x, y)
        half = len(x) // 2
        return (by_halves(x[:half], y[:half]) + by_halves(x[half:], y[half:])) / 2

    x, y = data(tape, n, np.float64)
    np.testing.assert_array_equal(by_halves(x, y), gradients(x, y))


def trained_hash(net, dtype, batch_size=64, samples=150):
    """Train an epoch; return the sha256 of parameters, optimizer state and results."""
    tape = ALL[net]()
    executor = make(Executor, tape, dtype, ADAM)
    x, y = data(tape, samples, dtype)
    start = executor.memory.params.copy()
    steps = -(-samples // batch_size)
    told = executor.train(x, y, np.arange(samples), batch_size, 1, np.full(steps, 1e-3))
    assert (executor.memory.params != start).mean() > 0.5
    state = executor.memory.params.tobytes() + executor.memory.slots.tobytes() + told.tobytes()
    return hashlib.sha256(state).hexdigest()


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize(
    ("net", "dtype"),
    [("grouped", np.float64), ("residual", np.float64), ("lenet", np.float32)],
    ids=["grouped", "residual", "lenet-float32"],
)
def test_one_thread_and_two_give_the_same_bits_after_an_epoch(net, dtype):
    with threads(1) as used:
        one = trained_hash(net, dtype)
        assert used == {1}
    with threads(2) as used:
        assert [trained_hash(net, dtype) for _ in range(3)] == [one] * 3
        assert used == {2}
