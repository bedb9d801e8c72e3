"""Losses on the tape whose samples have weights, and outputs handed out by the way."""

from dataclasses import replace

import numpy as np
import pytest
from tape_nets import Net
from tapes import ADAM, SGD, assert_near, assert_same_arrays, both, data, make, threads

import fastnn_kernels.reference as ref
from fastnn_kernels import registry
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.batches import batch_weights
from fastnn_kernels.executor import Executor
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine

CLASS_WEIGHTS = (0.5, 2.0, 0.0, 1.5, 1.0, 3.0)
LOSSES = {
    "softmax_cross_entropy": {},
    "softmax_cross_entropy of classes": {"class_weight": CLASS_WEIGHTS, "ignore_index": 3, "label_smoothing": 0.2},
    "categorical_cross_entropy": {},
    "sum_squared_error": {},
    "mean_squared_error": {},
    "huber": {"delta": 0.5},
    "binary_cross_entropy_with_logits": {},
}
losses = pytest.mark.parametrize("loss", LOSSES)
BATCHES = (1, 3, 17, 40)


def net(loss):
    made = Net(5).dense(7).layer("tanh").dense(len(CLASS_WEIGHTS))
    if loss == "categorical_cross_entropy":
        made.layer("softmax")
    return made.done(loss.split()[0], **LOSSES[loss])


def weighted_data(tape, n, dtype):
    """Data, and weights of which the third is 0."""
    weights = np.random.default_rng(n).random(n) * 3
    weights[2::3] = 0.0
    return *data(tape, n, dtype), weights.astype(dtype)


@pytest.mark.parametrize(
    "loss, dtype",
    [*((loss, np.float64) for loss in LOSSES), ("softmax_cross_entropy", np.float32), ("huber", np.float32)],
)
def test_gradients_equal_the_reference(loss, dtype):
    tape = net(loss)
    executor, reference = both(tape, dtype)
    for n in BATCHES:
        x, y, w = weighted_data(tape, n, dtype)
        told = [np.array(i.gradients(x, y, sample_weight=w), dtype) for i in (executor, reference)]
        assert_near(*told)
        assert_same_arrays(tape, executor.memory.grads, reference.memory.grads)
        assert n == 1 or executor.memory.grads.any()


@losses
def test_whole_weights_count_a_sample_so_many_times(loss):
    tape = net(loss)
    executor = make(Executor, tape, np.float64)
    x, y = data(tape, 23, np.float64)
    counts = np.random.default_rng(4).integers(0, 4, 23)
    weighted = executor.gradients(x, y, sample_weight=counts.astype(np.float64))[0]
    grads = executor.memory.grads.copy()
    repeated = executor.gradients(x.repeat(counts, axis=0), y.repeat(counts, axis=0))[0]
    assert weighted == pytest.approx(repeated, rel=1e-12)
    assert_same_arrays(tape, grads, executor.memory.grads)


@losses
def test_nothing_counts_where_all_weights_are_zero(loss):
    tape = net(loss)
    x, y = data(tape, 20, np.float64)
    for interpreter in both(tape, np.float64):
        interpreter.memory.grads[:] = np.nan
        assert interpreter.gradients(x, y, sample_weight=np.zeros(20))[0] == 0.0
        assert not interpreter.memory.grads.any()


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_a_sample_of_weight_zero_may_have_a_loss_of_nan(loss):
    tape = Net(6).layer("identity").done(loss)
    x, y = data(tape, 33, np.float64)
    x[4] = np.nan
    for weight, expected in ((0.0, True), (1.0, False)):
        w = np.ones(33)
        w[4] = weight
        told = [interpreter.gradients(x, y, sample_weight=w)[0] for interpreter in both(tape, np.float64)]
        assert [np.isfinite(loss) for loss in told] == [expected] * 2


@losses
def test_training_and_evaluation_equal_the_reference(loss):
    tape = net(loss)
    x, y, w = weighted_data(tape, 61, np.float64)
    order, lr = np.random.default_rng(1).permutation(61)[:50], np.full(3, 0.05)
    told, totals, interpreters = [], [], both(tape, np.float64, SGD)
    for interpreter in interpreters:
        told.append(interpreter.train(x, y, order, 20, 1, lr, sample_weight=w))
        totals.append(np.array(interpreter.evaluate(x, y, 16, sample_weight=w)))
    assert_near(*told)
    assert_near(*totals)
    assert_same_arrays(tape, *(i.memory.params for i in interpreters))
    assert (told[0][:, 1] == told[1][:, 1]).all()


