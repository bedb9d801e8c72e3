"""Pooling called from somebody's own compiled functions equals its twins; what does not fit is refused there too."""

from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

X = np.random.default_rng(3).standard_normal((5, 3, 7, 38))


@numba.njit
def pools(x, size, dx, y, whole):
    """Each kernel once, with options or with `out`, since all of them are compiled into this function."""
    a = fk.avg_pool2d(x, size, stride=2, padding=((1, 0), (1, 1)), ceil_mode=True, count_include_pad=False)
    da = fk.avg_pool2d_backward(
        a, x.shape, size, stride=2, padding=((1, 0), (1, 1)), ceil_mode=True, count_include_pad=False, out=dx
    ).copy()
    fk.adaptive_avg_pool2d(x, (2, 5), out=y)
    fk.global_avg_pool2d(x, out=whole)
    return (
        *(a, da, fk.adaptive_avg_pool2d_backward(y, x.shape), fk.global_avg_pool2d_backward(whole, x.shape)),
        fk.max_pool2d_backward(y, np.full(y.shape, 3, np.int32), x.shape, out=dx),
    )


def assert_close(actual: Any, expected: Any) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert (a.dtype, a.shape) == (e.dtype, e.shape)
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12)


def test_every_kernel() -> None:
    x = X[:, :, ::2]
    options: dict[str, Any] = {"stride": 2, "padding": ((1, 0), (1, 1)), "ceil_mode": True, "count_include_pad": False}
    y, whole = np.full((5, 3, 2, 5), np.nan), np.full((5, 3), np.nan)
    actual = pools(x, (3, 2), np.full(x.shape, np.nan), y, whole)
    a = ref.avg_pool2d(x, (3, 2), **options)
    expected = (
        *(a, ref.avg_pool2d_backward(a, x.shape, (3, 2), **options)),
        ref.adaptive_avg_pool2d_backward(y, x.shape),
        ref.global_avg_pool2d_backward(whole, x.shape),
        ref.max_pool2d_backward(y, np.full(y.shape, 3), x.shape),
    )
    assert_close(actual, expected)
    assert_close((y, whole), (ref.adaptive_avg_pool2d(x, (2, 5)), ref.global_avg_pool2d(x)))


@numba.njit
def maximum(x, kernel_size, stride, padding, dilation, ceil_mode, algorithm):
    return fk.max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode, algorithm)


@numba.njit
def average(x, algorithm):
    return fk.avg_pool2d(x, 2, algorithm=algorithm)


@numba.njit
def default_maximum(x):
    return fk.max_pool2d(x, (3, 2))


def test_algorithms_and_defaults() -> None:
    options: dict[str, Any] = {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    for algorithm in ("direct", "im2col"):
        assert_close(maximum(X, 3, 2, 1, 2, True, algorithm), ref.max_pool2d(X, 3, **options))
        assert_close((average(X, algorithm),), (ref.avg_pool2d(X, 2),))
    assert_close(default_maximum(X), ref.max_pool2d(X, (3, 2)))


@numba.njit
def gradients(which, dy, x_shape):
    if which == 0:
        return fk.max_pool2d_backward(dy, np.full(dy.shape, x_shape[2] * x_shape[3]), x_shape)
    if which == 1:
        return fk.avg_pool2d_backward(dy, x_shape, 2)
    if which == 2:
        return fk.adaptive_avg_pool2d_backward(dy, x_shape)
    return fk.global_avg_pool2d_backward(dy[:, :, 0, 0], x_shape)


@numba.njit
def adaptive(x, size):
    return fk.adaptive_avg_pool2d(x, size)


DY = np.ones((5, 3, 2, 2))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "larger than the padded image", lambda: maximum(X, 8, 1, 0, 1, False, "direct")),
        (ValueError, "larger than the padded image", lambda: maximum(X, 4, 1, 0, 3, False, "direct")),
        (ValueError, "larger than half", lambda: maximum(X, 3, 1, 2, 1, False, "direct")),
        (ValueError, "at least 1", lambda: maximum(X, 2, 0, 0, 1, False, "direct")),
        (ValueError, "at least 1", lambda: maximum(X, 2, 1, 0, 0, False, "direct")),
        (ValueError, "padding at least 0", lambda: maximum(X, 2, 1, -1, 1, False, "direct")),
        (ValueError, "too large", lambda: maximum(X, 2, 2**31, 0, 1, False, "direct")),
        (ValueError, "lies on the padding", lambda: maximum(X[:, :, :1, :1].copy(), 2, 1, 2, 3, False, "direct")),
        (ValueError, "one pixel", lambda: maximum(X[:, :0].copy(), 1, 1, 0, 1, True, "direct")),
        (ValueError, "'direct' or 'im2col'", lambda: average(X, "fft")),
        (ValueError, "outside the plane", lambda: gradients(0, DY, (5, 3, 4, 4))),
        (ValueError, "do not belong together", lambda: gradients(0, DY, (5, 4, 4, 4))),
        (ValueError, "shape of the forward output", lambda: gradients(1, DY, (5, 3, 7, 7))),
        (ValueError, "do not belong together", lambda: gradients(2, DY, (4, 3, 7, 7))),
        (ValueError, r"\(N, C\) of x_shape", lambda: gradients(3, DY, (4, 3, 7, 7))),
        (ValueError, "one pixel", lambda: gradients(3, DY, (5, 3, 0, 7))),
        (ValueError, "at least 1", lambda: adaptive(X, 0)),
        (TypingError, "float32 or float64", lambda: adaptive(X.astype(np.int64), 1)),
    ],
)
def test_wrong_arguments_are_refused(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()
