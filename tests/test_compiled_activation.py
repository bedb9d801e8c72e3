"""Activations called from somebody's own compiled functions equal their twins."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

X = np.random.default_rng(6).standard_normal((5, 4))
DY = np.random.default_rng(7).standard_normal((5, 4))


@numba.njit
def with_a_kink(x, dy):
    s, e, k = fk.step(x), fk.elu(x), fk.leaky_relu(x, negative_slope=0.3)
    out = np.empty_like(x)
    f = fk.elu(x, alpha=0.5, out=out)
    return (
        *(s, e, f, out, k),
        fk.step_backward(dy, s),
        fk.elu_backward(dy, e),
        fk.elu_backward(dy, f, alpha=0.5),
        fk.leaky_relu_backward(dy, k, negative_slope=0.3),
    )


@numba.njit
def softmax_backward(dy, y):
    return fk.softmax_backward(dy, y)


@numba.njit
def smooth(x, dy):
    y = fk.log_softmax(x)
    return (
        fk.softplus(x),
        fk.silu(x),
        fk.gelu(x),
        fk.gelu(x, approximate="tanh"),
        y,
        fk.softplus_backward(dy, x),
        fk.silu_backward(dy, x=x),
        fk.gelu_backward(dy, x),
        fk.gelu_backward(dy, x, approximate="tanh"),
        fk.log_softmax_backward(dy, y),
    )


@numba.njit
def named(x, dy, approximate):
    return fk.gelu(x, approximate=approximate), fk.gelu_backward(dy, x, approximate=approximate)


@numba.njit
def elu(x, alpha):
    return fk.elu(x, alpha=alpha)


@numba.njit
def log_softmax(x):
    return fk.log_softmax(x)


@numba.njit
def silu_backward(dy, x):
    return fk.silu_backward(dy, x)


@numba.njit(parallel=True)
def rows(x):
    y = np.empty_like(x)
    for i in numba.prange(len(x)):
        y[i] = fk.gelu(x[i])
    return y


def assert_all_close(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12)


def test_with_a_kink():
    s, e, k = ref.step(X), ref.elu(X), ref.leaky_relu(X, negative_slope=0.3)
    f = ref.elu(X, alpha=0.5)
    expected = (
        *(s, e, f, f, k),
        ref.step_backward(DY, s),
        ref.elu_backward(DY, e),
        ref.elu_backward(DY, f, alpha=0.5),
        ref.leaky_relu_backward(DY, k, negative_slope=0.3),
    )
    assert_all_close(with_a_kink(X, DY), expected)


def test_smooth():
    y = ref.log_softmax(X)
    expected = (
        ref.softplus(X),
        ref.silu(X),
        ref.gelu(X),
        ref.gelu(X, approximate="tanh"),
        y,
        ref.softplus_backward(DY, X),
        ref.silu_backward(DY, X),
        ref.gelu_backward(DY, X),
        ref.gelu_backward(DY, X, approximate="tanh"),
        ref.log_softmax_backward(DY, y),
    )
    assert_all_close(smooth(X, DY), expected)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_the_form_of_gelu_may_be_a_variable(approximate):
    expected = ref.gelu(X, approximate=approximate), ref.gelu_backward(DY, X, approximate=approximate)
    assert_all_close(named(X, DY, approximate), expected)


def test_in_a_parallel_loop():
    np.testing.assert_allclose(rows(X), ref.gelu(X), rtol=1e-12)


@numba.njit
def misspelt(x):
    return fk.gelu(x, approximate="erf")


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "gelu: approximate must be 'none' or 'tanh'", lambda: named(X, DY, "erf")),
        (ValueError, "gelu: approximate must be 'none' or 'tanh'", lambda: misspelt(X)),
        (ValueError, "elu: alpha must be finite and at least 0", lambda: elu(X, -1.0)),
        (ValueError, "elu: alpha must be finite and at least 0", lambda: elu(X, np.nan)),
        (ValueError, "different shapes", lambda: silu_backward(DY, X[:2])),
        (TypingError, "two axes", lambda: log_softmax(X[0])),
        (ValueError, "only N may be 0", lambda: log_softmax(X[:, :0])),
        (ValueError, "only N may be 0", lambda: softmax_backward(DY[:, :0], X[:, :0])),
        (TypingError, "two axes", lambda: softmax_backward(DY[0], X[0])),
        (TypingError, "float32 or float64", lambda: elu(X.astype(np.int64), 1.0)),
        (TypingError, "one dtype is needed", lambda: silu_backward(DY, X.astype(np.float32))),
    ],
)
def test_wrong_arguments_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()
