"""Checks of what losses take, for kernels and twins alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks as check
from . import _options as options
from ._checks import Array

REDUCTIONS = ("mean", "sum", "none")
# How far the sum of a row of probabilities may be from 1; a single probability may be as far above 1.
SLACK = 1e-3


def reduction(function: str, value: Any) -> str:
    """Check the option `reduction`."""
    return options.choice(f"{function}: reduction", value, REDUCTIONS)


def prediction_and_target(function: str, prediction: Any, target: Any) -> tuple[Array, Array]:
    """Check two float arrays (N, ...) of one dtype and one shape; return them C-contiguous."""
    x, t = check.float_array(function, "prediction", prediction), check.float_array(function, "target", target)
    check.batch(function, "prediction", x.shape, 1)
    check.same_dtype(function, prediction=x, target=t)
    check.same_shape(function, prediction=x.shape, target=t.shape)
    return x, t


def shares(function: str, name: str, values: Array, slack: float = 0.0) -> None:
    """Check that all values are from 0 to 1, up to `slack` above; NaN goes on to the loss."""
    wrong = (values < 0) | (values > 1 + slack)
    if wrong.any():
        where = tuple(map(int, np.argwhere(wrong)[0]))
        raise ValueError(
            f"{function}: {name}[{', '.join(map(str, where))}] is {values[where]}, needed are values from 0 to 1"
        )


def no_labels(function: str, prediction: Array, target: Any) -> None:
    """Say what to do with labels where shares of the classes are needed."""
    if isinstance(target, np.ndarray) and target.ndim == 1:
        n, classes = prediction.shape
        raise ValueError(
            f"{function}: target has shape {target.shape}, ({n}, {classes}) is needed: for labels "
            f"np.eye({classes}, dtype=prediction.dtype)[target]"
        )


def probabilities(function: str, name: str, rows: Array) -> None:
    """Check (N, C) probabilities: from 0 to 1, each row with the sum 1; a row with a NaN goes on to the loss."""
    shares(function, name, rows, SLACK)
    sums = rows.sum(axis=1, dtype=np.float64)
    wrong = abs(sums - 1) > SLACK
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{function}: {name}[{row}] has the sum {sums[row]:.6g}, needed are probabilities whose sum is 1, up to "
            f"{SLACK}; for logits there is softmax_cross_entropy"
        )


def delta(function: str, value: Any) -> float:
    """Check a bound above 0."""
    bound = options.number(f"{function}: delta", value)
    if bound == 0:
        raise ValueError(f"{function}: delta is 0, needed: 0 < delta")
    return float(bound)


def smoothing(function: str, value: Any) -> float:
    """Check a share from 0 to 1."""
    return options.fraction(f"{function}: label_smoothing", value)


def class_weights(function: str, class_weight: Any, prediction: Array) -> Array:
    """Check one finite weight a class, none below 0, of the prediction's dtype."""
    weights = check.float_array(function, "class_weight", class_weight, 1)
    check.same_dtype(function, prediction=prediction, class_weight=weights)
    if weights.shape != prediction.shape[1:]:
        raise ValueError(
            f"{function}: class_weight has shape {weights.shape}, one weight for each class is needed: "
            f"{prediction.shape[1:]}"
        )
    wrong = ~((weights >= 0) & (weights < np.inf))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"{function}: class_weight[{first}] is {weights[first]}, needed are finite weights, none below 0"
        )
    return weights


def ignored_label(function: str, value: Any) -> int:
    """Check the label to be left out: any whole number of 64 bits."""
    label = options.integer(f"{function}: ignore_index", value, -(2**63))
    if label >= 2**63:
        raise ValueError(f"{function}: ignore_index is {label}, needed is an integer of 64 bits")
    return label


def labels(function: str, target: Any, n: int, classes: int, ignore_index: int) -> NDArray[np.int64]:
    """Check `n` labels, each in 0..classes-1 or `ignore_index`; return them as contiguous int64."""
    known = target
    if isinstance(target, np.ndarray) and target.dtype.kind in "iu":
        known = np.where(target == ignore_index, target.dtype.type(0), target)
    check.labels(function, known, n, classes)
    return np.ascontiguousarray(target, np.int64)


def soft_targets(function: str, target: Any, prediction: Array, ignore_index: int) -> Array:
    """Check (N, C) shares of the classes, where no label could be left out; return them C-contiguous."""
    n = len(prediction)
    if isinstance(target, np.ndarray) and target.dtype.kind in "iu" and target.shape == (n, 1):
        raise ValueError(
            f"{function}: target has shape {target.shape}, labels have the shape ({n},): target.reshape(-1)"
        )
    soft = check.float_array(function, "target", target)
    check.same_dtype(function, prediction=prediction, target=soft)
    check.same_shape(function, prediction=prediction.shape, target=soft.shape)
    if ignore_index >= 0:
        raise ValueError(
            f"{function}: ignore_index is {ignore_index} with soft targets, which have no label to leave out; "
            f"leave it at -100"
        )
    return soft
