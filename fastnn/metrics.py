"""What is measured besides the loss.

The interpreter counts correct predictions together with the loss, so that a metric costs no second pass.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastnn_kernels import _options as options

from .losses import Loss

NAMES = ("accuracy",)


def check(metrics: Iterable[str], loss: Loss) -> tuple[str, ...]:
    """Check the names of the metrics, and that the loss is one they have a meaning for."""
    if isinstance(metrics, str):
        raise TypeError(f"compile: metrics is {metrics!r}, a list is needed: [{metrics!r}]")
    names = tuple(options.choice("compile: metrics", name, NAMES) for name in metrics)
    if "accuracy" in names and not loss.counts_correct:
        raise ValueError(f'compile: "accuracy" needs a loss over classes, {loss.name} is none; leave it out')
    return names


def averages(loss_sum: float, correct: float, samples: int, metrics: Iterable[str]) -> dict[str, float]:
    """Return the mean loss and, if asked for, "accuracy": the share of correct predictions."""
    counted = {"accuracy": correct}
    return {"loss": loss_sum / samples} | {name: counted[name] / samples for name in metrics}
