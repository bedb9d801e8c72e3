"""Augmentation in training: the bits of the public kernels, applied one after the other to each step's batch."""

import numpy as np
import pytest
from tape_nets import Net
from tapes import SGD, assert_near, assert_same_arrays, both, data, make, threads

import fastnn_kernels
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.augmentation import Augmentation
from fastnn_kernels.executor import Executor

SEED = 9
ALL = (
    ("flip", {"horizontal": True, "vertical": True, "probability": 0.5}),
    ("crop", {"padding": 2, "size": None, "fill": 0.25}),
    ("shift", {"max_shift": (1, 2), "fill": -0.5}),
    ("rotate", {"degrees": (-20.0, 35.0), "fill": 0.5}),
    ("cutout", {"size": (2, 3), "fill": 0.125}),
    ("mixup", {"alpha": 0.8}),
)
LISTS = {
    **{name: ((name, options),) for name, options in ALL},
    "all": ALL,
    "mixup first, flip twice": (ALL[5], ALL[0], ALL[0]),
}
lists = pytest.mark.parametrize("steps", LISTS)
# Partial last batches, batches of some vectors, and the form for small ones.
BATCHES = ((40, 17), (50, 40), (7, 3))


def augmentation(steps):
    numbers = [sum(name == before for before, _ in LISTS[steps][:k]) for k, (name, _) in enumerate(LISTS[steps])]
    return tuple(
        Augmentation(name, tuple(options.items()), SEED, number)
        for (name, options), number in zip(LISTS[steps], numbers, strict=True)
    )


def net(halo=True):
    """A net whose input has a halo, or has none."""
    made = Net(2, 5, 6)
    if halo:
        made.conv(3, (3, 3), padding=(1, 1, 1, 1)).layer("relu")
    return made.flatten().dense(6).done()


def augmented_by_hand(steps, kernels, x, y, step):
    for part in augmentation(steps):
        stream = {"seed": SEED, "step": step, "op": part.op}
        options = dict(part.options)
        if part.name == "mixup":
            x, y = kernels.mixup(x, y, options["alpha"], **stream)
        else:
            x = getattr(kernels, part.name)(x, **options, **stream)
    return x, y


