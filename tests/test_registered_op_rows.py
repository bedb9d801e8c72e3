"""Rows of ops registered as functions: attributes, names and places that are easily mixed up."""

import numpy as np
from tape_nets import Net
from tapes import assert_equal_gradients, both, data

from fastnn_kernels import register_op
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine, Space


def signed(x, zeros, y):
    for n, i in np.ndindex(x.shape):
        y[n, i] = np.copysign(x[n, i], zeros[0])


def test_attributes_that_are_equal_but_not_the_same():
    register_op("own_signed", signed, lambda dy, dx: None, attributes=["zeros"])
    x = np.arange(1.0, 4.0).reshape(1, 3)
    for zero in (0.0, -0.0):
        tape = Net(3).layer("own_signed", zeros=(zero,)).done("sum_squared_error")
        executor, reference = both(tape, np.float64)
        np.testing.assert_array_equal(executor.forward(x, 1), np.copysign(x, zero))
        np.testing.assert_array_equal(reference.forward(x, 1), np.copysign(x, zero))


def twice(x, ex):
    """An output whose name ends with that of an operand, of another shape."""
    for n, i in np.ndindex(ex.shape):
        ex[n, i] = x[n, i % x.shape[1]]


def twice_backward(dex, dx):
    for n, i in np.ndindex(dex.shape):
        dx[n, i % dx.shape[1]] += dex[n, i]


def test_an_output_may_be_called_nearly_as_an_operand():
    register_op("own_twice", twice, twice_backward, shape=lambda x: (2 * x[0],))
    tape = Net(3).dense(5).layer("own_twice").dense(5).done()
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, 17, np.float64))


def test_a_gradient_that_blocks_make_has_one_place():
    register_op("own_weighted", lambda x, w, y: None, lambda dy, dx, dw: None)
    net = Net(2, 3, 4)
    tape = net.layer("own_weighted", w=net.tape.parameter("w", (2,))).done("sum_squared_error")
    program = make_program(tape, Machine(8, 24, 8), backward=True, loss=True, update=None)
    assert program.sizes[Space.SLOT] == 8  # a vector