def test_the_sum_over_batches_divided_by_all_weights_is_the_mean():
    tape = net("mean_squared_error")
    executor = make(Executor, tape, np.float64)
    x, y, w = weighted_data(tape, 37, np.float64)
    mean = executor.gradients(x, y, sample_weight=w)[0]
    for batch in (37, 16, 5):
        assert executor.evaluate(x, y, batch, sample_weight=w)[0] / w.sum() == pytest.approx(mean, rel=1e-12)
    order = np.random.default_rng(0).permutation(37)
    means = executor.evaluate(x[order], y[order], 16, sample_weight=w[order])[0]
    assert batch_weights(order, 16, w).sum() == pytest.approx(w.sum())
    assert means == pytest.approx(mean * w.sum(), rel=1e-12)
    np.testing.assert_array_equal(batch_weights(order, 16), [16, 16, 5])


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "huber"])
def test_one_thread_and_two_give_the_same_bits(loss):
    tape = net(loss)
    x, y, w = weighted_data(tape, 150, np.float32)
    found = []
    for n in (1, 2):
        with threads(n) as used:
            executor = make(Executor, tape, np.float32, ADAM)
            outputs = np.empty((150, 6), np.float32)
            told = executor.train(
                x, y, np.arange(150), 64, 1, np.full(3, 1e-3), sample_weight=w, predictions=outputs
            )
            found.append(told.tobytes() + executor.memory.params.tobytes() + outputs.tobytes())
            assert used == {n}
    assert found[0] == found[1]


@pytest.mark.torch
@pytest.mark.parametrize("n", [3, 40])
def test_weighted_means_equal_torch(n):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    tape = Net(6).layer("identity").done("softmax_cross_entropy", class_weight=CLASS_WEIGHTS)
    x, y, w = weighted_data(tape, n, np.float64)
    each = functional.cross_entropy(
        torch.tensor(x), torch.tensor(y), weight=torch.tensor(CLASS_WEIGHTS, dtype=torch.float64), reduction="none"
    )
    expected = (each * torch.tensor(w)).sum() / (w * np.array(CLASS_WEIGHTS)[y]).sum()
    assert make(Executor, tape, np.float64).gradients(x, y, sample_weight=w)[0] == pytest.approx(float(expected))
    tape = Net(6).layer("identity").done("huber", delta=0.5)
    x, y, w = weighted_data(tape, n, np.float64)
    each = functional.huber_loss(torch.tensor(x), torch.tensor(y), delta=0.5, reduction="none").mean(1)
    expected = (each * torch.tensor(w)).sum() / w.sum()
    assert make(Executor, tape, np.float64).gradients(x, y, sample_weight=w)[0] == pytest.approx(float(expected))


def test_a_loss_that_takes_no_weights_is_refused(monkeypatch):
    tape = net("huber")
    monkeypatch.setitem(registry._OPS, "huber", replace(registry.get("huber"), weights=False))
    x, y = data(tape, 3, np.float64)
    for interpreter in both(tape, np.float64):
        with pytest.raises(ValueError, match="sample_weight: the loss 'huber' takes none"):
            interpreter.gradients(x, y, sample_weight=np.ones(3))


# ---- outputs by the way


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_outputs_before_each_update_in_the_order_of_the_samples(loss):
    tape = net(loss)
    x, y = data(tape, 61, np.float64)
    order, lr = np.random.default_rng(1).permutation(61)[:50], np.full(3, 0.5)
    for interpreter in both(tape, np.float64, SGD):
        outputs = np.full((50, 6), np.nan)
        before = interpreter.forward(x[order[:20]], 20)
        told = interpreter.train(x, y, order, 20, 1, lr, predictions=outputs)
        assert_near(outputs[:20], before)
        assert not np.isclose(outputs[20:40], interpreter.forward(x[order[20:40]], 20)).any()
        if loss == "softmax_cross_entropy":
            expected = ref.softmax_cross_entropy(outputs[20:40], y[order[20:40]])[0]
            assert told[1, 0] == pytest.approx(expected)


def test_outputs_of_evaluation_are_those_of_forward():
    tape = Net(2, 4, 4).conv(3, (3, 3), padding=(1, 1, 1, 1)).batch_norm().flatten().dense(6).done()
    x, y = data(tape, 37, np.float32)
    for interpreter in both(tape, np.float32):
        expected = interpreter.evaluate(x, y, 17)
        for batch in (2, 17):
            outputs = np.full((37, 6), np.nan, np.float32)
            total, correct = interpreter.evaluate(x, y, batch, predictions=outputs)
            np.testing.assert_array_equal(outputs, interpreter.forward(x, batch))
            assert (total, correct) == (pytest.approx(expected[0], rel=1e-6), expected[1])


def test_weights_and_outputs_cost_nothing_where_they_are_absent():
    def names(**wanted):
        program = make_program(net("huber"), Machine(8, 24, 8), backward=True, loss=True, update=None, **wanted)
        return [call.function.__name__ for call in program.calls], len(program.phases)

    plain, phases = names()
    assert not {"loss_factor", "unload_op"} & set(plain)
    wanted, more = names(weighted=True, predictions=True)
    assert {"loss_factor", "unload_op"} < set(wanted)
    assert (len(wanted), more) == (len(plain) + 2, phases + 1)
