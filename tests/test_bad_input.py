"""Arguments that do not fit are refused with a message that says what to do, and nothing is changed."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case, one_per_kernel
from helpers import assert_refused

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
each_kernel = pytest.mark.parametrize("case", one_per_kernel(CASES), ids=lambda case: case.kernel)

X = np.ones((2, 3, 6, 5), np.float32)
W = np.ones((4, 3, 3, 3), np.float32)
DY = np.ones((2, 4, 4, 3), np.float32)
P = np.ones((3, 4), np.float32)

# What is called, the error, what the message must say. For kernels and twins alike.
SHAPES: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda k: k.conv2d(X[0], W), ValueError, r"conv2d: x has 3 axes .*\(3, 6, 5\)"),
    (lambda k: k.conv2d(X, W[0]), ValueError, r"conv2d: w has 3 axes"),
    (lambda k: k.conv2d(X, W[:, :2]), ValueError, r"conv2d: x has 3 channels .* but w expects 2"),
    (lambda k: k.conv2d(X.transpose(0, 2, 3, 1), W), ValueError, r"x\.transpose\(0, 3, 1, 2\)"),
    (lambda k: k.conv2d(X, np.ones((5, 5, 3, 4), np.float32)), ValueError, r"w\.transpose\(3, 2, 0, 1\)"),
    # Eight filters of one channel for grey images are no (KH, KW, C_in, C_out).
    (lambda k: k.conv2d(X, np.ones((8, 1, 3, 3), np.float32)), ValueError, r"groups = 1\)$"),
    (lambda k: k.conv2d(X, W, np.ones(3, np.float32)), ValueError, r"conv2d: b has shape \(3,\).*\(4,\)"),
    (lambda k: k.conv2d(X[:, :, :2], W), ValueError, r"3x3 kernel does not fit .*2x5"),
    (lambda k: k.conv2d(X, W[:0]), ValueError, r"conv2d: w has shape \(0, 3, 3, 3\)"),
    (lambda k: k.conv2d(X[:, :0], W[:, :0]), ValueError, r"conv2d: w has shape"),
    (lambda k: k.conv2d(X, W, stride=0), ValueError, r"conv2d: stride is 0"),
    (lambda k: k.conv2d(X, W, stride=-1), ValueError, r"conv2d: stride is -1"),
    (lambda k: k.conv2d(X, W, stride=1.0), TypeError, r"conv2d: stride is 1\.0 \(float\)"),
    (lambda k: k.conv2d(X, W, stride=True), TypeError, r"conv2d: stride is True \(bool\)"),
    (lambda k: k.conv2d(X, W, stride=(1, 2, 3)), ValueError, r"conv2d: stride is \(1, 2, 3\)"),
    (lambda k: k.conv2d(X, W, padding=-1), ValueError, r"conv2d: padding is -1"),
    (lambda k: k.conv2d(X, W, padding=0.5), TypeError, r"conv2d: padding is 0\.5"),
    (lambda k: k.conv2d(X, W, padding=True), TypeError, r"conv2d: padding is True"),
    (lambda k: k.conv2d(X, W, padding="full"), ValueError, r"conv2d: padding is 'full'.*\"same\""),
    (lambda k: k.conv2d(X, W, padding=((1, 1), 1)), ValueError, r"conv2d: padding is \(\(1, 1\), 1\)"),
    (lambda k: k.conv2d(X, W, padding="same", stride=2), ValueError, r"padding=\(1, 1\)"),
    (
        lambda k: k.conv2d_backward(DY[:, :, :3], X, W),
        ValueError,
        r"dy has shape \(2, 4, 3, 3\).*\(2, 4, 4, 3\)",
    ),
    (lambda k: k.conv2d_backward(DY[:1], X, W), ValueError, r"conv2d_backward: dy has shape"),
    (lambda k: k.conv2d_backward_input(DY, W, (2, 3, 6)), ValueError, r"x_shape is \(2, 3, 6\), 4 sizes"),
    (
        lambda k: k.conv2d_backward_input(DY, W, (2, 3, 7, 5)),
        ValueError,
        r"conv2d_backward_input: dy has shape",
    ),
    (lambda k: k.conv2d_backward_weight(DY, X, (4, 3, 3, 2.0)), TypeError, r"w_shape is 2\.0"),
    (
        lambda k: k.conv2d_backward_weight(DY, X, (5, 3, 3, 3)),
        ValueError,
        r"conv2d_backward_weight: dy has shape",
    ),
    (lambda k: k.im2col(X[0], 2), ValueError, r"im2col: x has 3 axes"),
    (lambda k: k.im2col(X, 0), ValueError, r"im2col: kernel_size is 0"),
    (lambda k: k.im2col(X, 7), ValueError, r"im2col: a 7x7 kernel does not fit"),
    (lambda k: k.im2col(X[:, :, :0], 1), ValueError, r"im2col: .*0x5"),
    (lambda k: k.col2im(P, (1, 1, 3, 3), 2), ValueError, r"col2im: cols has shape \(3, 4\).*\(4, 4\)"),
    (lambda k: k.max_pool2d(X, 8), ValueError, r"max_pool2d: a 8x8 kernel does not fit"),
    (lambda k: k.max_pool2d(X, 3, padding=2), ValueError, r"max_pool2d: padding .* more than half"),
    (lambda k: k.max_pool2d(X, 2, stride=0), ValueError, r"max_pool2d: stride is 0"),
    (lambda k: k.max_pool2d(X[0], 2), ValueError, r"max_pool2d: x has 3 axes"),
    (
        lambda k: k.max_pool2d_backward(X, np.zeros((2, 3, 6, 4), int), (2, 3, 12, 10)),
        ValueError,
        r"max_pool2d_backward: argmax has shape",
    ),
    (
        lambda k: k.max_pool2d_backward(X, np.full(X.shape, 120), (2, 3, 12, 10)),
        ValueError,
        r"argmax\[0, 0, 0, 0\] = 120, .* 0 to 119",
    ),
    (
        lambda k: k.max_pool2d_backward(X, np.full(X.shape, -1), (2, 3, 12, 10)),
        ValueError,
        r"argmax\[0, 0, 0, 0\] = -1",
    ),
    (
        lambda k: k.max_pool2d_backward(X, np.zeros(X.shape), (2, 3, 12, 10)),
        TypeError,
        r"argmax has dtype float64",
    ),
    (
        lambda k: k.max_pool2d_backward(X, np.zeros(X.shape, int), (2, 2, 12, 10)),
        ValueError,
        r"max_pool2d_backward: dy has shape",
    ),
    (lambda k: k.dense(X, P), ValueError, r"dense: x has 4 axes .*x\.reshape\(len\(x\), -1\)"),
    (lambda k: k.dense(P, P), ValueError, r"dense: x has 4 features .* but w expects 3 .*: w\.T"),
    (lambda k: k.dense(P.T, P[0]), ValueError, r"dense: w has shape \(4,\)"),
    (lambda k: k.dense(P.T, P, P[:, 0]), ValueError, r"dense: b has shape \(3,\)"),
    (lambda k: k.dense_backward(P, P.T, P), ValueError, r"dense_backward: dy has shape \(3, 4\).*\(4, 4\)"),
    (lambda k: k.relu_backward(P, P.T), ValueError, r"relu_backward: y has shape \(4, 3\)"),
    (lambda k: k.leaky_relu(P, negative_slope=-0.1), ValueError, r"leaky_relu: negative_slope is -0\.1"),
    (lambda k: k.leaky_relu(P, negative_slope="0.1"), TypeError, r"leaky_relu: negative_slope is '0\.1'"),
    (lambda k: k.softmax(P[0]), ValueError, r"softmax: x has shape \(4,\)"),
    (lambda k: k.softmax_backward(P, P.T), ValueError, r"softmax_backward: y has shape"),
    (lambda k: k.sum_squared_error(P, P.T), ValueError, r"sum_squared_error: target has shape"),
    (lambda k: k.sum_squared_error(P, P, reduction="max"), ValueError, r"reduction is 'max', .*'mean'"),
    (lambda k: k.softmax_cross_entropy(X, P), ValueError, r"softmax_cross_entropy: prediction has 4 axes"),
    (lambda k: k.softmax_cross_entropy(P, P.T), ValueError, r"target has shape \(4, 3\)"),
    (lambda k: k.softmax_cross_entropy(P, np.array([0, 1])), ValueError, r"target has shape \(2,\).*\(3,\)"),
    (lambda k: k.softmax_cross_entropy(P, np.array([0, 4, -1])), ValueError, r"target\[1\] = 4, .* 0 to 3"),
    (lambda k: k.softmax_cross_entropy(P, np.array([0, 1, -1])), ValueError, r"target\[2\] = -1"),
    (
        lambda k: k.softmax_cross_entropy(P, np.array([0, 1, 2**64 - 1], np.uint64)),
        ValueError,
        r"target\[2\] = 18446744073709551615",
    ),
    (lambda k: k.softmax_cross_entropy(P, np.array([0.0, 1.0, 2.0])), TypeError, r"target has dtype float64"),
    (
        lambda k: k.softmax_cross_entropy(P, np.array([True, False, True])),
        TypeError,
        r"target has dtype bool",
    ),
]


@both
@pytest.mark.parametrize("row", SHAPES, ids=lambda row: row[2])
def test_wrong_shapes_and_options(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    assert_refused(error, message, lambda: call(kernels), X, W, DY, P)


@each_kernel
@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.bool_, ">f4", np.complex64])
def test_wrong_dtypes(case: Case, dtype: Any) -> None:
    """Only float32 and float64 in the machine's byte order; the message gives the cast."""
    args, kwargs = case.call(np.float32)
    wrong = tuple(a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in args)
    arrays = [a for a in wrong if isinstance(a, np.ndarray)]
    message = rf"^{case.kernel}: .*{np.dtype(dtype)}.*astype\(np\.float32\)"
    assert_refused(TypeError, message, lambda: getattr(fk, case.kernel)(*wrong, **kwargs), *arrays)


