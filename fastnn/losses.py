"""Losses by name: the op on the tape, and what targets it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from fastnn_kernels import _options as options

from . import inputs
from .initializers import Array
from .inputs import Shape

__all__ = ["Loss", "get"]


class Loss(ABC):
    """A loss over a model's output; `name` is also the op's name.

    Attributes
    ----------
    takes_logits : bool
        The softmax over the classes is part of the loss.
    """

    name: ClassVar[str]
    takes_logits: ClassVar[bool] = False

    @abstractmethod
    def check_output(self, shape: Shape, op: str) -> None:
        """Raise ValueError where the model's output, one sample's shape and the last op, does not suit."""

    @abstractmethod
    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Check the targets for outputs of `shape`; return them as the interpreter takes them."""


class SoftmaxCrossEntropy(Loss):
    """-log softmax(logits)[label], or -sum(target * log softmax(logits)) for soft targets; the mean."""

    name = "softmax_cross_entropy"
    takes_logits = True

    def check_output(self, shape: Shape, op: str) -> None:
        """Need one logit a class."""
        if op == "softmax":
            raise ValueError(
                f"compile: {self.name} takes logits: leave out the softmax at the end of the model"
            )
        if len(shape) != 1:
            raise ValueError(f"compile: {self.name} needs outputs (classes,), the last layer gives {shape}")

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take int labels (N,) from 0 to classes - 1, or soft targets (N, classes)."""
        array = inputs.as_numbers(function, name, y)
        classes = shape[0]
        inputs.not_empty(function, name, array)
        if array.ndim == 2 and array.shape[1] == classes:
            return np.require(array, dtype, ["C", "A"])
        if array.ndim != 1:
            hint = f": {name}[:, 0]" if array.ndim == 2 and array.shape[1] == 1 else ""
            raise ValueError(
                f"{function}: {name} has shape {array.shape}, labels (N,) or soft targets (N, {classes}) "
                f"are needed{hint}"
            )
        if array.dtype.kind == "f":
            raise TypeError(
                f"{function}: {name} has dtype {array.dtype}, integer labels are needed: {name}.astype(int)"
            )
        wrong = (array < 0) | (array >= classes)
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                f"{function}: {name}[{first}] is {array[first]}, the model has {classes} classes: "
                f"labels from 0 to {classes - 1} are needed"
            )
        return np.require(array, np.int64, ["C", "A"])


class SumSquaredError(Loss):
    """0.5 * sum((output - target)^2) of each sample; mean over samples."""

    name = "sum_squared_error"

    def check_output(self, shape: Shape, op: str) -> None:
        """Take any output."""

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take targets of the output's shape (N, ...)."""
        array = inputs.as_numbers(function, name, y)
        if array.ndim == 1 and shape == (1,) and len(array):
            raise ValueError(f"{function}: {name} has shape {array.shape}, (N, 1) is needed: {name}[:, None]")
        if array.ndim == 1 and array.dtype.kind in "iu" and len(shape) == 1 and len(array):
            raise ValueError(
                f"{function}: {name} has shape {array.shape} and dtype {array.dtype}, {self.name} needs "
                f"targets (N, {shape[0]}): for labels np.eye({shape[0]})[{name}]"
            )
        return inputs.as_samples(function, name, array, shape, dtype)


_NAMED: dict[str, Loss] = {loss.name: loss for loss in (SoftmaxCrossEntropy(), SumSquaredError())}


def get(loss: str) -> Loss:
    """Find a loss by name."""
    return _NAMED[options.choice("compile: loss", loss, tuple(_NAMED))]
