"""What all metrics have in common, and an epoch's numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import inputs
from ..initializers import Array
from ..inputs import Shape
from ..losses import Loss


class Metric(ABC):
    """A number for the outputs and targets of many samples; a metric of one's own derives from this.

    Attributes
    ----------
    name : str
        Its key in History and in what `evaluate` returns.
    counted : bool
        The interpreter counts it together with the loss: correct predictions. It is not called then.
    """

    name: str
    counted: bool = False

    def check(self, loss: Loss, output_shape: Shape) -> Metric:
        """Raise ValueError where it has no meaning for a model; return it as it suits this loss."""
        return self

    @abstractmethod
    def __call__(self, predictions: Array, targets: Array, sample_weight: Array | None = None) -> Any:
        """Measure.

        Parameters
        ----------
        predictions : (N, ...)
            The last layer's outputs.
        targets : (N,) or (N, ...)
            As the loss takes them.
        sample_weight : (N,), optional
            How much each sample counts; 1 by default.

        Returns
        -------
        float
        """


def need_predictions(metrics: Iterable[Metric]) -> bool:
    """Tell whether a metric is called with the outputs of all samples, so that they have to be collected."""
    return any(not metric.counted for metric in metrics)


def averages(
    loss_sum: float,
    correct: float,
    samples: float,
    metrics: Iterable[Metric],
    predictions: Array | None = None,
    targets: Array | None = None,
    sample_weight: Array | None = None,
) -> dict[str, float]:
    """Return the mean loss and the metrics by name, in the order of `metrics`.

    Parameters
    ----------
    loss_sum : float
        Loss summed over the samples.
    correct : float
        Correct predictions counted, for the metrics that are `counted`.
    samples : float
        What the two are divided by.
    metrics : iterable of Metric
    predictions, targets, sample_weight : arrays, optional
        Of the same samples in the same order, for the other metrics; these are left out without predictions, as
        in the middle of an epoch.
    """
    values = {"loss": loss_sum / samples}
    for metric in metrics:
        if metric.counted:
            values[metric.name] = correct / samples
        elif predictions is not None:
            values[metric.name] = float(metric(predictions, targets, sample_weight))  # type: ignore[arg-type]
    return values


def as_pair(metric: str, predictions: Any, targets: Any) -> tuple[Array, Array]:
    """Check what a metric is called with: arrays of numbers, of as many samples, at least one."""
    p = inputs.as_numbers(metric, "predictions", predictions)
    t = inputs.as_numbers(metric, "targets", targets)
    if p.ndim == 0 or t.ndim == 0 or len(p) != len(t):
        raise ValueError(f"{metric}: predictions has shape {p.shape} and targets {t.shape}, as many samples are needed")
    inputs.not_empty(metric, "predictions", p)
    return p, t


def as_weights(metric: str, sample_weight: Any, samples: int) -> Array:
    """Check the samples' weights, (N,) numbers of at least 0 and not all 0; return them as float64."""
    if sample_weight is None:
        return np.ones(samples)
    weights = inputs.as_numbers(metric, "sample_weight", sample_weight).astype(np.float64)
    if weights.shape != (samples,):
        raise ValueError(f"{metric}: sample_weight has shape {weights.shape}, ({samples},) is needed")
    if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError(f"{metric}: sample_weight has to be finite, at least 0, and not 0 for all samples")
    return weights