@each_kernel
def test_mixed_dtypes(case: Case) -> None:
    args, kwargs = case.call(np.float32)
    floats = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == np.float32]
    for k in floats[1:]:
        mixed = tuple(a.astype(np.float64) if i == k else a for i, a in enumerate(args))
        arrays = [a for a in mixed if isinstance(a, np.ndarray)]
        call = functools.partial(getattr(fk, case.kernel), *mixed, **kwargs)
        assert_refused(TypeError, rf"^{case.kernel}: .*float", call, *arrays)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_soft_targets_have_the_dtype_of_the_prediction(dtype: type) -> None:
    target = np.eye(3, 4).astype(dtype)
    message = f"^softmax_cross_entropy: .*{np.dtype(dtype)}"
    assert_refused(TypeError, message, lambda: fk.softmax_cross_entropy(P, target), P, target)


@each_kernel
def test_what_is_not_an_array(case: Case) -> None:
    function = getattr(fk, case.kernel)
    args, kwargs = case.call(np.float32)
    function(*args, **kwargs)  # after a good call too
    args, kwargs = case.call(np.float32)
    for wrong in (args[0].tolist(), None, np.ma.masked_array(args[0])):
        with pytest.raises(TypeError, match=rf"^{case.kernel}: .*(list|NoneType|MaskedArray)"):
            function(wrong, *args[1:], **kwargs)


