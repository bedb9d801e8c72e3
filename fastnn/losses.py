"""Losses, by name or as objects with options: the op on the tape, and what outputs and targets it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn_kernels import _loss_checks as check
from fastnn_kernels import _options as options
from fastnn_kernels import reference

from . import targets
from .initializers import Array
from .inputs import Shape

__all__ = [
    "BinaryCrossEntropyWithLogits",
    "CategoricalCrossEntropy",
    "FunctionLoss",
    "Huber",
    "Loss",
    "MeanSquaredError",
    "SoftmaxCrossEntropy",
    "SumSquaredError",
    "get",
]


@dataclass(frozen=True)
class Loss(ABC):
    """A loss over a model's output.

    Attributes
    ----------
    name : str
        The name that `compile` takes, which is also that of the op on the tape.
    gives_probabilities : bool
        The outputs stand for probabilities, which `probabilities` returns.
    """

    name: ClassVar[str]
    gives_probabilities: ClassVar[bool] = False

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        return {}

    @abstractmethod
    def check_output(self, shape: Shape, op: str) -> None:
        """Raise ValueError where the model's output, one sample's shape and the last op, does not suit."""

    @abstractmethod
    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Check the targets for outputs of `shape`; return them as the interpreter takes them."""

    def probabilities(self, outputs: Array) -> Array:
        """Return the probabilities that outputs (N, ...) stand for; the outputs where this loss does not say."""
        return outputs

    @property
    def weighs(self) -> bool:
        """Whether samples count differently in the mean of a batch, as `counts` says."""
        return False

    def counts(self, targets: Array) -> Array:
        """Return what each sample counts in the mean of a batch, (N,) float64."""
        return np.ones(len(targets))


def _check_classes(name: str, shape: Shape) -> None:
    """Need one output a class."""
    if len(shape) != 1:
        raise ValueError(f"compile: {name} needs outputs (classes,), the last layer gives {shape}")
    if shape == (1,):
        raise ValueError(
            f"compile: {name} over one class is always 0: for two classes the model needs 2 outputs, or one and the "
            "loss binary_cross_entropy_with_logits"
        )


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """-log softmax(logits)[label], or -sum(target * log softmax(logits)) for soft targets.

    The mean over the samples; with class weights divided by the sum of the weights used, as in PyTorch. Outputs are
    logits (classes,); targets int labels (N,) or soft targets (N, classes).

    Parameters
    ----------
    label_smoothing : float
        This share of each target, from 0 to 1, is spread over all classes.
    ignore_index : int, optional
        Samples with this label are left out. By default every label must be a class.
    class_weight : sequence of float, optional
        Weight of each class, none below 0.
    """

    name = "softmax_cross_entropy"
    gives_probabilities = True

    _: KW_ONLY
    label_smoothing: float = 0.0
    ignore_index: int | None = None
    class_weight: Sequence[float] | None = None

    def __post_init__(self) -> None:
        function = "SoftmaxCrossEntropy"
        set_field = object.__setattr__
        set_field(self, "label_smoothing", check.smoothing(function, self.label_smoothing))
        if self.ignore_index is not None:
            set_field(self, "ignore_index", check.ignored_label(function, self.ignore_index))
        if self.class_weight is not None:
            if not np.iterable(self.class_weight):
                raise TypeError(f"{function}: class_weight is {self.class_weight!r}, one number a class is needed")
            weights = (options.number(f"{function}: class_weight", weight) for weight in self.class_weight)
            set_field(self, "class_weight", tuple(map(float, weights)))

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        return {
            "label_smoothing": self.label_smoothing,
            "ignore_index": self.ignore_index,
            "class_weight": self.class_weight,
        }

    def check_output(self, shape: Shape, op: str) -> None:
        """Need one logit a class."""
        if op in ("softmax", "log_softmax"):
            raise ValueError(f"compile: {self.name} takes logits: leave out the {op} at the end of the model")
        _check_classes(self.name, shape)
        if self.class_weight is not None and len(self.class_weight) != shape[0]:
            raise ValueError(
                f"compile: {self.name} has {len(self.class_weight)} class weights, the model has {shape[0]} classes"
            )

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take int labels (N,) from 0 to classes - 1, or soft targets (N, classes)."""
        return targets.classes(function, name, y, shape, dtype, self.ignore_index)

    @property
    def weighs(self) -> bool:
        """Whether classes have weights, or samples are left out."""
        return self.class_weight is not None or self.ignore_index is not None

    def counts(self, targets: Array) -> Array:
        """Return the weights of the labels' classes, 0 for labels that are left out; soft targets count 1."""
        if targets.ndim > 1:
            return super().counts(targets)
        used = np.ones(len(targets), bool) if self.ignore_index is None else targets != self.ignore_index
        if self.class_weight is None:
            return used.astype(np.float64)
        return np.where(used, np.array(self.class_weight)[np.where(used, targets, 0)], 0.0)

    def probabilities(self, outputs: Array) -> Array:
        """Return softmax(outputs)."""
        return np.asarray(reference.softmax(outputs))


