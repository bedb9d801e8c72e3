"""Rows of a program that were fused: the same bits as apart, what is fused and what is not."""

from unittest.mock import patch

import numpy as np
import pytest
from tape_nets import Net, lenet
from tapes import assert_equal_gradients, both, data, make

from fastnn_kernels import program
from fastnn_kernels.executor import Executor


def direct():
    """A first layer whose pool leaves out a row and two columns, a second one with an input gradient."""
    net = Net(2, 10, 13).conv(5, (3, 4), padding=(1, 1, 0, 1)).pool((2, 3), (2, 3)).layer("relu")
    return net.conv(7, (2, 3)).layer("relu").pool((2, 1), (2, 1)).done("sum_squared_error")


def relu_alone():
    return Net(2, 6, 7).conv(3, (3, 3)).layer("relu").conv(4, (2, 2)).layer("relu").done("sum_squared_error")


def without_relu():
    return Net(1, 9, 8).conv(3, (2, 3)).pool((2, 2), (2, 2)).done("sum_squared_error")


def points(channels=32):
    """Winograd's algorithm, with a pool and without."""
    same = {"padding": (1, 1, 1, 1)}
    net = Net(channels, 8, 8).conv(channels + 1, (3, 3), **same).layer("relu")
    net = net.conv(channels, (3, 3), **same).layer("relu").pool((2, 2), (2, 2))
    return net.conv(channels, (3, 3), **same).pool((2, 2), (2, 2)).done("sum_squared_error")


def rows_of_points():
    """The same along rows."""
    return points(6)


def rows_that_windows_leave():
    """Maps of which windows leave a row and columns, with other tiles than those in windows would have."""
    return Net(2, 15, 15).conv(5, (5, 5)).pool((2, 3), (2, 3)).done("sum_squared_error")


def strips():
    """Maps whose rows are cut in strips on the way back."""
    return Net(1, 44, 44).conv(4, (3, 3)).layer("relu").pool((2, 2), (2, 2)).done("sum_squared_error")


def strips_of_points():
    """The same, and parts of the filters, by points along rows."""
    return Net(1, 44, 44).conv(7, (5, 5)).layer("relu").pool((2, 2), (2, 2)).done("sum_squared_error")


def strips_of_channels():
    """The same, with register tiles across channels."""
    return Net(4, 30, 44).conv(8, (5, 5)).layer("relu").pool((2, 2), (2, 2)).done("sum_squared_error")


def groups_of_parts():
    """Sums of so many filters and channels that a part of them waits from strip to strip."""
    return Net(24, 14, 20).conv(40, (5, 5), padding=(2, 2, 2, 2)).pool((2, 2), (2, 2)).done("sum_squared_error")


NETS = [direct, relu_alone, without_relu, points, rows_of_points, rows_that_windows_leave, strips, strips_of_points,
        strips_of_channels, groups_of_parts]


def functions(executor):
    return [call.function.__name__ for call in executor.clock[-1].program.calls]


def run(tape, dtype, n, fused, *, bad=None):
    with patch.object(program, "fuse", program.fuse if fused else lambda rows, machine: list(rows)):
        executor = make(Executor, tape, dtype)
        executor.clock = []
        x, y = data(tape, n, dtype)
        if bad is not None:
            x[1, 0, 3, 2] = bad
        executor.gradients(x, y)
        names = functions(executor)
        predictions = executor.forward(x, n)
        names += functions(executor)
    return names, executor.memory, predictions


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_fused_rows_give_the_bits_of_those_apart(net, dtype, bad):
    tape = net()
    names, memory, predictions = run(tape, dtype, 21, fused=True, bad=bad)
    plain_names, plain, expected = run(tape, dtype, 21, fused=False, bad=bad)
    assert len(names) < len(plain_names)
    np.testing.assert_array_equal(predictions, expected)
    grads, before = memory.views(tape, memory.grads), plain.views(tape, plain.grads)
    for name, view in grads.items():
        if name.endswith("/b"):  # summed over the windows, not the pixels
            np.testing.assert_allclose(view, before[name], rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-4)
        else:
            np.testing.assert_array_equal(view, before[name])


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("n", [5, 16, 40])
def test_the_compiled_step_equals_the_reference(net, n):
    tape = net()
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, n, np.float64))


def test_lenet_has_no_maps_but_those_its_gradients_need():
    names, _, _ = run(lenet(), np.float32, 32, fused=True)
    pooled = names.count("winograd_row_pooled_maps") + names.count("conv2d_pool_forward")
    assert pooled == 4  # training and inference
    assert names.count("winograd_row_pooled_weights") == 1  # the second layer's maps have an input gradient as well
    assert names.count("max_pool2d_backward") == 1
    assert "max_pool2d_forward" not in names


NOT_FUSED = {
    "windows that overlap": lambda: Net(1, 8, 8).conv(2, (3, 3)).pool((3, 3), (2, 2)),
    "padded windows": lambda: Net(1, 8, 8).conv(2, (3, 3)).pool((2, 2), (2, 2), (1, 1)),
    "windows over the edge": lambda: Net(1, 9, 9).conv(2, (3, 3)).pool((2, 2), (2, 2), ceil_mode=True),
    "dilated windows": lambda: Net(1, 9, 9).conv(2, (3, 3)).pool((2, 2), (2, 2), dilation=(2, 2)),
    "a stride": lambda: Net(1, 9, 9).conv(2, (3, 3), stride=(2, 2)).pool((2, 2), (2, 2)),
    "groups": lambda: Net(2, 8, 8).conv(2, (3, 3), groups=2).pool((2, 2), (2, 2)),
}


@pytest.mark.parametrize("net", NOT_FUSED.values(), ids=NOT_FUSED)
def test_pools_that_stay_apart(net):
    tape = net().done("sum_squared_error")
    names, _, _ = run(tape, np.float64, 9, fused=True)
    assert "max_pool2d_forward" in names
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, 9, np.float64))


def test_maps_that_somebody_else_reads_are_kept():
    net = Net(1, 8, 8).conv(3, (3, 3))
    maps = net.y
    net.pool((2, 2), (2, 2)).reshape(27)
    pooled = net.y
    net.y = maps
    net.layer("relu").pool((2, 2), (2, 2)).reshape(27)
    net.y = net.tape.add("add", x=net.y, z=pooled)
    tape = net.done("sum_squared_error")
    names, _, _ = run(tape, np.float64, 9, fused=True)
    assert names.count("max_pool2d_forward") == 4
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, 9, np.float64))
