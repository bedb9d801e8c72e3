"""The loops that do not train: the loss and the metrics, and the outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastnn_kernels.batches import batch_weights

from . import metrics
from .engine import Engine
from .initializers import Array
from .losses import Loss
from .metrics import Metric
from .sources import Part, Source


def evaluate(
    engine: Engine, source: Source, loss: Loss, measured: tuple[Metric, ...], *, quiet: bool = False
) -> dict[str, float]:
    """Return the mean loss and the metrics."""
    collect = metrics.need_predictions(measured)
    outputs: list[Array] = []
    targets: list[Array] = []
    loss_sum = weight_sum = correct = 0.0
    samples = 0
    for part in _parts(source, loss):
        room = np.empty((len(part.order), *engine.output_shape), engine.dtype) if collect else None
        summed, right = engine.call(
            "evaluate", part.x, part.y, part.batch_size, quiet=quiet, sample_weight=part.weights, predictions=room
        )
        weights = float(part.weight_sums(loss).sum())
        if loss.weighs:  # the sum is the batch's mean times the weights of its samples
            of_samples = float(batch_weights(part.order, part.batch_size, part.weights).sum())
            summed *= weights / of_samples if of_samples else 0.0
        loss_sum += summed
        weight_sum += weights
        correct += right
        samples += len(part.order)
        if room is not None:
            outputs.append(room)
            targets.append(part.targets)
    collected = (np.concatenate(outputs), np.concatenate(targets)) if collect else ()
    return averages(measured, loss_sum, weight_sum, correct, samples, *collected)


def _parts(source: Source, loss: Loss) -> Iterator[Part]:
    """Give all samples, batch by batch where the means of batches do not count by their samples' weights alone."""
    for part in source.parts():
        yield from part.batches() if loss.weighs else (part,)


def averages(
    measured: tuple[Metric, ...],
    loss_sum: float,
    weight_sum: float,
    correct: float,
    samples: int,
    outputs: Array | None = None,
    targets: Array | None = None,
) -> dict[str, float]:
    """Return the mean loss, in which samples count by their weights, and metrics, in which all count the same."""
    values = metrics.averages(loss_sum, correct, samples, measured, outputs, targets)
    if weight_sum != samples:
        values["loss"] = loss_sum / weight_sum if weight_sum else 0.0
    return values


def predict(engine: Engine, source: Source, *, quiet: bool = False) -> Array:
    """Return the last layer's output (N, ...)."""
    found = [engine.call("forward", part.x, part.batch_size, quiet=quiet) for part in source.parts()]
    return found[0] if len(found) == 1 else np.concatenate(found)
