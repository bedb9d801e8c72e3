"""What is profiled: calls of public kernels on shapes that small CNNs have, with the work that each call does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Call = tuple[tuple[Any, ...], dict[str, Any]]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """One call of one public kernel.

    Attributes
    ----------
    kernel : str
        Name in `fastnn_kernels`.
    shape : str
        Where the shape comes from, and what it is.
    make : callable
        ``make(rng) -> (args, kwargs)``, float32 arrays.
    flops : int
        Floating-point operations of the direct definition; 0 where there are hardly any.
    bytes : int
        Bytes that have to be read and written at least: each argument and result once.
    in_place : tuple of int
        Positions of the arguments that a call changes.
    """

    kernel: str
    shape: str
    make: Callable[[np.random.Generator], Call] = field(repr=False, compare=False)
    flops: int
    bytes: int
    in_place: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Kernel and shape."""
        return f"{self.kernel} {self.shape}"

    def call(self) -> Call:
        """Return the arguments, the same numbers at every call."""
        return self.make(np.random.default_rng(3))


@dataclass(frozen=True)
class Convolution:
    """A convolution layer of a network, on a batch."""

    label: str
    batch: int
    channels: int
    size: int
    filters: int
    kernel: int
    padding: int = 0
    stride: int = 1
    groups: int = 1

    @property
    def out(self) -> int:
        """Side of the output."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def x(self) -> Shape:
        """Shape of the images."""
        return self.batch, self.channels, self.size, self.size

    @property
    def w(self) -> Shape:
        """Shape of the weights."""
        return self.filters, self.channels // self.groups, self.kernel, self.kernel

    @property
    def y(self) -> Shape:
        """Shape of the output."""
        return self.batch, self.filters, self.out, self.out

    @property
    def options(self) -> dict[str, int]:
        """Arguments that are not 1 or 0."""
        every = {"stride": (self.stride, 1), "padding": (self.padding, 0), "groups": (self.groups, 1)}
        return {name: value for name, (value, usual) in every.items() if value != usual}

    @property
    def text(self) -> str:
        """Label and sizes."""
        kind = "depthwise " if self.groups > 1 else ""
        stride = f"/{self.stride}" if self.stride > 1 else ""
        sizes = f"{self.batch}x{self.channels}x{self.size}x{self.size}"
        return f"{self.label} ({sizes}, {kind}{self.kernel}x{self.kernel}{stride}, {self.filters})"


CONVOLUTIONS = (
    Convolution("LeNet-5 conv1", 128, 1, 28, 6, 5),
    Convolution("LeNet-5 conv2", 128, 6, 12, 16, 5),
    Convolution("LeNet-5 conv2, one image", 1, 6, 12, 16, 5),
    Convolution("Keras CNN conv1", 128, 1, 28, 32, 3, 1),
    Convolution("Keras CNN conv2", 128, 32, 14, 64, 3, 1),
    Convolution("VGG-small conv1", 128, 3, 32, 32, 3, 1),
    Convolution("VGG-small conv2", 32, 32, 32, 32, 3, 1),
    Convolution("VGG-small conv3", 64, 32, 16, 64, 3, 1),
    Convolution("VGG-small conv4", 64, 64, 16, 64, 3, 1),
    Convolution("VGG-small conv4, one image", 1, 64, 16, 64, 3, 1),
    Convolution("VGG-small conv6", 64, 128, 8, 128, 3, 1),
    Convolution("ResNet-8 conv1", 128, 3, 32, 16, 3, 1),
    Convolution("ResNet-8 block 1", 64, 16, 32, 16, 3, 1),
    Convolution("ResNet-8 block 2", 64, 16, 32, 32, 3, 1, 2),
    Convolution("ResNet-8 shortcut", 64, 16, 32, 32, 1, 0, 2),
    Convolution("ResNet-8 block 3", 64, 64, 8, 64, 3, 1),
    Convolution("separable depthwise 1", 64, 32, 32, 32, 3, 1, 1, 32),
    Convolution("separable depthwise 2", 64, 64, 32, 64, 3, 1, 2, 64),
    Convolution("separable pointwise 1", 64, 32, 32, 64, 1),
    Convolution("separable pointwise 3", 64, 128, 16, 128, 1),
)


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _bytes(*shapes: Shape) -> int:
    return 4 * sum(prod(shape) for shape in shapes)


def convolution(c: Convolution) -> tuple[Work, ...]:
    """Make the works of one layer: forward and both gradients."""
    flops = 2 * prod(c.y) * prod(c.w[1:])

    def weights(rng: np.random.Generator) -> Array:
        return _normal(rng, *c.w) / np.float32(np.sqrt(prod(c.w[1:])))

    makers: dict[str, Callable[[np.random.Generator], Call]] = {
        "conv2d": lambda r: ((_normal(r, *c.x), weights(r), _normal(r, c.filters)), c.options),
        "conv2d_backward_input": lambda r: ((_normal(r, *c.y), weights(r), c.x), c.options),
        "conv2d_backward_weight": lambda r: ((_normal(r, *c.y), _normal(r, *c.x), c.w), c.options),
    }
    moved = _bytes(c.x, c.w, c.y)
    return tuple(Work(kernel, c.text, make, flops, moved) for kernel, make in makers.items())


def pooling(label: str, batch: int, channels: int, size: int) -> tuple[Work, ...]:
    """Make the works of a 2x2 pool: maximum and average, both ways."""
    x, y = (batch, channels, size, size), (batch, channels, size // 2, size // 2)
    text = f"{label} ({'x'.join(map(str, x))}, 2x2)"

    def argmax(rng: np.random.Generator) -> Array:
        """Flat places in the image: the upper left pixel of each window or one of its neighbours."""
        top = 2 * np.arange(y[2])
        corner = top[:, None] * size + top
        return corner + rng.integers(0, 2, y) * size + rng.integers(0, 2, y)

    moved = _bytes(x, y)
    return (
        Work("max_pool2d", text, lambda r: ((_normal(r, *x), 2), {}), 0, moved + 2 * _bytes(y)),
        Work("max_pool2d_backward", text, lambda r: ((_normal(r, *y), argmax(r), x), {}), 0, moved + 2 * _bytes(y)),
        Work("avg_pool2d", text, lambda r: ((_normal(r, *x), 2), {}), 0, moved),
        Work("avg_pool2d_backward", text, lambda r: ((_normal(r, *y), x, 2), {}), 0, moved),
    )


def normalisation(label: str, batch: int, channels: int, size: int) -> tuple[Work, ...]:
    """Make the works of a batch normalisation in training."""
    x = (batch, channels, size, size)
    text = f"{label} ({'x'.join(map(str, x))})"
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)

    def options() -> dict[str, Any]:
        return {"running_mean": zeros.copy(), "running_var": ones.copy(), "training": True}

    return (
        Work("batch_norm", text, lambda r: ((_normal(r, *x), ones, zeros), options()), 0, 2 * _bytes(x)),
        Work("batch_norm_backward", text, lambda r: ((_normal(r, *x), _normal(r, *x), ones, zeros, ones), {}), 0,
             3 * _bytes(x)),
    )  # fmt: skip


def dense(label: str, batch: int, inputs: int, outputs: int) -> tuple[Work, ...]:
    """Make the works of a dense layer, both ways."""
    text = f"{label} ({batch}x{inputs}, {outputs})"
    flops = 2 * batch * inputs * outputs
    x, w, y = (batch, inputs), (inputs, outputs), (batch, outputs)

    def weights(rng: np.random.Generator) -> Array:
        return _normal(rng, *w) / np.float32(np.sqrt(inputs))

    return (
        Work("dense", text, lambda r: ((_normal(r, *x), weights(r), _normal(r, outputs)), {}), flops, _bytes(x, w, y)),
        Work("dense_backward", text, lambda r: ((_normal(r, *y), _normal(r, *x), weights(r)), {}), 2 * flops,
             _bytes(y, x, w, x, w)),
    )  # fmt: skip


def activation(label: str, *x: int) -> tuple[Work, ...]:
    """Make the works of a relu, both ways."""
    text = f"{label} ({'x'.join(map(str, x))})"

    def backward(rng: np.random.Generator) -> Call:
        return (_normal(rng, *x), np.maximum(_normal(rng, *x), 0)), {}

    return (
        Work("relu", text, lambda r: ((_normal(r, *x),), {}), 0, 2 * _bytes(x)),
        Work("relu_backward", text, backward, 0, 3 * _bytes(x)),
    )


def columns(c: Convolution) -> tuple[Work, ...]:
    """Make the works of a convolution's matrix of columns."""
    cols = (c.channels * c.kernel**2, c.batch * c.out**2)
    options = {name: value for name, value in c.options.items() if name != "groups"}
    moved = _bytes(c.x, cols)
    return (
        Work("im2col", c.text, lambda r: ((_normal(r, *c.x), c.kernel), options), 0, moved),
        Work("col2im", c.text, lambda r: ((_normal(r, *cols), c.x, c.kernel), options), 0, moved),
    )


