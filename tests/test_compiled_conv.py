"""Convolution and im2col with all options inside compiled code: equal to the twins, and wrong options refused."""

import numba
import numpy as np
import pytest

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

RNG = np.random.default_rng(4)
X, W, B = (RNG.standard_normal(s) for s in ((3, 4, 7, 6), (6, 2, 3, 2), 6))
OPTIONS = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2), "groups": 2}
DY = RNG.standard_normal(ref.conv2d(X, W, **OPTIONS).shape)
TW, TB = RNG.standard_normal((4, 3, 3, 2)), RNG.standard_normal(6)
EXTRA = {**OPTIONS, "output_padding": (1, 0)}
TDY = RNG.standard_normal(ref.conv_transpose2d(X, TW, **EXTRA).shape)


@numba.njit
def convolve(x, w, b, dy, stride, padding, dilation, groups, out):
    y = fk.conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups, out=out)
    columns = fk.conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups, algorithm="im2col")
    dx, dw, db = fk.conv2d_backward(dy, x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return y, columns, dx, dw, db


@numba.njit
def transpose(x, w, b, dy, stride, padding, extra, dilation, groups):
    y = fk.conv_transpose2d(x, w, b, stride, padding, extra, dilation, groups)
    dx, dw, db = fk.conv_transpose2d_backward(dy, x, w, stride, padding, extra, dilation, groups)
    other_dx = fk.conv_transpose2d_backward_input(dy, w, x.shape, stride, padding, extra, dilation, groups)
    other_dw = fk.conv_transpose2d_backward_weight(dy, x, w.shape, stride, padding, extra, dilation, groups)
    return y, dx, dw, db, other_dx, other_dw


@numba.njit
def columns_and_back(x, dilation):
    cols = fk.im2col(x, (3, 2), stride=2, padding="valid", dilation=dilation)
    return cols, fk.col2im(cols, x.shape, (3, 2), stride=2, padding="valid", dilation=dilation)


@numba.njit
def forward(x, w, stride, padding, dilation, groups):
    return fk.conv2d(x, w, None, stride, padding, dilation, groups)


@numba.njit
def backward(x, w, stride, extra):
    return fk.conv_transpose2d(x, w, None, stride, 0, extra)


def assert_near(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12)


def test_convolution():
    out = np.empty_like(DY)
    y, columns, *gradients = convolve(X, W, B, DY, *OPTIONS.values(), out)
    assert y.ctypes.data == out.ctypes.data
    expected = ref.conv2d(X, W, B, **OPTIONS)
    assert_near((y, columns, *gradients), (expected, expected, *ref.conv2d_backward(DY, X, W, **OPTIONS)))


def test_convolution_with_the_lanes_along_the_filters():
    x, w, b = (RNG.standard_normal(s) for s in ((2, 16, 7, 6), (32, 16, 3, 2), 32))
    options = {**OPTIONS, "stride": (1, 1), "groups": 1}
    dy = RNG.standard_normal(ref.conv2d(x, w, b, **options).shape)
    y, columns, *gradients = convolve(x, w, b, dy, *options.values(), np.empty_like(dy))
    np.testing.assert_array_equal(y, columns)  # of the flat form, whose bits these are
    assert_near((y, *gradients), (ref.conv2d(x, w, b, **options), *ref.conv2d_backward(dy, x, w, **options)))


def test_the_largest_strides_do_not_overflow():
    most = 2**31 - 1
    x, w = RNG.standard_normal((1, 4, 4, 4)), RNG.standard_normal((16, 4, 1, 1))
    y = forward(x, w, most, most, 1, 1)
    expected = np.zeros((1, 16, 3, 3))
    expected[0, :, 1, 1] = w[:, :, 0, 0] @ x[0, :, 0, 0]
    assert_near(y, expected)


def test_transposed_convolution():
    order = ("stride", "padding", "output_padding", "dilation", "groups")
    actual = transpose(X, TW, TB, TDY, *(EXTRA[name] for name in order))
    dx, dw, db = ref.conv_transpose2d_backward(TDY, X, TW, **EXTRA)
    assert_near(actual, (ref.conv_transpose2d(X, TW, TB, **EXTRA), dx, dw, db, dx, dw))


def test_columns():
    cols = ref.im2col(X, (3, 2), stride=2, dilation=(2, 1))
    expected = cols, ref.col2im(cols, X.shape, (3, 2), stride=2, dilation=(2, 1))
    assert_near(columns_and_back(X, (2, 1)), expected)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("groups must be at least 1", lambda: forward(X, W, 1, 0, 1, 0)),
        ("groups must be at least 1 and divide", lambda: forward(X, W, 1, 0, 1, 4)),
        ("different numbers of channels", lambda: forward(X, W, 1, 0, 1, 1)),
        ("dilation must be at least 1", lambda: forward(X, W, 1, 0, 0, 2)),
        ("at most 2", lambda: forward(X, W, 1, 0, 2**40, 2)),
        ("at most 2", lambda: forward(X, W, 2**40, 0, 1, 2)),
        ("stride must be at least 1", lambda: forward(X, W, -1, 0, 1, 2)),
        ("padding at least 0", lambda: forward(X, W, 1, -1, 1, 2)),
        ("larger than the padded image", lambda: forward(X, W, 1, 0, 4, 2)),
        ("output_padding must be less", lambda: backward(X, TW, 1, 1)),
        ("stride and dilation must be at least 1", lambda: backward(X, TW, 0, 0)),
    ],
)
def test_wrong_options_are_refused(message, call):
    with pytest.raises(ValueError, match=message):
        call()
