"""Augmentation against PyTorch: the part that follows what was drawn."""

import types
from typing import Any

import numpy as np
import pytest

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import _augmentation as augmentation
from fastnn_kernels.reference import augment as twin

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
SHAPES = [(9, 2, 8, 8), (5, 3, 7, 12), (4, 1, 21, 6), (2, 1, 1, 1)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape)


def stream(name: str, n: int) -> Any:
    return augmentation.stream(name, 3, 4, 0, 0, n)


@both
@each_shape
@pytest.mark.parametrize("degrees", [10, 180, (-90, -45), (37, 37)], ids=str)
def test_rotate(shape: tuple[int, ...], degrees: Any, kernels: types.ModuleType) -> None:
    x = pictures(*shape)
    n, _, height, width = shape
    low, high = degrees if isinstance(degrees, tuple) else (-degrees, degrees)
    angle = np.radians(twin.rotation_angles(stream("rotate", n), n, low, high))
    cos, sin = np.cos(angle), np.sin(angle)
    # PyTorch's places run from -1 to 1 along each side, x before y.
    theta = np.zeros((n, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = cos, -sin * height / width
    theta[:, 1, 0], theta[:, 1, 1] = sin * width / height, cos
    grid = F.affine_grid(torch.tensor(theta), list(shape), align_corners=False)
    expected = F.grid_sample(torch.tensor(x), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    y = kernels.rotate(x, degrees, seed=3, step=4)
    np.testing.assert_allclose(y, expected.numpy(), rtol=1e-10, atol=1e-11)
    filled = kernels.rotate(x, degrees, seed=3, step=4, fill=2.5)
    around = F.grid_sample(torch.tensor(x) - 2.5, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    np.testing.assert_allclose(filled, around.numpy() + 2.5, rtol=1e-10, atol=1e-11)


@both
@each_shape
def test_crop(shape: tuple[int, ...], kernels: types.ModuleType) -> None:
    x = pictures(*shape)
    n, _, height, width = shape
    window = augmentation.window("crop", "padding", shape, (2, 3), (height + 1, width))
    top, left = twin.corners(stream("crop", n), n, window)
    padded = F.pad(torch.tensor(x), (3, 3, 2, 2), value=-1.0).numpy()
    expected = [padded[s, :, top[s] + 2 :, left[s] + 3 :][:, : height + 1, :width] for s in range(n)]
    y = kernels.crop(x, (2, 3), seed=3, step=4, size=(height + 1, width), fill=-1)
    np.testing.assert_array_equal(y, np.stack(expected))


@both
@each_shape
def test_flip(shape: tuple[int, ...], kernels: types.ModuleType) -> None:
    x = pictures(*shape)
    across, down = twin.flips(stream("flip", shape[0]), shape[0], 0.5)
    y = kernels.flip(x, seed=3, step=4, vertical=True)
    for s in range(shape[0]):
        axes = [axis for axis, turned in ((1, down[s]), (2, across[s])) if turned]
        np.testing.assert_array_equal(y[s], torch.flip(torch.tensor(x[s]), axes).numpy())
