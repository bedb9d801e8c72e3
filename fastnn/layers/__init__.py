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
from .base import Layer, Weight
from .combine import Concat, Residual
from .conv import Conv2D, ConvTranspose2D, DepthwiseConv2D
from .dense import Dense
from .dropout import Dropout
from .norm import BatchNorm, GroupNorm, LayerNorm
from .pool import AdaptiveAvgPool2D, AvgPool2D, GlobalAvgPool2D, MaxPool2D
from .reshape import Flatten

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2D",
    "AvgPool2D",
    "BatchNorm",
    "Concat",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "GroupNorm",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2D",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
    "Weight",
]