WITH_OUT = [
    case
    for case in one_per_kernel(CASES)
    if case.kernel in ("im2col", "col2im", "conv2d", "dense", "relu", "sigmoid_backward", "softmax")
    or ("pool2d" in case.kernel and case.kernel != "max_pool2d")
]


@both
@pytest.mark.parametrize("case", WITH_OUT, ids=lambda case: case.kernel)
def test_wrong_out(case: Case, kernels: types.ModuleType) -> None:
    args, kwargs = case.call(np.float32)
    function = getattr(kernels, case.kernel)
    right = function(*args, **kwargs)
    read_only = np.zeros_like(right)
    read_only.flags.writeable = False
    shared = np.zeros(max(right.size, args[0].size) + 1, np.float32)
    overlapping = shared[1 : 1 + right.size].reshape(right.shape)
    x = shared[: args[0].size].reshape(args[0].shape)
    wrong: list[tuple[Any, type[Exception], str, np.ndarray]] = [
        (np.zeros((*right.shape, 1), np.float32), ValueError, "shape", args[0]),
        (np.zeros_like(right, np.float64), TypeError, "float64", args[0]),
        (np.repeat(right, 2, axis=-1)[..., ::2], ValueError, "C-contiguous", args[0]),
        (read_only, ValueError, "read-only", args[0]),
        (overlapping, ValueError, "overlaps", x),
        (right.tolist(), TypeError, "list", args[0]),
    ]
    for out, error, message, first in wrong:
        arrays = [a for a in (out, *args) if isinstance(a, np.ndarray)]
        call = functools.partial(function, first, *args[1:], **kwargs, out=out)
        assert_refused(error, rf"^{case.kernel}: out .*{message}", call, *arrays)


