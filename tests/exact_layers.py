"""One layer on the tape, on small integers: its output and all its gradients, that of its input too, are exact."""

from math import prod

import numpy as np
from tape_nets import Net

from fastnn_kernels import registry
from fastnn_kernels.executor import Executor
from fastnn_kernels.layout import scatter_block
from fastnn_kernels.memory import Memory
from fastnn_kernels.ops.shape import copy_op
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.registry import Kernel, Op
from fastnn_kernels.stage import Axis, Call, Stage
from fastnn_kernels.task import FIRST, VALID

# An op that hands its input on, and whose parameter's gradient is the gradient of each sample's input.


def probe_backward(t):
    m, at, size, batch = t.arena, t.at, t.options[0], t.options[1]
    for i in range(batch * size):
        m[at[1] + i] = 0.0
    scatter_block(m, at[0], size, t.info[VALID], m, at[1] + t.info[FIRST] * size)
    return 0


def _probe(row, places, machine):
    x, y = places["x"], places["y"]
    return Call(copy_op, (*x.shape, x.channel, x.row, y.channel, y.row))


def _probe_backward(row, places, machine):
    size = prod(row.values["dy"].shape)
    return Call(probe_backward, (size, row.grads["dp"].size // size))


registry.register(
    Op(
        "probe",
        lambda shapes, **attrs: {"y": shapes["x"]},
        Kernel("forward", ("x", "p"), ("y",), lambda x, p, **attrs: x.copy(),
               (Stage(Axis.BLOCK, ("x",), ("y",), _probe),)),
        (Kernel("backward", ("dy",), ("dp",), lambda dy, **attrs: dy.ravel(),
                (Stage(Axis.BLOCK, ("dy",), ("dp",), _probe_backward, plain=True),)),),
    )
)  # fmt: skip


def assert_exact_layer(x_shape, add_layer, dtype, n, *, scale=1):
    """Compare compiled and reference interpreter on `n` samples of integers that are multiples of `scale`."""
    net = Net(*x_shape)
    net.layer("probe", p=net.tape.parameter("dx", (n * prod(x_shape),)))
    add_layer(net)
    tape = net.done("sum_squared_error")
    rng = np.random.default_rng(n)
    x = scale * rng.integers(-4, 5, (n, *x_shape)).astype(np.float64)
    expected = Interpreter(tape, Memory.create(tape, np.float64))
    expected.memory.params[:] = rng.integers(-4, 5, tape.size)
    y = expected.forward(x, n)
    # The loss divides by n, which leaves small integers for the gradient of y.
    dy = scale * rng.integers(-3, 4, y.shape)
    expected.gradients(x, y - n * dy)
    executor = Executor(tape, Memory.create(tape, dtype))
    executor.memory.params[:] = expected.memory.params
    executor.memory.grads[:] = np.nan
    np.testing.assert_array_equal(executor.forward(x.astype(dtype), n), y)
    executor.gradients(x.astype(dtype), (y - n * dy).astype(dtype))
    views = Memory.views(tape, expected.memory.grads)
    for name, gradient in Memory.views(tape, executor.memory.grads).items():
        np.testing.assert_array_equal(gradient, views[name], err_msg=name)