def train(executor, x, y, order, batch, **options):
    return executor.train(x, y, order, batch, 3, np.full(-(-len(order) // batch), 0.1), **options)


@pytest.mark.parametrize("halo", [True, False])
@lists
def test_the_same_bits_as_public_kernels_on_each_batch(steps, halo, monkeypatch):
    tape, plain = net(halo), net(halo)
    tape.augmentation = augmentation(steps)
    for n, batch in BATCHES:
        x, y = data(tape, n, np.float32, soft=True)
        order = np.random.default_rng(n).permutation(n)
        executor, by_hand = make(Executor, tape, np.float32, SGD), make(Executor, plain, np.float32, SGD)
        told = train(executor, x, y, order, batch)
        lanes = executor._lanes_for(batch, training=True)
        monkeypatch.setattr(by_hand, "_lanes_for", lambda *_, lanes=lanes, **__: lanes)  # also for a smaller last batch
        for step, start in enumerate(range(0, n, batch)):
            part = order[start : start + batch]
            images, targets = augmented_by_hand(steps, fastnn_kernels, x[part], y[part], 3 + step)
            if len(part) > 3:
                assert (images != x[part]).any()
                assert (targets != y[part]).any() == ("mixup" in dict(LISTS[steps]))
            expected = by_hand.train(images, targets, np.arange(len(part)), len(part), 3 + step, np.full(1, 0.1))
            np.testing.assert_array_equal(told[step], expected[0])
        np.testing.assert_array_equal(executor.memory.params, by_hand.memory.params)


@lists
def test_training_equals_the_reference(steps):
    tape = net()
    tape.augmentation = augmentation(steps)
    x, y = data(tape, 40, np.float64, soft=True)
    order = np.random.default_rng(0).permutation(40)
    interpreters = both(tape, np.float64, SGD)
    assert_near(*(train(interpreter, x, y, order, 17) for interpreter in interpreters))
    assert_same_arrays(tape, *(interpreter.memory.params for interpreter in interpreters))


def test_bytes_are_numbers_before_they_are_augmented():
    tape = net()
    tape.augmentation = augmentation("all")
    x = np.random.default_rng(0).integers(0, 256, (20, 2, 5, 6)).astype(np.uint8)
    _, y = data(tape, 20, np.float32, soft=True)
    a, b = (make(Executor, tape, np.float32, SGD) for _ in range(2))
    told = train(a, x, y, np.arange(20), 17)
    np.testing.assert_array_equal(train(b, x.astype(np.float32) / 255, y, np.arange(20), 17), told)
    np.testing.assert_array_equal(a.memory.params, b.memory.params)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("batch", [3, 64])
def test_one_thread_and_two_give_the_same_bits(batch):
    tape = net()
    tape.augmentation = augmentation("all")
    x, y = data(tape, 150, np.float32, soft=True)
    found = []
    for n in (1, 2):
        with threads(n) as used:
            executor = make(Executor, tape, np.float32, SGD)
            outputs = np.empty((150, 6), np.float32)
            told = train(executor, x, y, np.arange(150), batch, predictions=outputs)
            found.append(told.tobytes() + executor.memory.params.tobytes() + outputs.tobytes())
            assert used == {n}
    assert found[0] == found[1]


def test_only_training_augments():
    tape, plain = net(), net()
    x, y = data(tape, 20, np.float64, soft=True)
    tape.augmentation = augmentation("all")
    for augmented, not_augmented in zip(both(tape, np.float64, SGD), both(plain, np.float64, SGD), strict=True):
        assert augmented.gradients(x, y) == not_augmented.gradients(x, y)
        assert augmented.evaluate(x, y, 17) == not_augmented.evaluate(x, y, 17)
        np.testing.assert_array_equal(augmented.forward(x, 17), not_augmented.forward(x, 17))
        assert (train(augmented, x, y, np.arange(20), 17) != train(not_augmented, x, y, np.arange(20), 17)).any()


def test_steps_may_change_between_two_calls():
    tape, plain = net(), net()
    x, y = data(tape, 20, np.float32)
    executor, expected = make(Executor, tape, np.float32, SGD), make(Executor, plain, np.float32, SGD)
    tape.augmentation = augmentation("flip")
    train(executor, x, y, np.arange(20), 20)
    executor.memory.params[:] = expected.memory.params
    tape.augmentation = ()
    np.testing.assert_array_equal(
        train(executor, x, y, np.arange(20), 20), train(expected, x, y, np.arange(20), 20)
    )


def test_scratch_memory_is_never_read_before_it_is_written():
    tape = net()
    tape.augmentation = augmentation("all")
    x, y = data(tape, 20, np.float64, soft=True)
    executor, other = (make(Executor, tape, np.float64, SGD) for _ in range(2))
    told = train(executor, x, y, np.arange(20), 20)
    other._arena = np.full_like(executor._arena, np.nan)
    np.testing.assert_array_equal(train(other, x, y, np.arange(20), 20), told)


def test_samples_that_are_mixed_take_no_weights():
    tape = net()
    tape.augmentation = augmentation("mixup")
    x, y = data(tape, 5, np.float64, soft=True)
    for interpreter in both(tape, np.float64, SGD):
        with pytest.raises(ValueError, match="samples that mixup mixes take none"):
            train(interpreter, x, y, np.arange(5), 5, sample_weight=np.ones(5))


def test_labels_cannot_be_mixed():
    tape = net()
    tape.augmentation = augmentation("mixup")
    for interpreter in both(tape, np.float64, SGD):
        with pytest.raises(TypeError, match="dtype"):
            train(interpreter, *data(tape, 5, np.float64), np.arange(5), 5)


def test_targets_of_any_loss_are_mixed():
    tape = Net(4).dense(3).done("mean_squared_error")
    tape.augmentation = augmentation("mixup")
    x, y = data(tape, 40, np.float64)
    interpreters = both(tape, np.float64, SGD)
    assert_near(*(train(interpreter, x, y, np.arange(40), 17) for interpreter in interpreters))
    assert_same_arrays(tape, *(interpreter.memory.params for interpreter in interpreters))