@dataclass(frozen=True)
class CategoricalCrossEntropy(Loss):
    """-sum(target * log(output)) of probabilities, as the textbook has it; mean over samples.

    The model ends with a softmax over its classes. Targets are int labels (N,), or probabilities (N, classes) whose
    rows have the sum 1. "softmax_cross_entropy", of logits, is more exact and faster.
    """

    name = "categorical_cross_entropy"
    gives_probabilities = True

    def check_output(self, shape: Shape, op: str) -> None:
        """Need a softmax over the classes."""
        if op != "softmax":
            raise ValueError(
                f"compile: {self.name} takes probabilities, the last layer is {op}: end the model with Softmax, or "
                "take the loss softmax_cross_entropy, of logits"
            )
        _check_classes(self.name, shape)

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take int labels (N,) from 0 to classes - 1, or probabilities (N, classes)."""
        return targets.probabilities(function, name, y, shape, dtype)


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(Loss):
    """-t * log sigmoid(z) - (1 - t) * log(1 - sigmoid(z)) of each output z; mean over all outputs.

    For two classes one output, the logit of class 1; for several questions at once one output each. Targets have the
    outputs' shape, for one output also (N,), and are from 0 to 1.
    """

    name = "binary_cross_entropy_with_logits"
    gives_probabilities = True

    def check_output(self, shape: Shape, op: str) -> None:
        """Need logits."""
        if op in ("sigmoid", "softmax", "log_softmax"):
            raise ValueError(f"compile: {self.name} takes logits: leave out the {op} at the end of the model")

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take numbers from 0 to 1 (N, *shape), for one output (N,) too."""
        return targets.switches(function, name, y, shape, dtype, self.name)

    def probabilities(self, outputs: Array) -> Array:
        """Return sigmoid(outputs)."""
        return np.asarray(reference.sigmoid(outputs))


class _Regression(Loss):
    """A loss between numbers."""

    def check_output(self, shape: Shape, op: str) -> None:
        """Take any output."""

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take targets of the output's shape (N, ...), for one output (N,) too."""
        return targets.numbers(function, name, y, shape, dtype, self.name)


@dataclass(frozen=True)
class SumSquaredError(_Regression):
    """0.5 * sum((output - target)^2) of each sample, the textbook's; mean over samples."""

    name = "sum_squared_error"


@dataclass(frozen=True)
class MeanSquaredError(_Regression):
    """(output - target)^2; mean over all outputs of all samples."""

    name = "mean_squared_error"


@dataclass(frozen=True)
class Huber(_Regression):
    """0.5 * d^2 where d = |output - target| <= delta, else delta * (d - delta / 2); mean over all outputs.

    Parameters
    ----------
    delta : float
        Where it turns from a parabola to a line, above 0.
    """

    name = "huber"

    delta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", check.delta("Huber", self.delta))

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        return {"delta": self.delta}


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss of one's own: ``function(prediction, target) -> (loss, gradient)``.

    The function is called once a step, with plain arrays of the whole batch that it may change: predictions
    (N, *output_shape) in the model's dtype, and targets as given to `fit`, integers as int64, other numbers in the
    model's dtype. It returns one number, the loss of the batch (its own mean), and the gradient of that number, floats
    in the shape of the predictions. An exception in it stops the step before its update, and is raised.

    `compile` takes the function itself as well. There are no weights of samples or classes with it.

    Parameters
    ----------
    function : callable
        Compiled by ``numba.njit``, or plain Python that Numba can compile. The backend "reference" runs it in plain
        Python.
    """

    name = "function_loss"

    function: Callable[[Array, Array], tuple[Any, Array]]

    def __post_init__(self) -> None:
        from fastnn_kernels import own_function  # here, as it takes Numba

        object.__setattr__(self, "function", own_function.dispatcher("compile: loss", self.function))

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        return {"function": self.function}

    def check_output(self, shape: Shape, op: str) -> None:
        """Take any output."""

    def targets(self, function: str, y: Any, shape: Shape, dtype: np.dtype[Any], name: str = "y") -> Array:
        """Take any numbers (N, ...); raise TypeError where the function does not compile for them."""
        return targets.for_function(function, name, y, shape, dtype, self.function)


_NAMED: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        SoftmaxCrossEntropy,
        SumSquaredError,
        MeanSquaredError,
        Huber,
        CategoricalCrossEntropy,
        BinaryCrossEntropyWithLogits,
    )
}


def get(loss: str | Loss | Callable[..., Any]) -> Loss:
    """Take a loss, make one of a function, or one with its default numbers by name."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type):
        raise TypeError(f"compile: loss is the class {loss.__name__}, an object of it is needed: {loss.__name__}()")
    if callable(loss):
        return FunctionLoss(loss)
    return _NAMED[options.choice("compile: loss", loss, tuple(_NAMED))]()
