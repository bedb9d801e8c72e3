"""Metrics of classes: one output a class, a single output for two classes, or several yes-or-no outputs.

Which of these it is follows from the outputs: with one output a class (N, classes), the largest counts. With a
single one, (N,) or (N, 1), and wherever a threshold is set, each output above the threshold says yes. compile()
sets the threshold that suits binary_cross_entropy_with_logits: 0, as a logit above 0 is a probability above 0.5.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from ..initializers import Array
from ..inputs import Shape
from ..losses import Loss
from .base import Metric, as_pair, as_weights
from .confusion import as_labels, counts

_REGRESSION = ("sum_squared_error", "mean_squared_error", "huber")
# Losses with one output a class, whose correct predictions the interpreter counts.
_CLASSES = ("softmax_cross_entropy", "categorical_cross_entropy")
_LOGITS = "binary_cross_entropy_with_logits"
AVERAGES = ("macro", "micro", "weighted", "binary")


@dataclass(frozen=True)
class _OfClasses(Metric):
    """What all metrics of this file share."""

    _: KW_ONLY
    ignore_index: int | None = None
    name: str = ""

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Refuse losses and outputs without classes; leave out the samples that the loss leaves out."""
        if loss.name in _REGRESSION:
            raise ValueError(f'compile: "{self.name}" needs a loss over classes, {loss.name} is none; leave it out')
        if len(output_shape) != 1:
            raise ValueError(f'compile: "{self.name}" needs outputs (classes,), the last layer gives {output_shape}')
        ignored = getattr(loss, "ignore_index", None)
        return self if ignored is None else replace(self, ignore_index=ignored)

    def _arrays(self, predictions: Any, targets: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
        """Check what it is called with; return the samples that count, and their weights."""
        p, t = as_pair(self.name, predictions, targets)
        weights = as_weights(self.name, sample_weight, len(p))
        if self.ignore_index is not None and t.ndim == 1:
            counts = t != self.ignore_index
            return p[counts], t[counts], weights[counts]
        return p, t, weights


@dataclass(frozen=True)
class _YesOrNo(_OfClasses):
    """What the metrics share that also take yes-or-no outputs."""

    _: KW_ONLY
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None:
            threshold = options.number(f"{type(self).__name__}: threshold", self.threshold, -np.inf)
            object.__setattr__(self, "threshold", float(threshold))

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Set the threshold of a loss of logits."""
        checked = super().check(loss, output_shape)
        if loss.name in _CLASSES and self.threshold is not None:
            raise ValueError(
                f'compile: "{self.name}" has the threshold {self.threshold}, of yes-or-no outputs; {loss.name} has '
                "one a class: leave it out"
            )
        if loss.name == _LOGITS and self.threshold is None:
            return replace(self, threshold=0.0)
        return checked

    def _each_output(self, predictions: Array) -> bool:
        """Tell yes-or-no outputs from one output a class."""
        return self.threshold is not None or predictions.ndim == 1 or predictions.shape[1:] == (1,)

    def _yes(self, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """Return what is predicted and what is true, (N, outputs) bool."""
        if predictions.size != targets.size or predictions.ndim > 2:
            raise ValueError(
                f"{self.name}: predictions has shape {predictions.shape} and targets {targets.shape}, "
                "(N, outputs) for both is needed"
            )
        p = predictions.reshape(len(predictions), -1)
        threshold = 0.5 if self.threshold is None else self.threshold
        return p > threshold, targets.reshape(p.shape) > 0.5


@dataclass(frozen=True)
class Accuracy(_YesOrNo):
    """Share of the samples, or of the yes-or-no outputs, that are predicted correctly.

    Parameters
    ----------
    threshold : float, optional
        Outputs above it say yes; see the head of this file. 0.5 by default, 0 for logits.
    ignore_index : int, optional
        Samples with this label are left out; by default those that the loss leaves out.
    name : str
    """

    name: str = "accuracy"

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Leave the counting to the interpreter where the loss is over classes."""
        checked = super().check(loss, output_shape)
        if loss.name in _CLASSES and checked == self and self.threshold is None and self.ignore_index is None:
            checked = replace(self)
            object.__setattr__(checked, "counted", True)  # no field: no part of what the user wrote
        return checked

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> float:
        """Return the share, 0 to 1; NaN if all samples are left out."""
        p, t, weights = self._arrays(predictions, targets, sample_weight)
        if self._each_output(p):
            yes, true = self._yes(p, t)
            right = (yes == true).mean(axis=1)
        else:
            right = p.argmax(axis=1) == as_labels(self.name, "targets", t, p.shape[1])
        return _share(right, weights)


@dataclass(frozen=True)
class TopKAccuracy(_OfClasses):
    """Share of the samples whose class is among the k largest outputs; of equal outputs the first come first.

    Parameters
    ----------
    k : int
        At most the number of classes.
    ignore_index : int, optional
        Samples with this label are left out; by default those that the loss leaves out.
    name : str
    """

    k: int = 5
    _: KW_ONLY
    name: str = "top_k"

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", options.integer("TopKAccuracy: k", self.k, 1))

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Refuse losses that are not over classes, and fewer than k classes."""
        if loss.name == _LOGITS or output_shape[0] < self.k:
            raise ValueError(
                f'compile: "{self.name}" needs a loss over at least {self.k} classes, '
                f"{loss.name} has outputs {output_shape}"
            )
        return super().check(loss, output_shape)

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> float:
        """Return the share, 0 to 1; NaN if all samples are left out."""
        p, t, weights = self._arrays(predictions, targets, sample_weight)
        if p.ndim != 2 or p.shape[1] < self.k:
            raise ValueError(f"{self.name}: predictions has shape {p.shape}, (N, {self.k} or more) is needed")
        labels = as_labels(self.name, "targets", t, p.shape[1])[:, None]
        own = np.take_along_axis(p, labels, axis=1)
        # "not <=" rather than ">", so that NaN comes first and a sample with an output of NaN is wrong.
        before = ~(p <= own) | ((p == own) & (np.arange(p.shape[1]) < labels))
        return _share(before.sum(axis=1) < self.k, weights)


@dataclass(frozen=True)
class _Rate(_YesOrNo):
    """What precision, recall and F1 share: a value of each class, out of three sums over the samples, averaged."""

    _: KW_ONLY
    average: str | None = "macro"
    zero_division: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = type(self).__name__
        if self.average is not None:
            options.choice(f"{kind}: average", self.average, AVERAGES)
        zero_division = options.fraction(f"{kind}: zero_division", self.zero_division)
        object.__setattr__(self, "zero_division", zero_division)

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Need one number, and two classes for "binary"."""
        if self.average is None:
            raise ValueError(f'compile: "{self.name}" has average None and gives an array, a number is needed')
        if self.average == "binary" and output_shape not in ((1,), (2,)):
            raise ValueError(
                f'compile: "{self.name}" has average "binary", needed are outputs (1,) or (2,), '
                f"the last layer gives {output_shape}"
            )
        return super().check(loss, output_shape)

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> Any:
        """Return it, 0 to 1, NaN for "macro" of no samples that count; with average None one a class, (classes,)."""
        p, t, weights = self._arrays(predictions, targets, sample_weight)
        hits, taken, true = self._sums(p, t, weights)
        if self.average == "binary" and len(hits) > 1:
            if len(hits) != 2:
                raise ValueError(f'{self.name}: average is "binary" with {len(hits)} classes, 2 are needed')
            hits, taken, true = hits[1:], taken[1:], true[1:]
        if self.average == "micro":
            hits, taken, true = hits.sum(keepdims=True), taken.sum(keepdims=True), true.sum(keepdims=True)
        above, below = self._fraction(hits, taken, true)
        values = np.where(below > 0, above / np.where(below > 0, below, 1.0), self.zero_division)
        if self.average is None:
            return values
        if self.average == "weighted" and true.sum() > 0:
            return float(values @ true / true.sum())
        if not self._each_output(p):  # classes that nobody has seen have no part in the mean
            values = values[taken + true > 0]
        return float(values.mean()) if values.size else float("nan")

    def _fraction(self, hits: Array, taken: Array, true: Array) -> tuple[Array, Array]:
        """Return above and below the line, of samples found, taken for the class, and of the class."""
        raise NotImplementedError

    def _sums(self, p: Array, t: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Return the samples of each class that are found, that are taken for it, and that are of it."""
        if self._each_output(p):
            yes, true = self._yes(p, t)
            return weights @ (yes & true), weights @ yes, weights @ true
        taken = p.argmax(axis=1)
        matrix = counts(as_labels(self.name, "targets", t, p.shape[1]), taken, p.shape[1], weights)
        return matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)


@dataclass(frozen=True)
class Precision(_Rate):
    """Share of the samples taken for a class that are of that class.

    Parameters
    ----------
    average : "macro", "micro", "weighted", "binary" or None
        For several classes: "macro" the mean of the classes' values; "micro" the value of the sums over all
        classes; "weighted" the mean by each class's samples; "binary" the value of class 1 of two; None an array
        of one value a class, which compile() does not take. A single output has one value, that of the samples
        that say yes. As in scikit-learn, where the default is "binary".
    zero_division : float
        What a value is that would be 0 / 0.
    threshold : float, optional
        Outputs above it say yes; see the head of this file. 0.5 by default, 0 for logits.
    ignore_index : int, optional
        Samples with this label are left out; by default those that the loss leaves out.
    name : str
    """

    name: str = "precision"

    def _fraction(self, hits: Array, taken: Array, true: Array) -> tuple[Array, Array]:
        return hits, taken


@dataclass(frozen=True)
class Recall(_Rate):
    """Share of the samples of a class that are taken for it; the parameters are those of Precision."""

    name: str = "recall"

    def _fraction(self, hits: Array, taken: Array, true: Array) -> tuple[Array, Array]:
        return hits, true


@dataclass(frozen=True)
class F1(_Rate):
    """Harmonic mean of precision and recall, 2 found / (taken + true); the parameters are those of Precision."""

    name: str = "f1"

    def _fraction(self, hits: Array, taken: Array, true: Array) -> tuple[Array, Array]:
        return 2 * hits, taken + true


def _share(right: Array, weights: Array) -> float:
    """Return the weighted mean; NaN where no sample counts."""
    total = weights.sum()
    return float(weights @ right / total) if total else float("nan")