def loss(batch: int, classes: int) -> Work:
    """Make the work of a loss with its gradient."""
    text = f"({batch}x{classes})"
    return Work(
        "softmax_cross_entropy",
        text,
        lambda r: ((_normal(r, batch, classes), r.integers(0, classes, batch)), {}),
        0,
        2 * _bytes((batch, classes)) + 8 * batch,
    )


def adam(label: str, count: int) -> Work:
    """Make the work of an update."""

    def make(rng: np.random.Generator) -> Call:
        arrays = (_normal(rng, count), _normal(rng, count), np.zeros(count, np.float32), np.zeros(count, np.float32))
        return arrays, {"step": 1, "lr": 1e-3}

    return Work("adam_update", f"{label} ({count:,})", make, 0, 7 * _bytes((count,)), in_place=(0, 2, 3))


def every_work() -> tuple[Work, ...]:
    """Make all works, in the order of the report."""
    works = [work for c in CONVOLUTIONS for work in convolution(c)]
    for c in CONVOLUTIONS:
        if c.groups == 1 and c.kernel > 1 and c.batch > 1 and prod(c.y) * prod(c.w[1:]) < 6e7:
            works += columns(c)
    works += pooling("LeNet-5", 128, 6, 24) + pooling("Keras CNN", 128, 32, 28) + pooling("VGG-small", 64, 64, 16)
    works += dense("LeNet-5 dense 1", 128, 256, 120) + dense("Keras CNN dense", 128, 3136, 128)
    works += activation("LeNet-5", 128, 6, 24, 24) + activation("ResNet-8", 64, 16, 32, 32)
    works += normalisation("ResNet-8", 64, 16, 32) + normalisation("separable", 64, 128, 16)
    works += [loss(32, 10), loss(128, 10), loss(1000, 100)]
    works += [adam("MLP 4-32-16-4", 756), adam("layer", 10_000), adam("LeNet-5", 44_426), adam("layer", 100_000)]
    return tuple(works)
