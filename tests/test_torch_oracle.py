"""Kernels and twins against PyTorch: values and gradients."""

import types
import warnings
from typing import Any

import numpy as np
import pytest
from geometry import CONVOLUTIONS, Geometry

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


def padded(x: Any, g: Geometry) -> Any:
    top, bottom, left, right = g.pads
    return F.pad(x, (left, right, top, bottom))


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
def test_dense(kernels: types.ModuleType) -> None:
    x, w, b, dy = numbers(17, 33), numbers(33, 10, seed=6), numbers(10, seed=7), numbers(17, 10, seed=8)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.linear(tx, tw.T, tb)
    assert_equal(kernels.dense(x, w, b), ty)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.dense_backward(dy, x, w), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)
