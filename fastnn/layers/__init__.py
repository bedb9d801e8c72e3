"""The layers: descriptions that a model lowers to a tape."""

from .activation import Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .pool import MaxPool2D
from .reshape import Flatten

__all__ = [
    "Conv2D",
    "Dense",
    "Flatten",
    "Identity",
    "Layer",
    "LeakyReLU",
    "MaxPool2D",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
