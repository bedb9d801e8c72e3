"""Kernels and twins against PyTorch: values and gradients."""

import types
from typing import Any

import numpy as np
import pytest

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


@both
def test_dense(kernels: types.ModuleType) -> None:
    x, w, b, dy = numbers(17, 33), numbers(33, 10, seed=6), numbers(10, seed=7), numbers(17, 10, seed=8)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.linear(tx, tw.T, tb)
    assert_equal(kernels.dense(x, w, b), ty)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.dense_backward(dy, x, w), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)
