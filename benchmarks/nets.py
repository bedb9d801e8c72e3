"""The networks that are compared: described once, built in both libraries, with their useful work counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Conv:
    """A square convolution with bias and relu; padding is "valid" or "same"."""

    units: int
    size: int
    padding: str


@dataclass(frozen=True)
class Pool:
    """A 2x2 max pool."""


@dataclass(frozen=True)
class Dense:
    """A dense layer with bias; relu unless it is the last one."""

    units: int


@dataclass(frozen=True)
class Net:
    """A network of convolutions and pools, then dense layers."""

    title: str
    image: tuple[int, int, int]
    layers: tuple[Conv | Pool | Dense, ...]


NETS = {
    "lenet5": Net(
        "LeNet-5",
        (1, 28, 28),
        (Conv(6, 5, "valid"), Pool(), Conv(16, 5, "valid"), Pool(), Dense(120), Dense(84), Dense(10)),
    ),
    "keras_cnn": Net(
        "Keras CNN",
        (1, 28, 28),
        (Conv(32, 3, "same"), Pool(), Conv(64, 3, "same"), Pool(), Dense(128), Dense(10)),
    ),
}


def shapes(net: Net) -> list[tuple[int, ...]]:
    """Give the input shape of every layer, and the output shape of the last."""
    shape: tuple[int, ...] = net.image
    result = [shape]
    for layer in net.layers:
        if isinstance(layer, Dense):
            shape = (layer.units,)
        elif isinstance(layer, Pool):
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        else:
            cut = layer.size - 1 if layer.padding == "valid" else 0
            shape = (layer.units, shape[1] - cut, shape[2] - cut)
        result.append(shape)
    return result


def training_flops(net: Net) -> int:
    """Count the floating-point operations of the direct multiply-adds of one training image.

    A layer does its products three times: for y, dw and dx, but the first layer needs no dx. What an
    implementation adds (zero padding, halos, spare lanes) does not count, and what it saves is not deducted.
    """
    total = 0
    sizes = shapes(net)
    for index, (layer, before, after) in enumerate(zip(net.layers, sizes, sizes[1:], strict=False)):
        if isinstance(layer, Pool):
            continue
        products = layer.units * int(np.prod(before))  # dense: one for each pair of input and output
        if isinstance(layer, Conv):
            products = int(np.prod(after)) * before[0] * layer.size**2
        total += 2 * products * (2 if index == 0 else 3)
    return total


def data(net: Net, images: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Make images that look like noisy examples of ten patterns, the same in every process."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 10, images)
    patterns = rng.random((10, *net.image), dtype=np.float32)
    x = 0.5 * patterns[y] + 0.5 * rng.random((images, *net.image), dtype=np.float32)
    return x, y.astype(np.int64)


def build_fastnn(net: Net) -> Any:
    """Build the network with fastnn."""
    import fastnn as fn

    layers: list[Any] = []
    for layer in net.layers:
        if isinstance(layer, Conv):
            layers.append(fn.Conv2D(layer.units, layer.size, padding=layer.padding, activation="relu"))
        elif isinstance(layer, Pool):
            layers.append(fn.MaxPool2D(2))
        else:
            if not any(isinstance(made, fn.Flatten) for made in layers):
                layers.append(fn.Flatten())
            layers.append(fn.Dense(layer.units, activation=None if layer is net.layers[-1] else "relu"))
    model = fn.Sequential(layers, input_shape=net.image, seed=0)
    model.compile(optimizer=fn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def build_torch(net: Net, weights: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Build the network with PyTorch, with the given weights (names and layouts of fastnn) in order."""
    import torch
    from torch import nn

    modules: list[Any] = []
    sizes = shapes(net)
    for layer, before in zip(net.layers, sizes, strict=False):
        if isinstance(layer, Conv):
            modules += [nn.Conv2d(before[0], layer.units, layer.size, padding=layer.padding), nn.ReLU()]
        elif isinstance(layer, Pool):
            modules.append(nn.MaxPool2d(2))
        else:
            if len(before) == 3:
                modules.append(nn.Flatten())
            modules += [nn.Linear(int(np.prod(before)), layer.units), nn.ReLU()]
    model = nn.Sequential(*modules[:-1])
    parameters = list(model.parameters())
    if len(parameters) != len(weights):
        raise ValueError(f"build_torch: {len(weights)} weights, needed are {len(parameters)}")
    with torch.no_grad():
        for parameter, w in zip(parameters, weights.values(), strict=True):
            parameter.copy_(torch.from_numpy(w.T if w.ndim == 2 else w))  # dense: ours is (n_in, n_out)
    return model
