"""Gradients compared with central differences, in float64."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from . import inputs
from .initializers import Array
from .trainable import Trainable

__all__ = ["GradientCheck", "check_gradients"]

# Largest error that the rounding of a value of 1 makes in a sum, in units of its last place.
_ROUNDING = 8 * sys.float_info.epsilon


@dataclass(frozen=True)
class ElementCheck:
    """One element: its derivative as it was given, and as the differences have it."""

    name: str
    index: tuple[int, ...]
    gradient: float
    difference: float
    error: float


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradients` has found; true where all is well.

    Attributes
    ----------
    ok : bool
        No relative error is above `rtol`.
    errors : dict of str to float
        The largest relative error of each parameter, or argument.
    worst : ElementCheck or None
        The element with the largest: `name`, `index`, `gradient`, `difference`, `error`.
    checked, kinks : int
        Elements that were compared, and those that were not, as the value has a kink beside them.
    rtol : float
    """

    ok: bool
    errors: dict[str, float]
    worst: ElementCheck | None
    checked: int
    kinks: int
    rtol: float

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        kinks = f", {self.kinks} left out beside kinks" if self.kinks else ""
        if self.worst is None:
            return f"no gradient was checked{kinks}"
        w = self.worst
        return (
            f"gradients {'agree' if self.ok else 'differ'} ({self.checked} elements checked{kinks}): the largest "
            f"relative error is {w.error:.1e} (rtol {self.rtol:g}), of {w.name}[{', '.join(map(str, w.index))}]: "
            f"gradient {w.gradient:.9g}, difference {w.difference:.9g}"
        )


@dataclass(frozen=True)
class _Variable:
    """An array that may be changed in place, and the gradient that is claimed for it."""

    name: str
    array: Array
    gradient: Array


def check_gradients(
    model_or_function: Any,
    *arrays: Any,
    eps: float = 1e-6,
    rtol: float = 1e-4,
    atol: float = 1e-8,
    elements: int | None = 20,
    seed: int = 0,
    raise_exception: bool = True,
) -> GradientCheck:
    """Compare gradients with central differences, ``(f(a + eps) - f(a - eps)) / (2 * eps)``, in float64.

    Parameters
    ----------
    model_or_function : compiled model, or callable
        Of a model the mean loss is checked for each trainable parameter, as training computes it (with the batch's
        statistics and one choice of dropout); on a copy in float64, the model itself does not change. A function
        takes the arrays and returns its value and its gradient; the gradients of several arrays as a tuple.
    *arrays : array_like
        Of a model x and y, as in `fit`; of a function its arguments, which are cast to float64.
    eps : float
        Half the distance of the two points.
    rtol : float
        Largest relative error, ``abs(gradient - difference) / max(abs(gradient), abs(difference))``.
    atol : float
        Errors up to this are none, nor those that the rounding of the value explains.
    elements : int or None
        So many elements of each array are checked, drawn at random; None checks all.
    seed : int
        Of the draw.
    raise_exception : bool
        Raise AssertionError, with the report as its message, where the gradients differ or none could be checked.

    Returns
    -------
    GradientCheck

    Notes
    -----
    Across a kink, as relu has at 0 and max pooling where two values are equal, the difference is no derivative. An
    element whose gradient is the slope to one side is left out, and counted as `kinks`.
    """
    eps, rtol = _above_zero("eps", eps), _above_zero("rtol", rtol)
    atol = float(options.number("check_gradients: atol", atol))
    if elements is not None:
        elements = options.integer("check_gradients: elements", elements, 1)
    rng = np.random.default_rng(options.integer("check_gradients: seed", seed, 0))
    if isinstance(model_or_function, Trainable):
        value, variables = _of_model(model_or_function, arrays)
    elif callable(model_or_function):
        value, variables = _of_function(model_or_function, arrays)
    else:
        kind = type(model_or_function).__name__
        raise TypeError(f"check_gradients: a model or a function is needed, given is {kind}")
    found: list[ElementCheck] = []
    kinks = 0
    middle = value()
    if not np.isfinite(middle):
        raise ValueError(f"check_gradients: the value is {middle}, a finite one is needed")
    atol = max(atol, _ROUNDING * abs(middle) / eps)
    for variable in variables:
        for index in _draw(rng, variable.array.shape, elements):
            element, kink = _compare(value, middle, variable, index, eps, rtol, atol)
            if kink:
                kinks += 1
            else:
                found.append(element)
    errors: dict[str, float] = {}
    for element in found:
        errors[element.name] = max(errors.get(element.name, 0.0), element.error)
    worst = max(found, key=lambda element: element.error, default=None)
    ok = worst is not None and worst.error <= rtol
    report = GradientCheck(ok, errors, worst, len(found), kinks, rtol)
    if raise_exception and not ok:
        raise AssertionError(f"check_gradients: {report}")
    return report


