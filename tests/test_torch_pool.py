"""Pooling, kernels and twins, against PyTorch: values, indices and gradients."""

import types
from typing import Any

import numpy as np
import pytest
from geometry import POOLS, Geometry

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_algorithms = pytest.mark.parametrize("algorithm", ["direct", "im2col"])


def numbers(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def assert_equal(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-10, atol=1e-11)


def padded(x: Any, g: Geometry, value: float) -> Any:
    top, bottom, left, right = g.pads
    return F.pad(x, (left, right, top, bottom), value=value)


def has_option(g: Geometry) -> bool:
    """Whether PyTorch has this padding as an option: the same on both sides, at most half the kernel size."""
    top, bottom, left, right = g.pads
    return top == bottom <= g.kh // 2 and left == right <= g.kw // 2


def drawn_pools(count: int) -> list[Geometry]:
    """Pools with every option at random."""
    rng = np.random.default_rng(1)
    pools: list[Geometry] = []
    while len(pools) < count:
        kh, kw, sh, sw, dh, dw = (int(v) for v in rng.integers(1, (5, 5, 4, 4, 4, 4)))
        reach = dh * (kh - 1) + 1, dw * (kw - 1) + 1
        ceil_mode = bool(rng.integers(2))
        sides = tuple(tuple(int(v) for v in rng.integers(0, r // 2 + 1, 2)) for r in reach)
        padding: Any = (min(sides[0][0], kh // 2), min(sides[1][0], kw // 2)) if ceil_mode else sides
        shape = (2, 2, *(int(v) for v in rng.integers(1, (14, 45))))
        label = f"drawn-{len(pools)}"
        g = Geometry(label, *shape, 0, kh, kw, (sh, sw), padding, dilation=(dh, dw), ceil_mode=ceil_mode)
        try:
            ref.max_pool2d(np.zeros(shape), g.kernel_size, **g.pool_options)
        except ValueError:
            continue
        pools.append(g)
    return pools


# For other paddings F.pad stands in, except under ceil_mode, where it would be part of the image.
MAXIMA = [g for g in POOLS if has_option(g) or not g.ceil_mode] + drawn_pools(25)
AVERAGES = [
    g._replace(dilation=1)
    for g in MAXIMA
    if max(g.pads[:2]) <= g.kh // 2 and max(g.pads[2:]) <= g.kw // 2
]


@both
@both_algorithms
@pytest.mark.parametrize("g", MAXIMA, ids=lambda g: g.label)
def test_max_pool2d(g: Geometry, algorithm: str, kernels: types.ModuleType) -> None:
    x = np.round(2 * numbers(*g.x_shape))  # many ties
    tx = torch.tensor(x, requires_grad=True)
    top, _, left, right = g.pads
    options = {"dilation": g.dilation, "ceil_mode": g.ceil_mode, "return_indices": True}
    if has_option(g):
        ty, indices = F.max_pool2d(tx, g.kernel_size, g.stride, padding=(top, left), **options)
    else:
        ty, indices = F.max_pool2d(padded(tx, g, -np.inf), g.kernel_size, g.stride, **options)
        rows, columns = indices // (g.w + left + right) - top, indices % (g.w + left + right) - left
        indices = rows * g.w + columns
    y, argmax = kernels.max_pool2d(x, g.kernel_size, **g.pool_options, algorithm=algorithm)
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
@both_algorithms
@pytest.mark.parametrize("include_pad", [True, False], ids=["with-padding", "without-padding"])
@pytest.mark.parametrize("g", AVERAGES, ids=lambda g: g.label)
def test_avg_pool2d(g: Geometry, include_pad: bool, algorithm: str, kernels: types.ModuleType) -> None:
    x = numbers(*g.x_shape)
    tx = torch.tensor(x, requires_grad=True)
    if has_option(g):
        pads = (g.pads[0], g.pads[2])
        ty = F.avg_pool2d(tx, g.kernel_size, g.stride, pads, g.ceil_mode, count_include_pad=include_pad)
    else:
        ty = F.avg_pool2d(padded(tx, g, 0.0), g.kernel_size, g.stride)
        if not include_pad:
            ty = ty / F.avg_pool2d(padded(torch.ones_like(tx), g, 0.0), g.kernel_size, g.stride)
    options = {**g.options, "ceil_mode": g.ceil_mode, "count_include_pad": include_pad}
    y = kernels.avg_pool2d(x, g.kernel_size, **options, algorithm=algorithm)
    assert_equal(y, ty)
    dy = numbers(*y.shape, seed=6)
    ty.backward(torch.tensor(dy))
    assert_equal(kernels.avg_pool2d_backward(dy, x.shape, g.kernel_size, **options), tx.grad)


@both
@pytest.mark.parametrize("size", [(7, 5), (6, 8), (2, 3), (13, 40)], ids=str)
@pytest.mark.parametrize("out", [(1, 1), (3, 2), (5, 4), (7, 9)], ids=str)
def test_adaptive_and_global_avg_pool2d(
    size: tuple[int, int], out: tuple[int, int], kernels: types.ModuleType
) -> None:
    x = numbers(2, 3, *size)
    tx = torch.tensor(x, requires_grad=True)
    ty = F.adaptive_avg_pool2d(tx, out)
    assert_equal(kernels.adaptive_avg_pool2d(x, out), ty)
    dy = numbers(2, 3, *out, seed=6)
    ty.backward(torch.tensor(dy))
    assert_equal(kernels.adaptive_avg_pool2d_backward(dy, x.shape), tx.grad)
    if out == (1, 1):
        assert_equal(kernels.global_avg_pool2d(x), ty[:, :, 0, 0])
        assert_equal(kernels.global_avg_pool2d_backward(dy[:, :, 0, 0], x.shape), tx.grad)
