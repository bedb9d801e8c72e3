"""Ready-made networks for images."""

import numpy as np
from numpy.typing import DTypeLike

from .layers import Conv2D, Dense, Flatten, MaxPool2D
from .model import Sequential

ImageShape = tuple[int, int, int]


def small_cnn(
    input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
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


def lenet5(
    input_shape: ImageShape, classes: int, *, seed: int = 0, dtype: DTypeLike = np.float32
) -> Sequential:
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


def _check_size(name: str, input_shape: ImageShape, least: int) -> None:
    """Say which image size a network needs before a layer complains about its own input."""
    if len(input_shape) != 3 or min(input_shape[1:]) < least:
        raise ValueError(
            f"{name}: input_shape is {tuple(input_shape)}, needed is (C, H, W) with H and W at least {least}"
        )
