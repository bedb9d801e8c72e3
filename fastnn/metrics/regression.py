"""Metrics of outputs that are compared with targets of the same shape; sums are taken in float64."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from ..initializers import Array
from ..inputs import Shape
from ..losses import Loss
from .base import Metric, as_pair, as_weights


@dataclass(frozen=True)
class Regression(Metric):
    """What the metrics of this file share."""

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Refuse losses whose outputs are logits."""
        if loss.name.endswith("cross_entropy") or loss.name.endswith("with_logits"):
            raise ValueError(
                f"compile: {self.name!r} compares outputs with targets, those of {loss.name} are classes; leave it out"
            )
        return self

    def _errors(self, predictions: Any, targets: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
        """Return targets and errors as float64 (N, outputs), and the weights (N,), whose mean is 1."""
        p, t = as_pair(self.name, predictions, targets)
        if p.shape != t.shape and (p.shape[1:], t.shape[1:]) not in (((1,), ()), ((), (1,))):
            raise ValueError(f"{self.name}: predictions has shape {p.shape} and targets {t.shape}, the same are needed")
        weights = as_weights(self.name, sample_weight, len(p))
        t = t.reshape(len(t), -1).astype(np.float64)
        return t, t - p.reshape(t.shape), weights / weights.mean()


@dataclass(frozen=True)
class MeanAbsoluteError(Regression):
    """Mean of abs(prediction - target) over all samples and outputs.

    Parameters
    ----------
    name : str
    """

    _: KW_ONLY
    name: str = "mae"

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> float:
        """Return it, in the targets' unit."""
        _, errors, weights = self._errors(predictions, targets, sample_weight)
        return float(weights @ np.abs(errors).mean(axis=1) / len(errors))


@dataclass(frozen=True)
class RootMeanSquaredError(Regression):
    """Root of the mean of (prediction - target)^2 over all samples and outputs, as Keras has it.

    Parameters
    ----------
    name : str
    """

    _: KW_ONLY
    name: str = "rmse"

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> float:
        """Return it, in the targets' unit."""
        _, errors, weights = self._errors(predictions, targets, sample_weight)
        return float(np.sqrt(weights @ (errors**2).mean(axis=1) / len(errors)))


@dataclass(frozen=True)
class R2(Regression):
    """Coefficient of determination: 1 - sum (target - prediction)^2 / sum (target - mean target)^2.

    Taken for each output, then averaged over the outputs, all alike. An output whose targets are all the same
    gives 1 where it is met exactly and 0 elsewhere; a single sample gives NaN. All as in scikit-learn.

    Parameters
    ----------
    name : str
    """

    _: KW_ONLY
    name: str = "r2"

    def __call__(self, predictions: Any, targets: Any, sample_weight: Any = None) -> float:
        """Return it: 1 at best, 0 for what the mean of the targets reaches."""
        t, errors, weights = self._errors(predictions, targets, sample_weight)
        if len(t) < 2:
            return float("nan")
        # Less the first row: the mean of equal numbers is then that number, and their deviations are exactly 0.
        t = t - t[0]
        residual = weights @ errors**2
        total = weights @ (t - weights @ t / len(t)) ** 2
        constant = total == 0
        share = residual / np.where(constant, 1.0, total)
        return float(1.0 - np.where(constant & (residual > 0), 1.0, share).mean())