def _compare(
    value: Callable[[], float],
    middle: float,
    variable: _Variable,
    index: tuple[int, ...],
    eps: float,
    rtol: float,
    atol: float,
) -> tuple[ElementCheck, bool]:
    """Compare one element; tell whether it disagrees because of a kink, the gradient being the slope to one side."""
    start = float(variable.array[index])
    ends = []
    for shifted in (start + eps, start - eps):
        variable.array[index] = shifted
        ends.append(value())
    variable.array[index] = start
    # What was really added: start + eps is rounded.
    right, left = (start + eps) - start, start - (start - eps)
    difference = (ends[0] - ends[1]) / (right + left)
    gradient = float(variable.gradient[index])
    error = _relative(gradient, difference, atol / rtol)
    slopes = (ends[0] - middle) / right, (middle - ends[1]) / left
    # That the two slopes differ would not do: so they do wherever the function is curved and its gradient small.
    kink = error > rtol and min(_relative(gradient, slope, 2 * atol / rtol) for slope in slopes) <= rtol
    return ElementCheck(variable.name, index, gradient, difference, error), kink


def _relative(a: float, b: float, floor: float) -> float:
    """Return the relative difference of two numbers, NaN and infinity being as wrong as can be."""
    return abs(a - b) / max(abs(a), abs(b), floor) if math.isfinite(a - b) else math.inf


def _draw(rng: np.random.Generator, shape: tuple[int, ...], elements: int | None) -> list[tuple[int, ...]]:
    """Choose indices of elements, in order."""
    size = int(np.prod(shape))
    count = size if elements is None else min(elements, size)
    chosen = np.sort(rng.choice(size, count, replace=False))
    return [tuple(int(k) for k in np.unravel_index(flat, shape)) for flat in chosen]


def _of_model(model: Trainable, arrays: Sequence[Any]) -> tuple[Callable[[], float], list[_Variable]]:
    """Return the mean loss of a copy of the model, and the copy's parameters."""
    name = "check_gradients"
    if len(arrays) != 2:
        raise TypeError(f"{name}: {len(arrays)} arrays are given, x and y are needed for a model")
    if model._loss is None or model._optimizer is None:
        raise RuntimeError(f"{name}: the model is not compiled: model.compile(optimizer=..., loss=...)")
    copy = Trainable(model.layers, model.input_shape, seed=model.seed, dtype=np.float64)
    copy.backend = model.backend
    copy.compile(model._optimizer, model._loss)
    copy._memory.params[...], copy._memory.state[...] = model._memory.params, model._memory.state
    _, gradients = copy._gradients(name, *arrays)
    variables = [_Variable(key, copy.params[key], gradient) for key, gradient in gradients.items()]
    return lambda: copy._gradients(name, *arrays)[0], variables


def _of_function(
    function: Callable[..., tuple[Any, Any]], arrays: Sequence[Any]
) -> tuple[Callable[[], float], list[_Variable]]:
    """Return the function's value at copies of the arrays, and these."""
    name = "check_gradients"
    if not arrays:
        raise TypeError(f"{name}: no array is given, the function's arguments are needed")
    copies = [inputs.as_numbers(name, f"argument {k}", array).astype(np.float64) for k, array in enumerate(arrays)]

    def call() -> tuple[float, Any]:
        result = function(*(copy.copy() for copy in copies))
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{name}: the function returned {type(result).__name__}, (value, gradient) is needed")
        value = np.asarray(result[0])
        if value.shape != () or value.dtype != np.float64:
            raise TypeError(
                f"{name}: the function's value has shape {value.shape} and dtype {value.dtype}, one number of "
                "float64 is needed"
            )
        return float(value), result[1]

    _, gradients = call()
    if len(copies) == 1 and not isinstance(gradients, (tuple, list)):
        gradients = (gradients,)
    if not isinstance(gradients, (tuple, list)) or len(gradients) != len(copies):
        raise TypeError(f"{name}: the function takes {len(copies)} arrays, as many gradients are needed")
    variables = []
    for k, (copy, gradient) in enumerate(zip(copies, gradients, strict=True)):
        gradient = np.array(gradient, np.float64)
        if gradient.shape != copy.shape:
            raise ValueError(f"{name}: argument {k} has shape {copy.shape}, but its gradient has {gradient.shape}")
        variables.append(_Variable(f"argument {k}", copy, gradient))
    return lambda: call()[0], variables


def _above_zero(name: str, value: Any) -> float:
    checked = float(options.number(f"check_gradients: {name}", value))
    if checked == 0:
        raise ValueError(f"check_gradients: {name} is 0, a number above 0 is needed")
    return checked
