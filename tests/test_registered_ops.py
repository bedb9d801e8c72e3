"""Ops registered as functions on plain arrays: in nets, in batches of any size, with exceptions, under other names."""

import numpy as np
import pytest
from numba import njit
from tape_nets import Net
from tapes import MOMENTUM, assert_equal_gradients, assert_near, assert_same_arrays, both, data, make, threads

from fastnn_kernels import _cache, register_op, registry
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor, StepError
from fastnn_kernels.reference.interpreter import Interpreter

BATCHES = (1, 3, 17, 40)
LIMIT = 100.0


# Loops, as Numba takes seconds to compile expressions with whole arrays.


@njit
def scale(x, w, shift, y):
    """Scale each channel; the sum with a constant shows that floats arrive."""
    for n, c, i, j in np.ndindex(x.shape):
        if x[n, c, i, j] > LIMIT:
            raise ValueError(f"channel {c} is above the limit")
        y[n, c, i, j] = x[n, c, i, j] * w[c] + shift


@njit
def scale_backward(dy, x, w, dx, dw):
    for n, c, i, j in np.ndindex(x.shape):
        dx[n, c, i, j] = dy[n, c, i, j] * w[c]
        dw[c] += dy[n, c, i, j] * x[n, c, i, j]


def gate(x, parts, y, factor):
    """Multiply the first half of the features with a sigmoid of the second, which is kept."""
    half = x.shape[1] // parts
    for n, i in np.ndindex(y.shape):
        factor[n, i] = 1 / (1 + np.exp(-x[n, half + i]))
        y[n, i] = x[n, i] * factor[n, i]


def gate_backward(dy, x, factor, dx):
    for n, i in np.ndindex(dy.shape):
        f = factor[n, i]
        dx[n, i] = dy[n, i] * f
        dx[n, dy.shape[1] + i] = dy[n, i] * x[n, i] * f * (1 - f)


def product(a, b, y):
    for n, i in np.ndindex(a.shape):
        y[n, i] = a[n, i] * b[n, i]


def product_backward(dy, b, a, db, da):
    for n, i in np.ndindex(a.shape):
        da[n, i] = dy[n, i] * b[n, i]
        db[n, i] = dy[n, i] * a[n, i]


TWIN_CALLS = []


def product_twin(a, b):
    TWIN_CALLS.append("forward")
    return a * b


def product_backward_twin(dy, b, a):
    TWIN_CALLS.append("backward")
    return dy * a, dy * b


def register():
    register_op("own_scale", scale, scale_backward, attributes=["shift"])
    register_op(
        "own_gate", gate, gate_backward, attributes=["parts"], saves=["factor"],
        shape=lambda x, parts: {"y": (x[0] // parts,), "factor": (x[0] // parts,)},
    )  # fmt: skip
    register_op("own_product", product, product_backward, (product_twin, product_backward_twin))


register()


def net(*, trainable=True):
    """Images, features, parameters, two operands, an output of another shape."""
    net = Net(2, 3, 4)
    w = net.tape.parameter("scale/w", (2,), trainable=trainable)
    net.layer("own_scale", w=w, shift=0.25).flatten().dense(10)
    net.layer("own_gate", parts=2).layer("tanh")
    before = net.y
    net.dense(5)
    net.y = net.tape.add("own_product", a=before, b=net.y)
    return net.dense(5).done()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_and_outputs_equal_the_reference(dtype):
    tape = net()
    executor, reference = both(tape, dtype)
    for n in BATCHES:
        x, y = data(tape, n, dtype)
        assert_equal_gradients(executor, reference, x, y)
        assert_near(executor.forward(x, n), reference.forward(x, n), f"batch {n}")


def test_gradients_equal_central_differences():
    tape = net()
    executor = make(Executor, tape, np.float64)
    x, y = data(tape, 17, np.float64)
    executor.gradients(x, y)
    gradient, params = executor.memory.grads.copy(), executor.memory.params
    step = 1e-6
    for i in range(0, tape.size, 7):
        start = params[i]
        losses = []
        for value in (start + step, start - step):
            params[i] = value
            losses.append(executor.evaluate(x, y, 17)[0] / 17)
        params[i] = start
        assert gradient[i] == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-4, abs=1e-9)


def test_samples_one_by_one_where_blocks_are_too_large(monkeypatch):
    monkeypatch.setattr("fastnn_kernels.executor._BLOCK_BYTES", 0)
    tape = net()
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, 17, np.float64))


