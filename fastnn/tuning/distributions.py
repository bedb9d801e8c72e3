"""What parameters are drawn from, and the parameters of a trial."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn_kernels import _options as options

Space = Mapping[str, Any]


class Distribution(ABC):
    """Numbers to draw from."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> float:
        """Return one number."""

    def _check(self, low: float) -> None:
        """Check the fields `low` and `high`, in the constructor only."""
        name = type(self).__name__
        whole = isinstance(self, Integers)
        for field in ("low", "high"):
            value = getattr(self, field)
            if whole:
                options.integer(f"{name}: {field}", value, -(2**62))
            object.__setattr__(self, field, options.number(f"{name}: {field}", value, low))
        if not -math.inf < self.low < self.high:  # type: ignore[attr-defined]
            raise ValueError(f"{name}: low < high is needed, given are {self.low} and {self.high}")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Uniform(Distribution):
    """Any number from `low` to `high`, all alike."""

    low: float
    high: float

    def __post_init__(self) -> None:
        self._check(-math.inf)

    def draw(self, rng: np.random.Generator) -> float:
        """Return a float."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Any number from `low` to `high`, both above 0, each order of magnitude alike: for learning rates."""

    low: float
    high: float

    def __post_init__(self) -> None:
        self._check(np.nextafter(0.0, 1.0))

    def draw(self, rng: np.random.Generator) -> float:
        """Return a float."""
        return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))


@dataclass(frozen=True)
class Integers(Distribution):
    """Any whole number from `low` to `high`, both included, all alike."""

    low: int
    high: int

    def __post_init__(self) -> None:
        self._check(-(2.0**62))

    def draw(self, rng: np.random.Generator) -> int:
        """Return an int."""
        return int(rng.integers(self.low, self.high, endpoint=True))


def check_space(space: Any) -> dict[str, Any]:
    """Check that each parameter has a list of values or a distribution, and return them."""
    if not isinstance(space, Mapping):
        raise TypeError(f"search: space is a {type(space).__name__}, a dict is needed")
    for name, values in space.items():
        if not isinstance(name, str):
            raise TypeError(f"search: space has the name {name!r}, strings are needed")
        if not isinstance(values, (list, tuple, Distribution)):
            raise TypeError(f"search: space[{name!r}] is {values!r}, a list of values or a distribution is needed")
        if isinstance(values, (list, tuple)) and not values:
            raise ValueError(f"search: space[{name!r}] is empty, at least one value is needed")
    if not space:
        raise ValueError("search: space is empty, at least one parameter is needed")
    return {
        # Numbers of NumPy as those of Python, which a file gives back as they are.
        name: values if isinstance(values, Distribution)
        else [value.item() if isinstance(value, np.generic) else value for value in values]
        for name, values in space.items()
    }  # fmt: skip


def choose(space: Space, method: str, trials: int | None, seed: int) -> list[dict[str, Any]]:
    """Return the parameters of every trial.

    The first ones do not depend on how many there are, except where all parameters have lists: then no two random
    trials are the same, and there are no more than combinations.
    """
    options.choice("search: method", method, ("random", "grid"))
    drawn = [name for name, values in space.items() if isinstance(values, Distribution)]
    if method == "grid":
        if drawn:
            raise ValueError(f'search: method is "grid", but space[{drawn[0]!r}] has no list of values')
        combinations = itertools.product(*space.values())
        chosen = itertools.islice(combinations, None if trials is None else trials)
        return [dict(zip(space, values, strict=True)) for values in chosen]
    trials = 10 if trials is None else trials
    if drawn:
        return [_draw(space, np.random.default_rng((seed, k))) for k in range(trials)]
    sizes = [len(values) for values in space.values()]
    count = math.prod(sizes)
    if count >= 2**31:  # so many that no two are the same by chance
        return [_draw(space, np.random.default_rng((seed, k))) for k in range(trials)]
    order = np.random.default_rng(seed).permutation(count)[:trials]
    return [
        {name: values[k] for (name, values), k in zip(space.items(), np.unravel_index(flat, sizes), strict=True)}
        for flat in order
    ]


def _draw(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    """Draw one value of each parameter."""
    return {
        name: values.draw(rng) if isinstance(values, Distribution) else values[int(rng.integers(len(values)))]
        for name, values in space.items()
    }
