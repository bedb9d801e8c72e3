"""What compiled callers of pooling and convolution are refused: what Python refuses, before memory is touched."""

from typing import Any

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk

X = np.random.default_rng(9).standard_normal((1, 4, 4, 4))
W, B = np.ones((4, 2, 3, 3)), np.ones(4)
HUGE = 2**30


@numba.njit
def maximum(x, kernel_size, padding, ceil_mode, algorithm):
    return fk.max_pool2d(x, kernel_size, 1, padding, 1, ceil_mode, algorithm)


@numba.njit
def average(x, kernel_size, padding, include_pad, algorithm):
    return fk.avg_pool2d(x, kernel_size, 1, padding, False, include_pad, algorithm)


@numba.njit
def scatter(dy, argmax, x_shape):
    return fk.max_pool2d_backward(dy, argmax, x_shape)


@numba.njit
def adaptive(x, size):
    return fk.adaptive_avg_pool2d(x, size)


@numba.njit
def convolve(x, w, b, groups):
    return fk.conv2d(x, w, b, groups=groups)


@numba.njit
def transpose(x, w, b, stride, padding, groups):
    return fk.conv_transpose2d(x, w, b, stride, padding, groups=groups)


@numba.njit
def columns(x):
    return fk.im2col(x, 2)


@numba.njit
def back(cols, x_shape):
    return fk.col2im(cols, x_shape, 2)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "no memory can hold", lambda: maximum(X, HUGE, HUGE // 2, False, "im2col")),
        (ValueError, "no memory can hold", lambda: average(X, HUGE, HUGE // 2, False, "im2col")),
        (TypingError, "ceil_mode is .*True or False", lambda: maximum(X, 2, 0, 1, "direct")),
        (TypingError, "count_include_pad is .*True or False", lambda: average(X, 2, 0, 1.0, "direct")),
        (TypingError, "max_pool2d: algorithm is .*'im2col'", lambda: maximum(X, 2, 0, False, 1)),
        (TypingError, "avg_pool2d: algorithm is .*'im2col'", lambda: average(X, 2, 0, False, None)),
        (TypingError, "argmax is .* integer dtype", lambda: scatter(X, X, X.shape)),
        (TypingError, "conv2d: groups is float64", lambda: convolve(X, W, B, 1.7)),
        (TypingError, "conv_transpose2d: groups is float64", lambda: transpose(X, W, B, 1, 0, 2.0)),
        (TypingError, "conv2d: b is .*one axis", lambda: convolve(X, W, B.reshape(2, 2), 2)),
        (TypingError, "conv_transpose2d: b is .*one axis", lambda: transpose(X, W, B.reshape(2, 2), 1, 0, 2)),
        (ValueError, "b does not have one value", lambda: convolve(X, W, B[:3].copy(), 2)),
        (ValueError, "at most 2", lambda: transpose(X, W, B, 2**62, 0, 2)),
        (ValueError, "at most 2", lambda: transpose(X, W, B, 1, 2**62, 2)),
        (ValueError, "only N may be 0", lambda: columns(X[:, :0].copy())),
        (ValueError, "only N may be 0", lambda: back(np.ones((0, 9)), (1, 0, 4, 4))),
    ],
)
def test_what_does_not_fit_is_refused(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_empty_batch_needs_no_tables() -> None:
    """Tables of as many windows as are asked for would not fit into memory."""
    nothing = np.zeros((0, 3, 4, 4))
    size = (2**31 - 1, 1)
    assert fk.adaptive_avg_pool2d(nothing, size).shape == adaptive(nothing, size).shape == (0, 3, *size)


def test_windows_far_larger_than_the_image() -> None:
    """Checked without a loop over their elements."""
    with pytest.raises(ValueError, match="all of window row 0 lies on the padding"):
        fk.max_pool2d(X[:, :, :1, :1], (2**29, 1), stride=1, padding=(3 * 2**28 - 1, 0), dilation=3)
    with pytest.raises(ValueError, match="lies on the padding"):
        fk.max_pool2d(X[:, :, :2, :2], (2, 1), stride=1, padding=(HUGE // 2, 0), dilation=HUGE)


def test_indices_of_any_integer_dtype() -> None:
    for dtype in (np.uint8, np.uint64):
        argmax = np.arange(16).reshape(1, 4, 2, 2).astype(dtype)
        expected = fk.max_pool2d_backward(np.ones((1, 4, 2, 2)), argmax, X.shape)
        np.testing.assert_array_equal(scatter(np.ones((1, 4, 2, 2)), argmax, X.shape), expected)