def test_gradients_that_nobody_needs():
    tape = net(trainable=False)
    executor, reference = both(tape, np.float64, MOMENTUM)
    before = executor.memory.params[:2].copy()
    for n in (3, 17):
        x, y = data(tape, n, np.float64)
        for interpreter in (executor, reference):
            interpreter.train(x, y, np.arange(n), n, 1, np.array([0.1]))
        assert_same_arrays(tape, executor.memory.params, reference.memory.params)
    np.testing.assert_array_equal(executor.memory.params[:2], before)


def test_scratch_memory_is_never_read_before_it_is_written():
    tape = net()
    executor = make(Executor, tape, np.float64)
    for n in (17, 3):
        x, y = data(tape, n, np.float64)
        loss, grads = executor.gradients(x, y), executor.memory.grads.copy()
        executor._arena[:] = np.nan
        assert executor.gradients(x, y) == loss
        np.testing.assert_array_equal(executor.memory.grads, grads)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits():
    tape = net()
    x, y = data(tape, 150, np.float32)
    found = []
    for n in (1, 2):
        with threads(n) as used:
            executor = make(Executor, tape, np.float32, MOMENTUM)
            told = executor.train(x, y, np.arange(150), 64, 1, np.full(3, 0.1))
            found.append(told.tobytes() + executor.memory.params.tobytes())
            assert used == {n}
    assert found[0] == found[1]


def test_the_twin_given_runs_in_the_reference():
    tape = net()
    x, y = data(tape, 3, np.float64)
    TWIN_CALLS.clear()
    make(Interpreter, tape, np.float64).gradients(x, y)
    assert TWIN_CALLS == ["forward", "backward"]


def test_nothing_made_of_a_users_function_is_kept_on_disk():
    make(Executor, net(), np.float64).gradients(*data(net(), 17, np.float64))
    kept = {path.name for path in _cache.cache_folder().iterdir()}
    assert [name for name in kept if "own_take_out" in name]
    assert [name for name in kept if "make_own_op" in name] == []


# ---- exceptions


@pytest.mark.parametrize("workers", range(1, min(2, THREAD_LIMIT) + 1))
def test_an_exception_stops_before_the_update_of_its_step_and_is_raised(workers):
    tape = net()
    x, y = data(tape, 60, np.float64)
    executor, two_steps = (make(Executor, tape, np.float64, MOMENTUM) for _ in range(2))
    two_steps.train(x, y, np.arange(40), 20, 1, np.full(2, 0.1))
    x[47, 1, 0, 0] = LIMIT + 1
    with threads(workers) as used, pytest.raises(ValueError, match="channel 1 is above the limit") as raised:
        executor.train(x, y, np.arange(60), 20, 1, np.full(3, 0.1))
    assert used == {workers}
    assert raised.value.steps == 2
    assert "step 2 of this call" in raised.value.__notes__[0]
    assert raised.traceback[-1].name == "scale"  # the user's own line, of the plain Python function
    np.testing.assert_array_equal(executor.memory.params, two_steps.memory.params)
    np.testing.assert_array_equal(executor.memory.slots, two_steps.memory.slots)
    for call in (lambda: executor.gradients(x, y), lambda: executor.evaluate(x, y, 17), lambda: executor.forward(x, 7)):
        with pytest.raises(ValueError, match="above the limit"):
            call()
    x[47] = 0.0
    assert np.isfinite(executor.gradients(x, y)[0])


def test_an_exception_that_only_compiled_code_raises():
    @njit(error_model="python")
    def inverse(x, y):
        for n in range(x.shape[0]):
            for i in range(x.shape[1]):
                y[n, i] = 1.0 / x[n, i]

    def inverse_backward(dy, y, dx):
        dx[0, 0] = 0.0

    register_op("own_inverse", inverse, inverse_backward)
    tape = Net(3).layer("own_inverse").done("sum_squared_error")
    executor, reference = both(tape, np.float64)
    x = np.ones((20, 3))
    assert_near(executor.forward(x, 20), reference.forward(x, 20))
    x[18, 1] = 0.0
    with pytest.raises(ZeroDivisionError):
        executor.forward(x, 20)
    assert np.isinf(reference.forward(x, 20)).sum() == 1