def parameters(kernel: str) -> set[str]:
    return set(inspect.signature(getattr(ref, kernel)).parameters)


OPTIMIZERS = [case for case in one_per_kernel(CASES) if {"grads", "lr"} <= parameters(case.kernel)]


@both
@pytest.mark.parametrize("case", OPTIMIZERS, ids=lambda case: case.kernel)
def test_wrong_optimizer_arguments(case: Case, kernels: types.ModuleType) -> None:
    args, kwargs = case.call(np.float32)
    update = getattr(kernels, case.kernel)
    for k in case.in_place:
        short = tuple(a[:-1] if i == k else a for i, a in enumerate(args))
        assert_refused(ValueError, "shape", functools.partial(update, *short, **kwargs), *args)
    flat = tuple(a.reshape(1, -1) for a in args)
    assert_refused(ValueError, rf"^{case.kernel}: ", functools.partial(update, *flat, **kwargs), *args)
    for name, value, error in [("lr", -1.0, ValueError), ("lr", np.nan, ValueError), ("lr", "1", TypeError)]:
        wrong = {**kwargs, name: value}
        assert_refused(error, f"{case.kernel}: {name} is", functools.partial(update, *args, **wrong), *args)
    bounds = {"momentum": 1.0, "alpha": 1.0, "beta1": 1.0, "beta2": -0.1, "eps": -1.0, "weight_decay": -1.0,
              "momentum_decay": -1.0, "step": 0}  # fmt: skip
    for name in bounds.keys() & parameters(case.kernel):
        wrong = {**kwargs, name: bounds[name]}
        call = functools.partial(update, *args, **wrong)
        assert_refused(ValueError, f"{case.kernel}: {name} is", call, *args)


@pytest.mark.parametrize("case", OPTIMIZERS, ids=lambda case: case.kernel)
def test_optimizers_write_only_what_they_may(case: Case) -> None:
    """Parameters and state are written in place: a copy would lose the update without a word."""
    args, kwargs = case.call(np.float32)
    update = getattr(fk, case.kernel)
    for k in case.in_place:
        strided = tuple(np.repeat(a, 2)[::2] if i == k else a for i, a in enumerate(args))
        assert_refused(ValueError, "C-contiguous", functools.partial(update, *strided, **kwargs), *strided)
        read_only = tuple(a.copy() for a in args)
        read_only[k].flags.writeable = False
        assert_refused(ValueError, "read-only", functools.partial(update, *read_only, **kwargs), *read_only)
        if k:
            shared = tuple(args[0] if i == k else a for i, a in enumerate(args))
            assert_refused(ValueError, "overlap", functools.partial(update, *shared, **kwargs), *args)
    assert_refused(ValueError, "overlap", lambda: update(args[0], args[0], *args[2:], **kwargs), *args)
