"""The layers: descriptions that a model lowers to a tape."""

from .activation import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Tanh,
)
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .pool import MaxPool2D
from .reshape import Flatten

__all__ = [
    "ELU",
    "GELU",
    "Conv2D",
    "Dense",
    "Flatten",
    "Identity",
    "Layer",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2D",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
]