def test_an_exception_in_backward_alone(monkeypatch):
    def strict_backward(dy, x, dx):
        if dy[0, 0] != 0:
            raise OverflowError("no gradient today")

    register_op("own_strict", lambda x, y: None, strict_backward)
    executor = make(Executor, Net(3).layer("own_strict").dense(2).done("sum_squared_error"), np.float64)
    x, y = np.ones((4, 3)), np.ones((4, 2))
    executor.forward(x, 4)
    executor.gradients(x, y)  # nobody needs the gradient of the images
    tape = Net(3).dense(3).layer("own_strict").dense(2).done("sum_squared_error")
    with pytest.raises(OverflowError, match="no gradient today"):
        make(Executor, tape, np.float64).gradients(x, y)


def test_an_exception_that_the_second_run_does_not_meet():
    fails = np.ones(1)

    def once(x, y):
        if x[0, 0] == fails[0]:
            raise ValueError("not again")

    register_op("own_once", once, lambda dy, dx: None)
    executor = make(Executor, Net(3).layer("own_once").done("sum_squared_error"), np.float64)
    # The second run passes the whole batch to the function, whose first sample is another one.
    x = np.zeros((40, 3))
    x[32] = 1.0
    with pytest.raises(StepError, match="an exception in a function of the user's"):
        executor.forward(x, 40)


def test_a_function_that_does_not_compile():
    register_op("own_broken", lambda x, y: x.no_such_attribute, lambda dy, dx: None)
    executor = make(Executor, Net(3).layer("own_broken").done("sum_squared_error"), np.float64)
    with pytest.raises(Exception, match="no_such_attribute"):
        executor.forward(np.ones((4, 3)), 4)


def test_operands_cannot_be_written_in_the_reference_either():
    def careless(x, y):
        x[0, 0] = 0.0

    register_op("own_careless", careless, lambda dy, dx: None)
    tape = Net(3).layer("own_careless").done("sum_squared_error")
    x = np.ones((4, 3))
    with pytest.raises(ValueError, match="read-only"):
        make(Interpreter, tape, np.float64).forward(x, 4)
    with pytest.raises(Exception, match=r"(?i)readonly"):
        make(Executor, tape, np.float64).forward(x, 4)
    assert (x == 1).all()


# ---- what is refused


@njit(parallel=True)
def parallel(x, y):
    y[0, 0] = x[0, 0]


def f(x, w, y): ...
def b(dy, x, w, dx, dw): ...


@pytest.mark.parametrize(
    ("error", "message", "args", "options"),
    [
        (TypeError, "name is 3", (3, f, b), {}),
        (ValueError, "letters, digits", ("two words", f, b), {}),
        (TypeError, "forward is 'f'", ("own", "f", b), {}),
        (TypeError, "backward is None", ("own", f, None), {}),
        (ValueError, "parallel loops", ("own", parallel, b), {}),
        (ValueError, "default", ("own", lambda x, y=1: None, b), {}),
        (ValueError, r"positional", ("own", lambda *x: None, b), {}),
        (ValueError, "at least one operand", ("own", lambda y: None, b), {}),
        (ValueError, "at least one operand", ("own", lambda x, y: None, b), {"attributes": ["x"]}),
        (ValueError, "last the output, mask", ("own", f, b), {"saves": ["mask"]}),
        (ValueError, "last the output", ("own", f, b), {"attributes": ["y"]}),
        (ValueError, "name is the name", ("own", lambda x, name, y: None, b), {}),
        (ValueError, "dx is the name", ("own", lambda x, dx, y: None, b), {}),
        (ValueError, "any of x, w, y, then dx, dw", ("own", f, lambda dy, x, w, dx: None), {}),
        (ValueError, "needed: dy,", ("own", f, lambda x, w, dx, dw: None), {}),
        (ValueError, "needed: dy,", ("own", f, lambda dy, z, dx, dw: None), {}),
        (ValueError, "needed: dy,", ("own", f, lambda dy, dx, x, dw: None), {}),
        (ValueError, "attribute a is an argument of neither", ("own", f, b), {"attributes": ["a"]}),
        (TypeError, "attributes is 'w'", ("own", f, b), {"attributes": "w"}),
        (TypeError, "saves is", ("own", f, b), {"saves": [1]}),
        (TypeError, "shape is", ("own", f, b), {"shape": (3,)}),
        (TypeError, r"pair of functions", ("own", f, b, f), {}),
        (ValueError, "self is the name", ("own", lambda self, y: None, b), {}),
        (ValueError, "a function takes 12 arrays", ("own", lambda a, b, c, d, e, k, y: None,
                                                    lambda dy, a, b, c, d, e, k, y, da, db, dc, dd, de: None),
         {"attributes": ["k"]}),
        (ValueError, "'conv2d' is an op of the package", ("conv2d", f, b), {"replace": True}),
        (ValueError, "own_gate' is taken by .*gate; replace=True", ("own_gate", f, b), {}),
    ],
)  # fmt: skip
def test_registrations_that_are_refused(error, message, args, options):
    before = registry.get("own_gate")
    with pytest.raises(error, match=f"register_op: .*{message}"):
        register_op(*args, **options)
    assert "own" not in registry.names()
    assert registry.get("own_gate") is before


