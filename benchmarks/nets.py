"""The networks that are compared: described once, built in every library, with their useful work counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Conv:
    """A square convolution with bias, then relu where wanted; padding is "valid" or "same" (for stride 1)."""

    units: int
    size: int
    padding: str = "same"
    stride: int = 1
    relu: bool = True

    @property
    def pad(self) -> int:
        """Zeros on each side."""
        return self.size // 2 if self.padding == "same" else 0


@dataclass(frozen=True)
class Depthwise:
    """A 3x3 convolution of each channel alone, with bias, that keeps the image or divides it by the stride."""

    stride: int = 1


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation, then relu where wanted."""

    relu: bool = True


@dataclass(frozen=True)
class Pool:
    """A 2x2 max pool."""


@dataclass(frozen=True)
class GlobalAverage:
    """The mean of each channel."""


@dataclass(frozen=True)
class Residual:
    """Some layers beside nothing or a shortcut, added, then relu."""

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Dense:
    """A dense layer with bias; relu unless it is the last one."""

    units: int


Layer = Conv | Depthwise | BatchNorm | Pool | GlobalAverage | Residual | Dense
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Net:
    """Layers that make of an image the scores of classes.

    `tolerance` is for the relative difference of losses in the first 20 steps: the libraries sum in an order of their
    own. In a deep net, and where a bias has no gradient but rounding since a normalisation follows, Adam turns
    differences of rounding into whole steps, and they grow from step to step.
    """

    title: str
    image: Shape
    layers: tuple[Layer, ...]
    tolerance: float = 1e-4

    @property
    def classes(self) -> int:
        """Units of the last layer."""
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return last.units


def _normed(units: int, size: int, stride: int = 1, *, relu: bool = True) -> tuple[Layer, ...]:
    return (Conv(units, size, stride=stride, relu=False), BatchNorm(relu))


def _residual(units: int, stride: int) -> Residual:
    inside = (*_normed(units, 3, stride), *_normed(units, 3, relu=False))
    return Residual(inside, _normed(units, 1, stride, relu=False) if stride > 1 else ())


def _separable(units: int, stride: int) -> tuple[Layer, ...]:
    return (Depthwise(stride), BatchNorm(), *_normed(units, 1))


NETS = {
    "lenet5": Net(
        "LeNet-5",
        (1, 28, 28),
        (Conv(6, 5, "valid"), Pool(), Conv(16, 5, "valid"), Pool(), Dense(120), Dense(84), Dense(10)),
    ),
    "keras_cnn": Net(
        "Keras CNN",
        (1, 28, 28),
        (Conv(32, 3), Pool(), Conv(64, 3), Pool(), Dense(128), Dense(10)),
    ),
    "vgg_small": Net(
        "VGG-small",
        (3, 32, 32),
        (*(layer for units in (32, 64, 128) for layer in (Conv(units, 3), Conv(units, 3), Pool())),
         Dense(128), Dense(10)),
        tolerance=5e-3,
    ),
    "resnet8": Net(
        "ResNet-8",
        (3, 32, 32),
        (*_normed(16, 3), _residual(16, 1), _residual(32, 2), _residual(64, 2), GlobalAverage(), Dense(10)),
        tolerance=5e-3,
    ),
    "separable": Net(
        "depthwise-separable CNN",
        (3, 32, 32),
        (Conv(32, 3), *_separable(64, 1), *_separable(128, 2), *_separable(128, 1), *_separable(256, 2),
         GlobalAverage(), Dense(10)),
        tolerance=5e-3,
    ),
    "mlp": Net("MLP 4-32-16-4", (4,), (Dense(32), Dense(16), Dense(4))),
}  # fmt: skip


