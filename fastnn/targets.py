"""Checks of what a model is to learn: labels, shares of the classes, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn_kernels import _loss_checks as check

from . import inputs
from .initializers import Array
from .inputs import Shape


def labels(function: str, name: str, array: Array, classes: int, ignored: int | None = None) -> Array:
    """Check labels (N,) from 0 to classes - 1, or `ignored`; return them as int64."""
    if array.dtype.kind == "f":
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, integer labels are needed: {name}.astype(int)")
    wrong = (array < 0) | (array >= classes)
    if ignored is not None:
        wrong &= array != ignored
    if wrong.any():
        first = int(wrong.argmax())
        also = "" if ignored is None else f", or {ignored} for samples to be left out,"
        raise ValueError(
            f"{function}: {name}[{first}] is {array[first]}, the model has {classes} classes: "
            f"labels from 0 to {classes - 1}{also} are needed"
        )
    return np.require(array, np.int64, ["C", "A"])


def classes(function: str, name: str, y: Any, shape: Shape, dtype: np.dtype[Any], ignored: int | None = None) -> Array:
    """Check labels (N,), returned as int64, or soft targets (N, classes), returned in `dtype`."""
    array = inputs.as_numbers(function, name, y)
    inputs.not_empty(function, name, array)
    if array.ndim == 2 and array.shape[1] == shape[0]:
        return np.require(array, dtype, ["C", "A"])
    if array.ndim != 1:
        hint = f": {name}[:, 0]" if array.ndim == 2 and array.shape[1] == 1 else ""
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, labels (N,) or soft targets (N, {shape[0]}) are needed{hint}"
        )
    return labels(function, name, array, shape[0], ignored)


def probabilities(function: str, name: str, y: Any, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Check labels (N,) or rows (N, classes) from 0 to 1 with the sum 1; return rows, of labels one-hot."""
    array = classes(function, name, y, shape, dtype)
    if array.ndim == 1:
        return np.eye(shape[0], dtype=dtype)[array]
    check.probabilities(function, name, array)
    return array


def numbers(function: str, name: str, y: Any, shape: Shape, dtype: np.dtype[Any], loss: str) -> Array:
    """Check numbers (N, *shape), for a single output (N,) too; return them as (N, *shape)."""
    array = inputs.as_numbers(function, name, y)
    if array.ndim == 1 and shape == (1,):
        array = array[:, None]
    if array.ndim == 1 and array.dtype.kind in "iu" and len(shape) == 1 and len(array):
        raise ValueError(
            f"{function}: {name} has shape {array.shape} and dtype {array.dtype}, {loss} needs "
            f"targets (N, {shape[0]}): for labels np.eye({shape[0]})[{name}]"
        )
    return inputs.as_samples(function, name, array, shape, dtype)


def switches(function: str, name: str, y: Any, shape: Shape, dtype: np.dtype[Any], loss: str) -> Array:
    """Check numbers from 0 to 1 (N, *shape), for a single output (N,) too; return them as (N, *shape)."""
    array = numbers(function, name, y, shape, dtype, loss)
    if np.isnan(array).any():
        raise ValueError(f"{function}: {name} has a NaN, needed are values from 0 to 1")
    check.shares(function, name, array)
    return array


def for_function(function: str, name: str, y: Any, shape: Shape, dtype: np.dtype[Any], loss: Any) -> Array:
    """Check numbers (N, ...) for a loss that is a user's function; integers are returned as int64, others in `dtype`.

    Raises
    ------
    TypeError
        If the function does not compile for such arrays, or does not return a number and an array of floats.
    """
    from fastnn_kernels import own_function

    array = inputs.as_numbers(function, name, y)
    if array.ndim == 0:
        raise ValueError(f"{function}: {name} is one number, an array (N, ...) is needed")
    inputs.not_empty(function, name, array)
    array = np.require(array, dtype if array.dtype.kind == "f" else np.int64, ["C", "A"])
    own_function.check_loss(f"{function}: loss {loss.__name__}", loss, dtype, len(shape) + 1, array.dtype, array.ndim)
    return array
