"""Ready-made networks. Each gives logits, one a class: for the loss "softmax_cross_entropy"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from fastnn_kernels import _options as options

from .layers import BatchNorm, Conv2D, Dense, Flatten, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Residual
from .model import Sequential

ImageShape = tuple[int, int, int]

__all__ = ["lenet5", "mlp", "resnet8", "small_cnn", "vgg_small"]


def mlp(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    hidden: Sequence[int] = (128, 64),
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> Sequential:
    """Dense layers with relu.

    Parameters
    ----------
    input_shape : (C, H, W) or (features,)
        Shape of one sample; images are flattened.
    classes : int
        Number of outputs.
    hidden : sequence of int
        Units of each layer in front of the last.
    seed : int
        Seed of the initial weights and of the order of the samples.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Returns
    -------
    Sequential
        Gives logits, one a class.
    """
    layers: list[Layer] = [] if len(input_shape) == 1 else [Flatten()]
    layers += [Dense(options.integer("mlp: hidden", units, 1), activation="relu") for units in hidden]
    return Sequential([*layers, Dense(classes)], input_shape=input_shape, seed=seed, dtype=dtype)


def small_cnn(input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32) -> Sequential:
    """Two 3x3 convolutions that keep the image size, each followed by a pool, and two dense layers.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image; H and W at least 4.
    classes : int
        Number of outputs.
    seed : int
        Seed of the initial weights and of the order of the samples.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Returns
    -------
    Sequential
        Gives logits, one a class.

    Raises
    ------
    ValueError
        If the images are too small.
    """
    _check_size("small_cnn", input_shape, 4)
    layers = [
        Conv2D(16, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Conv2D(32, 3, padding="same", activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(classes),
    ]
    return Sequential(layers, input_shape=input_shape, seed=seed, dtype=dtype)


def lenet5(input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32) -> Sequential:
    """LeNet-5 with relu and max pooling: two 5x5 convolutions without padding, three dense layers.

    After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", 1998, section II.B, with today's activation and pooling and all maps connected.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image; H and W at least 16.
    classes : int
        Number of outputs.
    seed : int
        Seed of the initial weights and of the order of the samples.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Returns
    -------
    Sequential
        Gives logits, one a class.

    Raises
    ------
    ValueError
        If the images are too small.
    """
    _check_size("lenet5", input_shape, 16)
    layers = [
        Conv2D(6, 5, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(120, activation="relu"),
        Dense(84, activation="relu"),
        Dense(classes),
    ]
    return Sequential(layers, input_shape=input_shape, seed=seed, dtype=dtype)


def vgg_small(input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32) -> Sequential:
    """Three times two 3x3 convolutions and a pool, with 32, 64 and 128 channels; then a dense layer of 128.

    The pattern of K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2015, for small images.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image; H and W at least 8.
    classes : int
        Number of outputs.
    seed : int
        Seed of the initial weights and of the order of the samples.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Returns
    -------
    Sequential
        Gives logits, one a class.

    Raises
    ------
    ValueError
        If the images are too small.
    """
    _check_size("vgg_small", input_shape, 8)
    layers: list[Layer] = []
    for channels in (32, 64, 128):
        layers += [Conv2D(channels, 3, padding="same", activation="relu") for _ in range(2)]
        layers.append(MaxPool2D(2))
    layers += [Flatten(), Dense(128, activation="relu"), Dense(classes)]
    return Sequential(layers, input_shape=input_shape, seed=seed, dtype=dtype)


def resnet8(input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32) -> Sequential:
    """Residual net with batch normalisation: a convolution, three blocks of two, and a dense layer.

    The blocks have 16, 32 and 64 channels, the second and third halve the image. The pattern of K. He, X. Zhang,
    S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, as in the MLPerf Tiny benchmark.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image; any size.
    classes : int
        Number of outputs.
    seed : int
        Seed of the initial weights and of the order of the samples.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Returns
    -------
    Sequential
        Gives logits, one a class.

    Raises
    ------
    ValueError
        If the input is no image.
    """
    _check_size("resnet8", input_shape, 1)
    layers: list[Layer] = [*_normed(16, 3), ReLU()]
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        shortcut = None if stride == 1 else _normed(channels, 1, stride)
        layers.append(Residual(*_normed(channels, 3, stride), ReLU(), *_normed(channels, 3), shortcut=shortcut))
        layers.append(ReLU())
    layers += [GlobalAvgPool2D(), Dense(classes)]
    return Sequential(layers, input_shape=input_shape, seed=seed, dtype=dtype)


def _normed(channels: int, kernel_size: int, stride: int = 1) -> list[Layer]:
    """Return a convolution that keeps the image's size or divides it by the stride, and its normalisation."""
    # He's start, as relu follows the normalisation, and no bias, which that takes away again.
    convolution = Conv2D(channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False, w_init="he_normal")
    return [convolution, BatchNorm()]


def _check_size(name: str, input_shape: ImageShape, least: int) -> None:
    """Say which image size a network needs before a layer complains about its own input."""
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise ValueError(
            f"{name}: input_shape is {tuple(input_shape)}, needed is (C, H, W) with H and W at least {least}"
        )