def shape_after(layer: Layer, shape: Shape) -> Shape:
    """Give the shape of one sample behind a layer."""
    if isinstance(layer, Dense):
        return (layer.units,)
    if isinstance(layer, Pool):
        return (shape[0], shape[1] // 2, shape[2] // 2)
    if isinstance(layer, GlobalAverage):
        return (shape[0],)
    if isinstance(layer, Conv):
        sides = ((side + 2 * layer.pad - layer.size) // layer.stride + 1 for side in shape[1:])
        return (layer.units, *sides)
    if isinstance(layer, Depthwise):
        return (shape[0], *((side - 1) // layer.stride + 1 for side in shape[1:]))
    if isinstance(layer, Residual):
        for inside in layer.layers:
            shape = shape_after(inside, shape)
    return shape


def forward_products(layers: Sequence[Layer], shape: Shape) -> list[int]:
    """Count the multiply-adds of each layer that has any, for one image."""
    counts = []
    for layer in layers:
        after = shape_after(layer, shape)
        if isinstance(layer, Dense):
            counts.append(layer.units * int(np.prod(shape)))
        elif isinstance(layer, Conv):
            counts.append(int(np.prod(after)) * shape[0] * layer.size**2)
        elif isinstance(layer, Depthwise):
            counts.append(int(np.prod(after)) * 9)
        elif isinstance(layer, Residual):
            counts += forward_products(layer.layers, shape) + forward_products(layer.shortcut, shape)
        shape = after
    return counts


def training_flops(net: Net) -> int:
    """Count the floating-point operations of the direct multiply-adds of one training image.

    A layer does its products three times: for y, dw and dx, but the first layer needs no dx. What an
    implementation adds (zero padding, halos, spare lanes) does not count, and what it saves is not deducted.
    """
    first, *others = forward_products(net.layers, net.image)
    return 2 * (2 * first + 3 * sum(others))


def data(net: Net, images: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Make images that look like noisy examples of a pattern for each class, the same in every process."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, net.classes, images)
    patterns = rng.random((net.classes, *net.image), dtype=np.float32)
    x = 0.5 * patterns[y] + 0.5 * rng.random((images, *net.image), dtype=np.float32)
    return x, y.astype(np.int64)


def build_fastnn(net: Net) -> Any:
    """Build the network with fastnn."""
    import fastnn as fn

    def build(layers: Sequence[Layer], shape: Shape) -> list[Any]:
        made: list[Any] = []
        for layer in layers:
            if isinstance(layer, Conv):
                activation = "relu" if layer.relu else None
                conv = fn.Conv2D(layer.units, layer.size, stride=layer.stride, padding=layer.pad, activation=activation)
                made.append(conv)
            elif isinstance(layer, Depthwise):
                made.append(fn.DepthwiseConv2D(3, stride=layer.stride, padding=1))
            elif isinstance(layer, BatchNorm):
                made += [fn.BatchNorm(), fn.ReLU()] if layer.relu else [fn.BatchNorm()]
            elif isinstance(layer, Pool):
                made.append(fn.MaxPool2D(2))
            elif isinstance(layer, GlobalAverage):
                made.append(fn.GlobalAvgPool2D())
            elif isinstance(layer, Residual):
                shortcut = build(layer.shortcut, shape) or None
                made += [fn.Residual(*build(layer.layers, shape), shortcut=shortcut), fn.ReLU()]
            else:
                made += [fn.Flatten()] if len(shape) == 3 else []
                made.append(fn.Dense(layer.units, activation=None if layer is net.layers[-1] else "relu"))
            shape = shape_after(layer, shape)
        return made

    model = fn.Sequential(build(net.layers, net.image), input_shape=net.image, seed=0)
    model.compile(optimizer=fn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def build_torch(net: Net, weights: dict[str, np.ndarray[Any, Any]] | None = None) -> Any:
    """Build the network with PyTorch, with the given weights (names and layouts of fastnn) in order, or its own."""
    import torch
    from torch import nn

    class Sum(nn.Module):
        """Layers beside a shortcut, added, then relu."""

        def __init__(self, layers: Any, shortcut: Any) -> None:
            super().__init__()
            self.layers, self.shortcut = layers, shortcut

        def forward(self, x: Any) -> Any:
            return torch.relu(self.layers(x) + self.shortcut(x))

    def build(layers: Sequence[Layer], shape: Shape) -> Any:
        made: list[Any] = []
        for layer in layers:
            if isinstance(layer, Conv):
                made.append(nn.Conv2d(shape[0], layer.units, layer.size, stride=layer.stride, padding=layer.pad))
            elif isinstance(layer, Depthwise):
                made.append(nn.Conv2d(shape[0], shape[0], 3, stride=layer.stride, padding=1, groups=shape[0]))
            elif isinstance(layer, BatchNorm):
                made.append(nn.BatchNorm2d(shape[0]))
            elif isinstance(layer, Pool):
                made.append(nn.MaxPool2d(2))
            elif isinstance(layer, GlobalAverage):
                made += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            elif isinstance(layer, Residual):
                made.append(Sum(build(layer.layers, shape), build(layer.shortcut, shape)))
            else:
                made += [nn.Flatten()] if len(shape) == 3 else []
                made.append(nn.Linear(int(np.prod(shape)), layer.units))
            if getattr(layer, "relu", isinstance(layer, Dense) and layer is not net.layers[-1]):
                made.append(nn.ReLU())
            shape = shape_after(layer, shape)
        return nn.Sequential(*made)

    model = build(net.layers, net.image)
    if weights is None:
        return model
    parameters = list(model.parameters())
    if len(parameters) != len(weights):
        raise ValueError(f"build_torch: {len(weights)} weights, needed are {len(parameters)}")
    with torch.no_grad():
        for parameter, w in zip(parameters, weights.values(), strict=True):
            parameter.copy_(torch.from_numpy(w.T if w.ndim == 2 else w))  # dense: ours is (n_in, n_out)
    return model
