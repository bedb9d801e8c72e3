"""Write the report of a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import atomic, info, summary
from ..history import History
from ..initializers import Array
from ..metrics import confusion_matrix
from ..model import Sequential
from . import document, layer_times, sections

MISTAKES = 24
FILTERS = 64
TIMED_BATCH = 128


def write(
    path: str | os.PathLike[str],
    model: Sequential,
    x_test: ArrayLike,
    y_test: ArrayLike,
    *,
    history: History | None = None,
    classes: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    title: str = "Training report",
) -> None:
    """Write one self-contained HTML page about a trained model.

    It shows curves of the losses and metrics, the confusion matrix, the worst mistakes as pictures, the filters of
    the first layer, the layers with the time of each, the configuration and versions. It needs no network, and
    is readable in light and dark and on a small screen. For a model that does not classify, confusion and mistakes
    are left out.

    Parameters
    ----------
    path : path
        The file; replaced whole or not at all.
    model : Sequential
        Compiled. It is not changed.
    x_test : (N, *input_shape)
    y_test : (N,) labels, or what the model's loss takes
    history : History, optional
        ``model.history`` by default: that of the last call of fit.
    classes : sequence of str
        Name of each class; ``model.class_names``, or the number of the label, by default.
    config : mapping, optional
        Further names and values to show.
    title : str

    Raises
    ------
    OSError
        If the file cannot be written; what was there is unchanged.
    ValueError
        If the data do not fit the model, or there are not as many names as classes.
    """
    target = Path(path)
    atomic.check_writable(target)
    shown = model.history if history is None else history
    test = model.evaluate(x_test, y_test)
    parts = [sections.tiles(_main_results(model, shown, test))]
    if shown is not None and shown.epochs:
        parts.append(sections.learning_curves(shown, test))
    images, labels = np.asarray(x_test), np.asarray(y_test)
    if len(model.output_shape) == 1 and model.output_shape[0] > 1 and labels.ndim == 1 and labels.dtype.kind in "iu":
        parts += _classification(model, images, labels, _names(classes or model.class_names, model.output_shape[0]))
    parts += _first_layer(model)
    batch = images[:TIMED_BATCH]
    rows, seconds = summary.rows(model._lowered), layer_times.measure(model, batch)
    total = sum(view.size for view in model.params.values())
    parts.append(sections.layers(rows, seconds, len(batch), total))
    versions = sections.facts("Versions and machine", info.versions())
    settings = sections.facts("Configuration", config) if config else ""
    parts.append(f'<div class="columns">{settings}{versions}</div>')
    atomic.write(target, document.page(title, parts).encode())


def _main_results(model: Sequential, history: History | None, test: Mapping[str, float]) -> dict[str, str]:
    shown = {f"test {name.replace('_', ' ')}": f"{value:.4f}" for name, value in test.items()}
    if history is not None and history.epochs:
        shown["epochs"] = str(history.epochs[-1])
        if "images_per_second" in history:
            shown["images/s"] = f"{np.median(history['images_per_second']):,.0f}"
    shown["parameters"] = f"{sum(view.size for view in model.params.values()):,}"
    return shown


def _names(classes: Sequence[str], count: int) -> list[str]:
    if classes and len(classes) != count:
        raise ValueError(f"report.write: {len(classes)} names of classes for {count} outputs")
    return [str(name) for name in classes] or [str(k) for k in range(count)]


def _classification(model: Sequential, images: Array, labels: Array, names: Sequence[str]) -> list[str]:
    """Show which classes were taken for which, and the images of which the model was surest and wrong."""
    outputs = model.predict_proba(images)
    taken = outputs.argmax(axis=1)
    parts = [sections.confusion(confusion_matrix(labels, taken, classes=len(names)), names)]
    if len(model.input_shape) == 3:
        wrong = np.flatnonzero(taken != labels)
        chances = outputs[wrong, taken[wrong]]
        worst = wrong[np.argsort(-chances, kind="stable")][:MISTAKES]
        truth, became = [names[k] for k in labels[worst]], [names[k] for k in taken[worst]]
        sure = [float(outputs[k, taken[k]]) for k in worst]
        parts.append(sections.mistakes(images[worst], truth, became, sure, len(wrong)))
    return parts


def _first_layer(model: Sequential) -> list[str]:
    """Show the first weights, if they belong to places of an image."""
    if len(model.input_shape) != 3:
        return []
    name, weights = next(((n, w) for n, w in model.params.items() if n.endswith("/w")), ("", None))
    if weights is None:
        return []
    if weights.ndim == 2 and len(weights) == int(np.prod(model.input_shape)):
        weights = weights.T.reshape(-1, *model.input_shape)
    if weights.ndim != 4:
        return []
    per_unit = 1 if weights.shape[1] == 3 else weights.shape[1]
    some = weights[: max(1, FILTERS // per_unit)]
    return [sections.filters(name, some, len(some), len(weights))]