def test_the_same_code_may_run_again_and_other_code_with_replace():
    for _ in range(2):
        register()

    def first():
        register_op("own_named", lambda x, y: None, lambda dy, dx: None)

    def second(**options):
        register_op("own_named", lambda x, y: None, lambda dy, y, dx: None, **options)

    first()
    first()
    with pytest.raises(ValueError, match="taken"):
        second()
    second(replace=True)
    assert registry.get("own_named").backward[0].stages[0].reads == ("dy", "y")


@pytest.mark.parametrize(
    ("operands", "message"),
    [
        ({"shift": 0.5}, "own_scale: the operand w is missing"),
        ({"w": True, "shift": 0.5, "z": True}, "own_scale: z is no operand, there are: x, w"),
        ({"w": True}, "own_scale: the attribute shift is missing"),
        ({"w": True, "shift": 0.5, "more": 1}, "own_scale: more is no attribute, there are: shift"),
        ({"w": True, "shift": [1]}, r"own_scale: shift is \[1\]"),
        ({"w": (), "shift": 1.0}, r"own_scale: w has shape \(\)"),
    ],
)
def test_rows_that_are_refused(operands, message):
    net = Net(2, 3, 4)
    given = {
        name: net.tape.parameter(name, value if isinstance(value, tuple) else (2,)) if name in "wz" else value
        for name, value in operands.items()
    }
    with pytest.raises((TypeError, ValueError), match=message):
        net.layer("own_scale", **given)


@pytest.mark.parametrize("shape", [3, (0,), (1, 2, 3, 4), (2.0,), None])
def test_shape_rules_that_make_no_sense(shape):
    register_op("own_shape", lambda x, y: None, lambda dy, dx: None, shape=lambda x: shape, replace=True)
    with pytest.raises(ValueError, match="own_shape: the shape rule gives"):
        Net(3).layer("own_shape")
    register_op("own_shape", lambda x, y, m: None, lambda dy, dx: None, saves=["m"], shape=lambda x: x, replace=True)
    with pytest.raises(ValueError, match="own_shape: the output of the shape rule m is missing"):
        Net(3).layer("own_shape")


@pytest.mark.parametrize(
    ("twin", "message"),
    [
        ((lambda x: x[:, :2], None), r"y of the twin has shape \(4, 2\), \(4, 3\) is needed"),
        ((lambda x: (x, x), None), "the twin returns 2 arrays, needed: y"),
    ],
)
def test_twins_that_return_something_else(twin, message):
    register_op("own_twin", lambda x, y: None, lambda dy, dx: None, (twin[0], twin[0]), replace=True)
    tape = Net(3).layer("own_twin").done("sum_squared_error")
    with pytest.raises(ValueError, match=f"own_twin: forward: {message}"):
        make(Interpreter, tape, np.float64).forward(np.ones((4, 3)), 4)
