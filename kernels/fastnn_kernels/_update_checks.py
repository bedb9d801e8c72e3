"""Checks of what changes parameters in place: updates, limits, learning rules. For kernels and twins alike."""

import functools
import math
from typing import Any

from . import _checks as check
from . import _options as options
from ._checks import Shape

# What numbers of updates stay below where they have a bound: 1 for what an average keeps of itself.
_BELOW = {"momentum": 1.0, "alpha": 1.0, "beta1": 1.0, "beta2": 1.0}
# From here on float64 does not hold every whole number.
_LARGEST = 2**53


def numbers(function: str, **given: Any) -> list[Any]:
    """Check the numbers of an update by their names, and return them; an int stays an int."""
    result: list[Any] = []
    for name, value in given.items():
        below = _BELOW.get(name, math.inf)
        if type(value) is float and 0.0 <= value < below and name != "step":
            result.append(value)  # as the checks below would, without the making of their messages
            continue
        full = f"{function}: {name}"
        if name == "step":
            result.append(options.integer(full, value, 1))
        else:
            result.append(options.number(full, value, below=below))
        if isinstance(result[-1], int) and result[-1] > _LARGEST:
            raise ValueError(f"{full} is {value}, at most 2**53 is needed")
    return result


# Sets of numbers that were found right are kept: those of a training are the same in each step, and to check them
# took a fifth of the time of a small update.
_KEPT = 64


@functools.lru_cache(_KEPT, typed=True)
def _kept_floats(function: str, names: str, *values: Any) -> tuple[float, ...]:
    return tuple(map(float, numbers(function, **dict(zip(names.split(), values, strict=True)))))


def floats(function: str, names: str, *values: Any) -> tuple[float, ...]:
    """Check the numbers of an update, called `names`, and return them as floats.

    Always floats: to Numba an int is another type, for which it would compile everything once more.
    """
    try:
        return _kept_floats(function, names, *values)
    except TypeError:  # of a number, or since one cannot be kept: an array
        pass
    return _kept_floats.__wrapped__(function, names, *values)


def step_count(function: str, step: Any) -> float:
    """Check the number of a step, and return it as a float."""
    if type(step) is int and 1 <= step <= _LARGEST:
        return float(step)
    return float(*numbers(function, step=step))


def limit(function: str, value: Any) -> Any:
    """Check a limit: a number above 0."""
    (plain,) = numbers(function, limit=value)
    if plain == 0:
        raise ValueError(f"{function}: limit is {plain}, a number above 0 is needed")
    return plain


def unit_axis(function: str, shape: Shape, axis: Any = None) -> int:
    """Check the axis of the outputs of weights, or find it from the number of axes."""
    if axis is None:
        if len(shape) not in (2, 4):
            raise ValueError(
                f"{function}: w has shape {shape}; without axis it must be (n_in, n_out) or (C_out, C_in, KH, KW)"
            )
        return 1 if len(shape) == 2 else 0
    checked = options.integer(f"{function}: axis", axis, -len(shape))
    if checked >= len(shape):
        raise ValueError(f"{function}: axis is {axis}, w has {len(shape)} axes (w.shape = {shape})")
    return checked % len(shape)


def unit_layout(function: str, shape: Shape, axis: Any = None) -> tuple[int, int, int]:
    """Write the shape of weights as (outer, units, inner), with the axis of the outputs in the middle."""
    place = unit_axis(function, shape, axis)
    return math.prod(shape[:place]), shape[place], math.prod(shape[place + 1 :])


def learning_shapes(function: str, w_shape: Shape, x_shape: Shape, **outputs: Shape) -> None:
    """Check w (n_in, n_out), x (N, n_in) and arrays of (N, n_out) against each other."""
    check.dense_shapes(function, x_shape, w_shape)
    needed = (x_shape[0], w_shape[1])
    for name, shape in outputs.items():
        if shape != needed:
            raise ValueError(f"{function}: {name} has shape {shape}, (N, n_out) = {needed} is needed")
