"""Metrics by name."""

from __future__ import annotations

from collections.abc import Iterable

from fastnn_kernels import _options as options

from ..inputs import Shape
from ..losses import Loss
from .base import Metric
from .classification import F1, Accuracy, Precision, Recall, TopKAccuracy
from .regression import R2, MeanAbsoluteError, RootMeanSquaredError

_CLASSES: tuple[type[Metric], ...] = (
    Accuracy, TopKAccuracy, Precision, Recall, F1, MeanAbsoluteError, RootMeanSquaredError, R2,
)  # fmt: skip
_NAMED = {cls.name: cls for cls in _CLASSES}
# What is beside metrics in logs, and in the path of a ModelCheckpoint.
_TAKEN = ("loss", "lr", "images_per_second", "epoch")


def get(metrics: Iterable[str | Metric], loss: Loss, output_shape: Shape) -> tuple[Metric, ...]:
    """Find the metrics given by name, and check that they suit the loss and the outputs (of one sample)."""
    if isinstance(metrics, (str, Metric)):
        raise TypeError(f"compile: metrics is {metrics!r}, a list is needed: [{metrics!r}]")
    if not isinstance(metrics, Iterable):
        raise TypeError(f"compile: metrics is {metrics!r}, a list of names and metrics is needed")
    found: dict[str, Metric] = {}
    for metric in metrics:
        if isinstance(metric, type) or not isinstance(metric, (str, Metric)):
            raise TypeError(f"compile: metrics has {metric!r}, names and metrics are needed")
        if isinstance(metric, str):
            metric = _NAMED[options.choice("compile: metrics", metric, tuple(_NAMED))]()
        if not isinstance(getattr(metric, "name", None), str):
            raise TypeError(f"compile: metrics has {metric!r}, which has no name: a string is needed as its name")
        if metric.name in _TAKEN:
            raise ValueError(f"compile: a metric is called {metric.name!r}, as what fit tells itself: give it a name=")
        if metric.name in found:
            raise ValueError(f"compile: two metrics are called {metric.name!r}: give one a name=")
        found[metric.name] = metric.check(loss, output_shape)
    return tuple(found.values())
