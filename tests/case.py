"""What a row of the table of cases is, and where its arrays come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Call = tuple[tuple[Any, ...], dict[str, Any]]
Gradient = Callable[[Any, tuple[Any, ...], dict[str, Any], Array], dict[int, Array]]


class Data:
    """Where a case draws its arrays from: seeded, of one dtype, real numbers or small integers."""

    def __init__(self, dtype: Any, *, integers: bool = False) -> None:
        self.dtype = np.dtype(dtype)
        self.integers = integers or self.dtype.kind == "i"
        self.rng = np.random.default_rng(20)

    def array(self, *shape: int) -> Array:
        """Integers from -4 to 4 without 0, or normal numbers at least 0.01 away from 0, the kink of relu."""
        if self.integers:
            values = self.rng.integers(1, 5, shape) * self.rng.choice([-1, 1], shape)
        else:
            values = self.rng.standard_normal(shape)
            values += np.copysign(0.01, values)
        return values.astype(self.dtype)

    def factors(self, terms: int, *shape: int) -> Array:
        """Numbers whose products with normal ones, `terms` of them summed, are about 1, as first weights are.

        Sums of large terms that cancel would be compared far below their own rounding.
        """
        values = self.array(*shape)
        return values if self.integers else (values / np.sqrt(terms)).astype(self.dtype)

    def positive(self, *shape: int) -> Array:
        return np.abs(self.array(*shape))

    def labels(self, n: int, classes: int) -> Array:
        return self.rng.integers(0, classes, n)

    def unit(self, *shape: int) -> Array:
        """Numbers between 0 and 1, as sigmoid gives them."""
        return (1 / (1 + np.exp(-self.array(*shape)))).astype(self.dtype)

    def elu(self, *shape: int) -> Array:
        """Numbers above -0.5, as elu gives them with alpha of at least that."""
        values = self.array(*shape)
        return np.where(values > 0, values, 0.5 * np.expm1(values)).astype(self.dtype)

    def distribution(self, *shape: int) -> Array:
        """Positive, with sum 1 over axis 1, as softmax gives it."""
        values = np.exp(self.rng.standard_normal(shape))
        return (values / values.sum(axis=1, keepdims=True)).astype(self.dtype)

    def log_distribution(self, *shape: int) -> Array:
        """Logarithms of a distribution, as log_softmax gives them."""
        return np.log(self.distribution(*shape))


@dataclass(frozen=True)
class Case:
    """One call of one kernel.

    name: unique; kernel: the public name; make: Data -> (args, kwargs); terms: how many products or addends
    one output element sums, for the tolerance; exact: no transcendental function, so small integers must come
    out equal to int64; sparse: more than half of the outputs may be 0; in_place: the arguments written;
    gradient: (kernels, args, kwargs, dy) -> {argument: gradient of sum(dy * first output)}.
    """

    name: str
    kernel: str
    make: Callable[[Data], Call]
    terms: int = 1
    exact: bool = False
    sparse: bool = False
    in_place: tuple[int, ...] = ()
    gradient: Gradient | None = None

    def call(self, dtype: Any, *, integers: bool = False) -> Call:
        """Return the arguments, the same numbers at every call."""
        return self.make(Data(dtype, integers=integers))
