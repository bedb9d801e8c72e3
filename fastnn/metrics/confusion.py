"""Labels out of outputs and targets, and how often each was taken for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from ..initializers import Array
from .base import as_pair, as_weights


def confusion_matrix(
    targets: Any, predictions: Any, classes: int | None = None, *, sample_weight: Any = None
) -> Array:
    """Count how often class i (row) was taken for class j (column).

    Parameters
    ----------
    targets : (N,) integer labels, or (N, classes) one-hot or soft targets
    predictions : (N,) integer labels, or (N, classes) outputs
        Of outputs, and of soft targets, the class with the largest counts.
    classes : int, optional
        Number of classes; by default the least that holds all labels, and all columns of outputs.
    sample_weight : (N,), optional
        What each sample adds, instead of 1.

    Returns
    -------
    (classes, classes) int64, or float64 with weights

    Raises
    ------
    ValueError
        For unequal lengths, no samples, or a label below 0 or not below `classes`.
    TypeError
        For labels (N,) that are not integers.
    """
    p, t = as_pair("confusion_matrix", predictions, targets)
    columns = max([a.shape[1] for a in (p, t) if a.ndim == 2], default=1)
    truth, taken = as_labels("confusion_matrix", "targets", t), as_labels("confusion_matrix", "predictions", p)
    if classes is None:
        classes = max(columns, int(truth.max()) + 1, int(taken.max()) + 1)
    classes = options.integer("confusion_matrix: classes", classes, 1)
    for name, labels in (("targets", truth), ("predictions", taken)):
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                f"confusion_matrix: {name}[{first}] is class {labels[first]}, from 0 to {classes - 1} are needed"
            )
    weights = None if sample_weight is None else as_weights("confusion_matrix", sample_weight, len(truth))
    # int64, as it would not hold for the products of narrow labels.
    cells = truth.astype(np.int64) * classes + taken.astype(np.int64)
    return np.bincount(cells, weights, minlength=classes * classes).reshape(classes, classes)


def as_labels(function: str, name: str, array: Array) -> Array:
    """Return integer labels (N,) as they are, and of (N, classes) the class with the largest value."""
    if array.ndim == 2 and array.shape[1] >= 2:
        return np.asarray(array.argmax(axis=1))
    if array.ndim == 2:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{function}: {name} has shape {array.shape}, (N,) or (N, classes) is needed")
    if array.dtype.kind == "f":
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, integer labels are needed")
    return array
