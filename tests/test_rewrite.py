"""Rewriting a tape changes no bit: the reference interpreter runs it before and after."""

import numpy as np
import pytest
from tape_nets import Net, lenet, residual
from tapes import assert_equal_gradients, assert_near, both, data, make

from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.rewrite import relu_behind_pool, relu_in_batch_norm, relu_in_max_pool


def overlapping():
    """Windows that overlap and are padded, on few different numbers, so that many maxima tie."""
    net = Net(2, 7, 9).layer("relu").pool((3, 3), (2, 2), (1, 1))
    net.conv(3, (2, 2)).layer("relu").pool((2, 2), (1, 1))
    return net.done("sum_squared_error")


def every_option():
    """Padding that differs on each side, dilation, windows over the edge."""
    net = Net(2, 9, 12).conv(3, (2, 2)).layer("relu")
    net.pool((2, 3), (2, 1), (1, 0, 0, 1), dilation=(2, 1), ceil_mode=True)
    return net.done("sum_squared_error")


def ops(tape):
    return [row.op for row in tape.forward]


def merged(tape):
    return relu_in_max_pool(relu_behind_pool(tape))


@pytest.mark.parametrize("net", [lenet, overlapping, every_option, residual])
@pytest.mark.parametrize("spoilt", [False, True], ids=["numbers", "nan"])
@pytest.mark.parametrize("rewrite", [relu_behind_pool, merged])
def test_relu_behind_pool_and_in_it_gives_the_same_bits(net, spoilt, rewrite):
    tape = net()
    moved = rewrite(tape)
    if rewrite is merged and net is not residual:
        assert [row.op for row in moved.forward].count("relu") < [row.op for row in tape.forward].count("relu")
    x, y = data(tape, 5, np.float64)
    x = np.round(2 * x) / 2  # ties, zeros among them
    if spoilt:
        x[1, 0, 2, 3] = np.nan
    before, after = (make(Interpreter, t, np.float64) for t in (tape, moved))
    assert np.array_equal(before.gradients(x, y), after.gradients(x, y), equal_nan=True)
    assert np.array_equal(before.memory.grads, after.memory.grads, equal_nan=True)
    assert spoilt or np.count_nonzero(before.memory.grads) > before.memory.grads.size // 3


def test_relu_moves_behind_the_pool_that_alone_reads_it():
    assert ops(lenet())[1:3] == ["relu", "max_pool2d"]
    assert ops(relu_behind_pool(lenet()))[1:3] == ["max_pool2d", "relu"]
    assert len(ops(relu_behind_pool(lenet()))) == len(ops(lenet()))
    assert ops(merged(lenet())).count("max_pool2d") == ops(lenet()).count("max_pool2d") == 2
    assert len(ops(merged(lenet()))) == len(ops(lenet())) - 2


def test_relu_with_a_second_reader_stays():
    net = Net(1, 4, 4)
    net.layer("relu")
    kept = net.y
    net.pool((2, 2), (2, 2))
    net.reshape(4)
    pooled = net.y
    net.y = kept
    net.reshape(16)
    net.dense(4)
    net.y = net.tape.add("add", x=net.y, z=pooled)
    tape = net.done()
    assert ops(merged(tape)) == ops(tape)


def test_a_pool_with_a_second_reader_keeps_its_relu_apart():
    net = Net(1, 4, 4).pool((2, 2), (2, 2))
    kept = net.y
    net.layer("relu")
    net.y = net.tape.add("add", x=kept, z=net.y)
    tape = net.done("sum_squared_error")
    assert ops(merged(tape)) == ops(tape) == ["max_pool2d", "relu", "add", *ops(tape)[3:]]


@pytest.mark.parametrize("net", [overlapping, every_option, residual])
@pytest.mark.parametrize("n", [3, 17, 40])
def test_the_compiled_step_equals_the_reference_with_relu_in_max_pool(net, n):
    tape = net()
    executor, reference = both(tape, np.float64)
    x, y = data(tape, n, np.float64)
    assert_equal_gradients(executor, reference, x, y)
    assert_near(executor.forward(x, n), reference.forward(x, n))


def test_the_tape_itself_is_left_as_it_was():
    tape = lenet()
    rows, values = list(tape.forward), list(tape.values)
    relu_behind_pool(tape)
    assert (tape.forward, tape.values) == (rows, values)


def normed():
    """A relu behind a batch normalisation, behind a sum with one, with two, and one that is read twice."""
    net = Net(2, 5, 6).conv(3, (3, 3), padding=(1, 1, 1, 1)).batch_norm().layer("relu")
    kept = net.y
    net.conv(3, (3, 3), padding=(1, 1, 1, 1)).batch_norm()
    net.y = net.tape.add("add", x=kept, z=net.y)
    net.layer("relu")
    kept = net.y
    net.conv(4, (1, 1)).batch_norm()
    shortcut, net.y = net.y, kept
    net.conv(4, (3, 3), padding=(1, 1, 1, 1)).batch_norm()
    net.y = net.tape.add("add", x=net.y, z=shortcut)
    net.layer("relu").batch_norm()
    kept = net.y
    net.layer("relu")
    net.y = net.tape.add("add", x=kept, z=net.y)
    return net.done("sum_squared_error")


def test_relu_in_batch_norm_gives_the_same_bits():
    tape = normed()
    fused = relu_in_batch_norm(tape)
    assert ops(tape).count("relu") == 4
    assert ops(fused).count("relu") == 1
    assert ops(fused).count("add") == 1
    assert ops(fused).count("batch_norm") == ops(tape).count("batch_norm") == 5
    for n in (2, 17):
        x, y = data(tape, n, np.float64)
        before, after = (make(Interpreter, t, np.float64) for t in (tape, fused))
        assert np.array_equal(before.gradients(x, y), after.gradients(x, y))
        assert np.array_equal(before.memory.grads, after.memory.grads)
        assert np.count_nonzero(before.memory.grads) > before.memory.grads.size // 3
        assert np.array_equal(before.forward(x, n), after.forward(x, n))


@pytest.mark.parametrize("n", [2, 17, 40])
def test_the_compiled_step_equals_the_reference_with_relu_in_batch_norm(n):
    tape = normed()
    executor, reference = both(tape, np.float64)
    x, y = data(tape, n, np.float64)
    assert_equal_gradients(executor, reference, x, y)
    assert_near(executor.forward(x, n), reference.forward(x, n))
