"""What samples and classes count in training, and targets that MixUp can mix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from . import inputs
from .initializers import Array
from .inputs import Shape
from .losses import BinaryCrossEntropyWithLogits, CategoricalCrossEntropy, FunctionLoss, Loss, SoftmaxCrossEntropy


def classes_of(loss: Loss, shape: Shape) -> int | None:
    """Return the number of classes that a loss over outputs of this shape tells apart, None for other losses."""
    if isinstance(loss, (SoftmaxCrossEntropy, CategoricalCrossEntropy)):
        return shape[0]
    return 2 if isinstance(loss, BinaryCrossEntropyWithLogits) and shape == (1,) else None


def class_weights(function: str, value: Any, loss: Loss, shape: Shape) -> Array:
    """Check {class: weight}, 1 for those left out, or (classes,); return (classes,) float64."""
    name = f"{function}: class_weight"
    classes = classes_of(loss, shape)
    if classes is None:
        raise ValueError(f"{name} needs a loss over classes, {loss.name} of outputs {shape} is none")
    if isinstance(value, Mapping):
        table = np.ones(classes)
        for label, weight in value.items():
            if options.integer(f"{name}: a class", label, 0) >= classes:
                raise ValueError(f"{name} has class {label}, the model has {classes}: from 0 to {classes - 1}")
            table[label] = options.number(f"{name}[{label}]", weight)
        return table
    array = inputs.as_numbers(function, "class_weight", value)
    if array.shape != (classes,):
        raise ValueError(f"{name} has shape {array.shape}, ({classes},) is needed, one for each class")
    return np.array([options.number(name, weight) for weight in array.tolist()], np.float64)


@dataclass(frozen=True)
class Preparation:
    """Turns targets and weights of training data into those that the interpreters train with.

    Attributes
    ----------
    loss : Loss
    shape : tuple of int
        One sample's output.
    dtype : float32 or float64
        That of the model.
    class_weight : (classes,) float64 or None
    mixes : bool
        Whether samples are mixed, which needs rows of shares instead of labels, and no weights.
    """

    loss: Loss
    shape: Shape
    dtype: np.dtype[Any]
    class_weight: Array | None = None
    mixes: bool = False

    def __call__(self, function: str, targets: Array, weights: Array | None) -> tuple[Array, Array | None]:
        """Return targets and weights (N,) of some samples."""
        if self.mixes:
            if weights is not None or self.class_weight is not None:
                kind = "class_weight" if weights is None else "sample_weight"
                raise ValueError(f"{function}: {kind} and MixUp are both given: samples that are mixed have no weight")
            return self._rows(function, targets), None
        if self.class_weight is not None:
            with np.errstate(over="ignore"):
                own = self._of_classes(targets)
                weights = own if weights is None else own * weights
            if not np.isfinite(weights).all():
                raise ValueError(
                    f"{function}: class_weight, or its product with sample_weight, is infinite as {self.dtype}"
                )
        return targets, weights

    def _of_classes(self, targets: Array) -> Array:
        """Return the weight of each sample's class; of a row of shares the largest one's."""
        assert self.class_weight is not None
        if targets.ndim == 1:
            ignored = getattr(self.loss, "ignore_index", None)
            labels = targets if ignored is None else np.where(targets == ignored, 0, targets)  # which counts nowhere
        elif self.shape == (1,):
            labels = (targets[:, 0] >= 0.5).astype(np.int64)
        else:
            labels = targets.argmax(axis=1)
        return self.class_weight.astype(self.dtype)[labels]

    def _rows(self, function: str, targets: Array) -> Array:
        """Return rows of shares of labels; numbers as they are."""
        if isinstance(self.loss, FunctionLoss) and (targets.ndim == 1 or targets.dtype.kind != "f"):
            raise ValueError(
                f"{function}: y has shape {targets.shape} and dtype {targets.dtype}, but MixUp mixes floats (N, ...)"
            )
        if targets.ndim > 1:
            return targets
        if classes_of(self.loss, self.shape) is None:
            raise ValueError(f"{function}: MixUp cannot mix the labels in y, {self.loss.name} is no loss over classes")
        ignored = getattr(self.loss, "ignore_index", None)
        if ignored is not None and (targets == ignored).any():
            raise ValueError(f"{function}: y has the label {ignored}, which is left out, but MixUp mixes all samples")
        return np.eye(self.shape[0], dtype=self.dtype)[targets]
