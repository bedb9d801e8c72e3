"""Kernels and twins against PyTorch: values and gradients."""

import types
import warnings
from typing import Any

import numpy as np
import pytest
from geometry import CONVOLUTIONS, POOLS, Geometry

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])


def numbers(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(array: np.ndarray) -> Any:
    return torch.tensor(array, requires_grad=array.dtype.kind == "f")


def assert_equal(actual: Any, expected: Any) -> None:
    if isinstance(expected, torch.Tensor):
        expected = expected.detach().numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-11)


def padded(x: Any, g: Geometry, value: float = 0.0) -> Any:
    top, bottom, left, right = g.pads
    return F.pad(x, (left, right, top, bottom), value=value)


@both
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_conv2d(g: Geometry, kernels: types.ModuleType) -> None:
    x, w, b = numbers(*g.x_shape), numbers(*g.w_shape, seed=6), numbers(g.o, seed=7)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.conv2d(padded(tx, g), tw, tb, stride=g.stride)
    assert_equal(kernels.conv2d(x, w, b, **g.options), ty)
    dy = numbers(*ty.shape, seed=8)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.conv2d_backward(dy, x, w, **g.options), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)


@both
@pytest.mark.parametrize("g", [g for g in CONVOLUTIONS if g.padding == "same"], ids=lambda g: g.label)
def test_same_padding_is_pytorchs(g: Geometry, kernels: types.ModuleType) -> None:
    x, w = numbers(*g.x_shape), numbers(*g.w_shape, seed=6)
    # An even kernel pads one side more; PyTorch does it with F.pad, and warns that this copies.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ty = F.conv2d(torch.tensor(x), torch.tensor(w), padding="same")
    assert_equal(kernels.conv2d(x, w, padding="same"), ty)


@both
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_im2col(g: Geometry, kernels: types.ModuleType) -> None:
    x = numbers(*g.x_shape)
    tx = tensor(x)
    tcols = F.unfold(padded(tx, g), g.kernel_size, stride=g.stride)  # (N, C*KH*KW, OH*OW)
    cols = kernels.im2col(x, g.kernel_size, **g.options)
    assert_equal(cols, tcols.transpose(0, 1).reshape(cols.shape))
    dcols = numbers(*cols.shape, seed=6)
    tcols.backward(torch.tensor(dcols).reshape(len(cols), g.n, -1).transpose(0, 1))
    assert_equal(kernels.col2im(dcols, x.shape, g.kernel_size, **g.options), tx.grad)


@both
@pytest.mark.parametrize("g", POOLS, ids=lambda g: g.label)
def test_max_pool2d(g: Geometry, kernels: types.ModuleType) -> None:
    x = np.round(2 * numbers(*g.x_shape))  # many ties
    tx = tensor(x)
    top, bottom, left, right = g.pads
    symmetric = top == bottom and left == right
    if symmetric:
        ty, indices = F.max_pool2d(tx, g.kernel_size, g.stride, padding=(top, left), return_indices=True)
    else:
        ty, indices = F.max_pool2d(padded(tx, g, -np.inf), g.kernel_size, g.stride, return_indices=True)
        rows, columns = indices // (g.w + left + right) - top, indices % (g.w + left + right) - left
        indices = rows * g.w + columns
    y, argmax = kernels.max_pool2d(x, g.kernel_size, **g.options)
    assert_equal(y, ty)
    np.testing.assert_array_equal(argmax, indices.numpy())
    dy = numbers(*y.shape, seed=6)
    ty.backward(torch.tensor(dy))
    assert_equal(kernels.max_pool2d_backward(dy, argmax, x.shape), tx.grad)


@both
def test_max_pool2d_with_nan(kernels: types.ModuleType) -> None:
    x = numbers(3, 2, 9, 9)
    x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    ty = F.max_pool2d(torch.tensor(x), 3, 2, padding=1)
    y, argmax = kernels.max_pool2d(x, 3, stride=2, padding=1)
    np.testing.assert_array_equal(y, ty.numpy())
    at_argmax = np.take_along_axis(x.reshape(3, 2, 81), argmax.reshape(3, 2, 25), axis=2)
    np.testing.assert_array_equal(at_argmax.reshape(y.shape), y)


@both
def test_dense(kernels: types.ModuleType) -> None:
    x, w, b, dy = numbers(17, 33), numbers(33, 10, seed=6), numbers(10, seed=7), numbers(17, 10, seed=8)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.linear(tx, tw.T, tb)
    assert_equal(kernels.dense(x, w, b), ty)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.dense_backward(dy, x, w), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)
