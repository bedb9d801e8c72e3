"""Pooling refuses arguments that do not fit, with a message that says what to do: kernels, twins, ops of the tape."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tape_nets import Net

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])

X = np.ones((2, 3, 6, 5), np.float32)
Y = np.ones((2, 3, 3, 2), np.float32)
S = (2, 3, 6, 5)
I32 = 2**31 - 1

# What is called, the error, what the message must say. For kernels and twins alike.
REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda k: k.max_pool2d(X, 2, algorithm="fft"), ValueError, r"max_pool2d: algorithm is 'fft', .*'im2col'"),
    (lambda k: k.max_pool2d(X, 2, dilation=0), ValueError, r"max_pool2d: dilation is 0"),
    (lambda k: k.max_pool2d(X, 2, dilation=(1, -1)), ValueError, r"max_pool2d: dilation is -1"),
    (lambda k: k.max_pool2d(X, 2, dilation=1.5), TypeError, r"max_pool2d: dilation is 1\.5 \(float\)"),
    (lambda k: k.max_pool2d(X, 2, dilation=I32 + 1), ValueError, r"max_pool2d: dilation is 2147483648"),
    (lambda k: k.max_pool2d(X, 3, dilation=3), ValueError, r"a 3x3 kernel that spans 7x7 pixels does not fit .*6x5"),
    (lambda k: k.max_pool2d(X, 2, ceil_mode=1), TypeError, r"max_pool2d: ceil_mode is 1 \(int\)"),
    (lambda k: k.max_pool2d(X, 2, stride=-1), ValueError, r"max_pool2d: stride is -1"),
    (lambda k: k.max_pool2d(X, 2, padding=-1), ValueError, r"max_pool2d: padding is -1"),
    (lambda k: k.max_pool2d(X, 2, padding=((0, 2), (0, 0))), ValueError, r"\(0, 2, 0, 0\) is more than half .*2x2"),
    (lambda k: k.max_pool2d(X, 2, stride=2, padding="same"), ValueError, r"\"same\" needs stride 1"),
    (lambda k: k.max_pool2d(X, 0), ValueError, r"max_pool2d: kernel_size is 0"),
    (lambda k: k.max_pool2d(X, 2**40), ValueError, r"max_pool2d: kernel_size is 1099511627776"),
    (lambda k: k.max_pool2d(X, (2, 2, 2)), ValueError, r"max_pool2d: kernel_size is \(2, 2, 2\)"),
    (lambda k: k.max_pool2d(X[:, :, :0], 1), ValueError, r"max_pool2d: .*0x5"),
    (lambda k: k.max_pool2d(X[:, :0], 1), ValueError, r"max_pool2d: x has shape \(2, 0, 6, 5\)"),
    (
        lambda k: k.max_pool2d(X[:, :, :1, :1], 2, padding=2, dilation=3),
        ValueError,
        r"max_pool2d: all of window row 0 lies on the padding",
    ),
    (lambda k: k.max_pool2d_backward(Y, np.zeros(Y.shape, int), (2, 3, 6)), ValueError, r"x_shape is \(2, 3, 6\)"),
    (lambda k: k.max_pool2d_backward(Y, np.zeros(Y.shape, int), (2, 3, -6, 5)), ValueError, r"x_shape is -6"),
    (lambda k: k.max_pool2d_backward(Y, np.full(Y.shape, 30), S), ValueError, r"argmax\[0, 0, 0, 0\] = 30, .*0 to 29"),
    (
        lambda k: k.max_pool2d_backward(Y, np.full(Y.shape, 2**64 - 1, np.uint64), S),
        ValueError,
        r"argmax\[0, 0, 0, 0\] = 18446744073709551615",
    ),
    (lambda k: k.avg_pool2d(X, 2, algorithm="winograd"), ValueError, r"avg_pool2d: algorithm is 'winograd'"),
    (lambda k: k.avg_pool2d(X, 2, algorithm=None), ValueError, r"avg_pool2d: algorithm is None"),
    (lambda k: k.avg_pool2d(X, 2, count_include_pad=0), TypeError, r"avg_pool2d: count_include_pad is 0 \(int\)"),
    (lambda k: k.avg_pool2d(X, 2, ceil_mode=None), TypeError, r"avg_pool2d: ceil_mode is None"),
    (lambda k: k.avg_pool2d(X, 2, padding=2), ValueError, r"avg_pool2d: padding .*more than half"),
    (lambda k: k.avg_pool2d(X, 7), ValueError, r"avg_pool2d: a 7x7 kernel does not fit"),
    (lambda k: k.avg_pool2d(X[0], 2), ValueError, r"avg_pool2d: x has 3 axes"),
    (lambda k: k.avg_pool2d(X, 2, stride=(1, 0)), ValueError, r"avg_pool2d: stride is 0"),
    (lambda k: k.avg_pool2d_backward(Y, S, 2, ceil_mode=True), ValueError, r"dy has shape .*\(2, 3, 3, 3\)"),
    (lambda k: k.avg_pool2d_backward(Y, (2, 2, 6, 5), 2), ValueError, r"avg_pool2d_backward: dy has shape"),
    (lambda k: k.avg_pool2d_backward(Y, (2, 3, 6), 2), ValueError, r"avg_pool2d_backward: x_shape is \(2, 3, 6\)"),
    (lambda k: k.avg_pool2d_backward(Y, 6, 2), TypeError, r"avg_pool2d_backward: x_shape is 6 \(int\)"),
    (lambda k: k.avg_pool2d_backward(Y, S, 2, padding=5), ValueError, r"avg_pool2d_backward: padding"),
    (lambda k: k.avg_pool2d_backward(Y, S, 2, count_include_pad="no"), TypeError, r"count_include_pad is 'no'"),
    (lambda k: k.global_avg_pool2d(X[0]), ValueError, r"global_avg_pool2d: x has 3 axes"),
    (lambda k: k.global_avg_pool2d(X[:, :, :, :0]), ValueError, r"global_avg_pool2d: .*6x0, at least 1x1"),
    (lambda k: k.global_avg_pool2d_backward(Y, S), ValueError, r"global_avg_pool2d_backward: dy has 4 axes"),
    (lambda k: k.global_avg_pool2d_backward(Y[:, :2, 0, 0], S), ValueError, r"dy has shape \(2, 2\).*\(2, 3\)"),
    (lambda k: k.global_avg_pool2d_backward(Y[..., 0, 0], (2, 3, 0, 5)), ValueError, r"0x5, at least 1x1"),
    (lambda k: k.adaptive_avg_pool2d(X, 0), ValueError, r"adaptive_avg_pool2d: output_size is 0"),
    (lambda k: k.adaptive_avg_pool2d(X, (2, None)), TypeError, r"adaptive_avg_pool2d: output_size is None"),
    (lambda k: k.adaptive_avg_pool2d(X[:, 0], 2), ValueError, r"adaptive_avg_pool2d: x has 3 axes"),
    (lambda k: k.adaptive_avg_pool2d_backward(Y, (2, 4, 6, 5)), ValueError, r"dy has .* 2 samples and 4 channels"),
    (lambda k: k.adaptive_avg_pool2d_backward(Y[:, :, :0], S), ValueError, r"dy has shape .*at least one window"),
    (lambda k: k.adaptive_avg_pool2d_backward(Y, (2, 3, 6)), ValueError, r"x_shape is \(2, 3, 6\)"),
]


@both
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[2])
def test_refusals(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    with pytest.raises(error, match=message):
        call(kernels)


@pytest.mark.parametrize(
    "call",
    [
        lambda: fk.adaptive_avg_pool2d(X, I32),
        lambda: fk.global_avg_pool2d_backward(np.ones((1, 1), np.float32), (1, 1, I32, I32)),
        lambda: fk.max_pool2d_backward(X[:1, :1], np.zeros((1, 1, 6, 5), int), (1, 1, I32, I32)),
    ],
)
def test_results_that_no_memory_holds(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="no memory can hold"):
        call()


@pytest.mark.parametrize(
    ("op", "attributes", "message"),
    [
        ("max_pool2d", {"kernel_size": (5, 2), "stride": (1, 1), "padding": (0, 0)}, "max_pool2d: a 5x2 kernel"),
        ("max_pool2d", {"kernel_size": (2, 2), "stride": (1, 1), "padding": (0, 2, 0, 0)}, "more than half"),
        ("avg_pool2d", {"kernel_size": (2, 2), "stride": (0, 1), "padding": (0, 0)}, "avg_pool2d: stride is 0"),
        ("adaptive_avg_pool2d", {"output_size": (0, 1)}, "adaptive_avg_pool2d: output_size is 0"),
    ],
)
def test_ops_of_the_tape_refuse_too(op: str, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Net(3, 4, 4).layer(op, **attributes)
    with pytest.raises(ValueError, match=f"{op}: x has 2 axes"):
        Net(48).layer(op, **attributes)


def test_a_global_average_of_the_tape_needs_maps() -> None:
    with pytest.raises(ValueError, match="global_avg_pool2d: x has 2 axes"):
        Net(48).layer("global_avg_pool2d")


def test_windows_with_too_many_elements_to_number_them() -> None:
    attributes = {"kernel_size": (4097, 4097), "stride": (1, 1), "padding": (0, 0)}
    with pytest.raises(ValueError, match=r"kernel_size is \(4097, 4097\), at most 16777216 elements"):
        Net(1, 5000, 5000).layer("max_pool2d", **attributes)
