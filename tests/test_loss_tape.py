"""Losses on the tape with class weights and samples left out: the divisor is that of the whole batch."""

import numpy as np
import pytest
from tape_nets import Net
from tapes import ADAM, assert_equal_gradients, assert_near, assert_same_arrays, both, data, make, threads

import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Axis, Machine

WEIGHTS = (0.5, 2.0, 0.0, 1.5, 1.0, 3.0)
OPTIONS = [
    {"class_weight": WEIGHTS},
    {"ignore_index": -100},
    {"ignore_index": 0},  # a class of the model
    {"class_weight": WEIGHTS, "ignore_index": 255, "label_smoothing": 0.3},
]
BATCHES = (1, 3, 17, 40)


def net(**options):
    return Net(5).dense(7).layer("tanh").dense(len(WEIGHTS)).done(**options)


def samples(tape, n, dtype, **options):
    """Labels of which about a third are left out."""
    x, y = data(tape, n, dtype)
    if (ignored := tape.loss.attrs.get("ignore_index")) is not None:
        y[np.random.default_rng(n).random(n) < 0.3] = ignored
    return x, y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))
def test_gradients_equal_the_reference(options, dtype):
    tape = net(**options)
    executor, reference = both(tape, dtype)
    for n in BATCHES:
        x, y = samples(tape, n, dtype)
        if n > 1:
            assert_equal_gradients(executor, reference, x, y)
        else:
            told = [np.array(interpreter.gradients(x, y), dtype) for interpreter in (executor, reference)]
            assert_near(*told)


@pytest.mark.parametrize("n", [3, 40])
def test_soft_targets_with_class_weights_are_divided_by_the_samples(n):
    tape = net(class_weight=WEIGHTS, ignore_index=-100, label_smoothing=0.3)
    executor, reference = both(tape, np.float64)
    x, y = data(tape, n, np.float64, soft=True)
    assert_equal_gradients(executor, reference, x, y)
    logits = executor.forward(x, n)
    losses, _ = ref.softmax_cross_entropy(
        logits, y, class_weight=np.array(WEIGHTS), label_smoothing=0.3, reduction="none"
    )
    assert executor.gradients(x, y)[0] == pytest.approx(losses.sum() / n)


def test_lane_blocks_that_are_left_out():
    """The first block, the last, a whole batch."""
    tape = net(ignore_index=-1, class_weight=WEIGHTS)
    executor, reference = both(tape, np.float64)
    x, y = data(tape, 40, np.float64)
    for left_out in (slice(0, 16), slice(16, 40)):
        labels = y.copy()
        labels[left_out] = -1
        assert_equal_gradients(executor, reference, x, labels)
    for interpreter in (executor, reference):
        assert interpreter.gradients(x, np.full(40, -1)) == (0, 0)
        assert not interpreter.memory.grads.any()


def test_samples_left_out_may_hold_nan():
    tape = net(ignore_index=-100)
    x, y = data(tape, 33, np.float64)
    out = np.arange(33) % 3 == 0
    # The gradient of the weights would be 0 * NaN through the images: here only the scores of a sample are NaN.
    prediction = np.where(out[:, None], np.nan, ref.softmax(x))
    labels = np.where(out, -100, y % 5)
    loss, d_prediction = ref.softmax_cross_entropy(prediction, labels)
    assert np.isfinite(loss)
    assert not d_prediction[out].any()
    scores = Net(5).layer("identity").done(ignore_index=-100)
    for interpreter in both(scores, np.float64):
        assert interpreter.gradients(prediction, labels)[0] == pytest.approx(loss)


def test_correct_predictions_leave_out_what_the_loss_leaves_out():
    tape = net(ignore_index=0)
    executor, reference = both(tape, np.float64)
    executor.memory.params[:] = reference.memory.params[:] = 0.0
    x, y = samples(tape, 40, np.float64)
    assert (y == 0).any()
    # All scores are equal, so that class 0 is the prediction, right for labels that do not count.
    assert executor.gradients(x, y)[1] == reference.gradients(x, y)[1] == 0


def test_evaluate_weighs_the_means_of_the_batches_by_their_samples():
    tape = net(class_weight=WEIGHTS, ignore_index=-100)
    executor, reference = both(tape, np.float64)
    x, y = samples(tape, 37, np.float64)
    total, correct = executor.evaluate(x, y, 16)
    assert_near(np.array([total, correct]), np.array(reference.evaluate(x, y, 16)))
    parts = [slice(0, 16), slice(16, 32), slice(32, 37)]
    told = [(executor.gradients(x[p], y[p]), len(x[p])) for p in parts]
    assert total == pytest.approx(sum(loss * n for (loss, _), n in told))
    assert correct == sum(right for (_, right), _ in told)


def test_training_with_an_order_reads_the_labels_of_its_samples():
    tape = net(class_weight=WEIGHTS, ignore_index=-100)
    x, y = samples(tape, 61, np.float64)
    order, lr = np.random.default_rng(1).permutation(61)[:50], np.full(3, 0.05)
    executor, reference = both(tape, np.float64, ADAM)
    told = [i.train(x, y, order, 20, 1, lr) for i in (executor, reference)]
    assert_near(told[0], told[1])
    assert_same_arrays(tape, executor.memory.params, reference.memory.params)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits():
    tape = net(class_weight=WEIGHTS, ignore_index=-100)
    x, y = samples(tape, 150, np.float32)
    found = []
    for n in (1, 2):
        with threads(n) as used:
            executor = make(Executor, tape, np.float32, ADAM)
            told = executor.train(x, y, np.arange(150), 64, 1, np.full(3, 1e-3))
            found.append(told.tobytes() + executor.memory.params.tobytes())
            assert used == {n}
    assert found[0] == found[1]


def phases(**options):
    program = make_program(net(**options), Machine(8, 24, 8), backward=True, loss=True, update=None)
    return [Axis(axis) for _, _, axis in program.phases], [call.function.__name__ for call in program.calls]


def test_the_divisor_costs_nothing_where_it_is_the_batch():
    axes, names = phases(label_smoothing=0.5)
    assert axes == [Axis.BLOCK, Axis.TILE, Axis.CHUNK]
    assert "loss_factor" not in names
    axes, names = phases(ignore_index=-100)
    assert axes == [Axis.TILE, Axis.BLOCK, Axis.TILE, Axis.CHUNK]
    assert names[0] == "loss_factor"


def test_a_wrong_number_of_class_weights_is_refused():
    with pytest.raises(ValueError, match="softmax_cross_entropy: 5 class weights, 6 are needed"):
        net(class_weight=WEIGHTS[1:])
