"""How parameters start: he, glorot and lecun, uniform and normal, and constants.

An initializer is any callable ``(rng, shape, fan_in, fan_out) -> array of that shape``. One output sums
fan_in values, and one input reaches fan_out: C_in / groups * KH * KW and C_out / groups * KH * KW.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn_kernels import _options as options

Array = NDArray[Any]
Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], Array]

__all__ = ["Constant", "Initializer", "VarianceScaling", "get"]


@dataclass(frozen=True)
class Constant:
    """Every element starts at `value`."""

    value: float = 0.0

    def __post_init__(self) -> None:
        value = options.number("Constant: value", self.value, minimum=-math.inf)
        object.__setattr__(self, "value", float(value))

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Return the array; `rng` is left as it is."""
        return np.full(shape, self.value, np.float64)


# Standard deviation of a standard normal number cut off at 2.
_CUT_DEVIATION = 0.8796256610342398


@dataclass(frozen=True)
class VarianceScaling:
    """Zero mean and variance scale / fan.

    Attributes
    ----------
    scale : float
        2 for he and glorot, 1 for lecun.
    fan : str
        "in" divides by fan_in (he, lecun), "sum" by fan_in + fan_out (glorot).
    distribution : str
        "normal": cut off at two deviations, as Keras has it (a filter of 25 weights then never hangs on one of
        them), and scaled so that the variance holds; or "uniform" in [-a, a) with ``a = sqrt(3 * variance)``.

    References
    ----------
    He et al. 2015, section 2.2; Glorot and Bengio 2010, equation 16; LeCun et al. 1998, section 4.6.
    """

    scale: float = 1.0
    fan: str = "in"
    distribution: str = "normal"

    def __post_init__(self) -> None:
        options.number("VarianceScaling: scale", self.scale)
        options.choice("VarianceScaling: fan", self.fan, ("in", "sum"))
        options.choice("VarianceScaling: distribution", self.distribution, ("normal", "uniform"))

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Draw the array from `rng`, as float64 for every model dtype."""
        deviation = math.sqrt(self.scale / (fan_in if self.fan == "in" else fan_in + fan_out))
        if self.distribution == "normal":
            values = rng.standard_normal(shape)
            while (outside := np.abs(values) > 2.0).any():
                values[outside] = rng.standard_normal(int(outside.sum()))
            return values * (deviation / _CUT_DEVIATION)
        return rng.uniform(-1.0, 1.0, shape) * (math.sqrt(3.0) * deviation)


_NAMED: dict[str, Initializer] = {
    "he_normal": VarianceScaling(2.0, "in", "normal"),
    "he_uniform": VarianceScaling(2.0, "in", "uniform"),
    "glorot_normal": VarianceScaling(2.0, "sum", "normal"),
    "glorot_uniform": VarianceScaling(2.0, "sum", "uniform"),
    "lecun_normal": VarianceScaling(1.0, "in", "normal"),
    "lecun_uniform": VarianceScaling(1.0, "in", "uniform"),
    "zeros": Constant(0.0),
    "ones": Constant(1.0),
}


def get(name: str, initializer: str | Initializer) -> Initializer:
    """Find an initializer by name, or take the callable given; `name` is the argument's, for the message."""
    if isinstance(initializer, type):
        raise TypeError(f"{name} is the class {initializer.__name__}, an object of it is needed")
    if callable(initializer):
        return initializer
    return _NAMED[options.choice(name, initializer, tuple(_NAMED))]
