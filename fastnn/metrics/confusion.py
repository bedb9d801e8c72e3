"""Labels out of outputs and targets, and how often each was taken for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from ..initializers import Array
from .base import as_pair, as_weights


def confusion_matrix(targets: Any, predictions: Any, classes: int | None = None, *, sample_weight: Any = None) -> Array:
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
    function = "confusion_matrix"
    p, t = as_pair(function, predictions, targets)
    if classes is None:
        classes = max(_classes_in(function, "predictions", p), _classes_in(function, "targets", t))
    classes = options.integer("confusion_matrix: classes", classes, 1)
    truth = as_labels(function, "targets", t, classes)
    taken = as_labels(function, "predictions", p, classes)
    weights = None if sample_weight is None else as_weights(function, sample_weight, len(truth))
    return counts(truth, taken, classes, weights)


def counts(truth: Array, taken: Array, classes: int, weights: Array | None) -> Array:
    """Count pairs of labels (N,), already checked: (classes, classes)."""
    return np.bincount(truth * classes + taken, weights, minlength=classes * classes).reshape(classes, classes)


def as_labels(function: str, name: str, array: Array, classes: int) -> Array:
    """Return labels (N,) as int64, and of (N, classes) the class with the largest value; check their range."""
    if array.ndim == 2 and array.shape[1] >= 2:
        if array.shape[1] != classes:
            raise ValueError(f"{function}: {name} has shape {array.shape}, (N,) or (N, {classes}) is needed")
        return np.asarray(array.argmax(axis=1))
    labels = _flat(function, name, array)
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(f"{function}: {name}[{first}] is class {labels[first]}, from 0 to {classes - 1} are needed")
    return labels.astype(np.int64)


def _classes_in(function: str, name: str, array: Array) -> int:
    """Return how many classes there are at least."""
    if array.ndim == 2 and array.shape[1] >= 2:
        return int(array.shape[1])
    return max(1, int(_flat(function, name, array).max()) + 1)


def _flat(function: str, name: str, array: Array) -> Array:
    """Check integer labels (N,) or (N, 1); return them as (N,)."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{function}: {name} has shape {array.shape}, (N,) or (N, classes) is needed")
    if array.dtype.kind == "f":
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, integer labels are needed")
    return array
