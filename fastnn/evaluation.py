"""The loops that do not train: the loss and the metrics, and the outputs."""

from __future__ import annotations

import numpy as np

from . import metrics
from .engine import Engine
from .initializers import Array
from .metrics import Metric
from .sources import Source


def evaluate(
    engine: Engine, source: Source, measured: tuple[Metric, ...], *, quiet: bool = False
) -> dict[str, float]:
    """Return the mean loss and the metrics."""
    collect = metrics.need_predictions(measured)
    outputs, targets = [], []
    loss_sum = correct = 0.0
    samples = 0
    for part in source.parts():
        loss, right = engine.call("evaluate", part.x, part.y, part.batch_size, quiet=quiet)
        loss_sum += loss
        correct += right
        samples += len(part.order)
        if collect:
            outputs.append(engine.call("forward", part.x, part.batch_size, quiet=quiet))
            targets.append(part.y)
    found = (np.concatenate(outputs), np.concatenate(targets)) if collect else ()
    return metrics.averages(loss_sum, correct, samples, measured, *found)


def predict(engine: Engine, source: Source, *, quiet: bool = False) -> Array:
    """Return the last layer's output (N, ...)."""
    found = [engine.call("forward", part.x, part.batch_size, quiet=quiet) for part in source.parts()]
    return found[0] if len(found) == 1 else np.concatenate(found)
