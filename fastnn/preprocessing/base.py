"""What all preprocessors have in common: checks, and the work slice by slice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from .. import inputs
from ..initializers import Array

# Numbers that are worked on at a time: 8 MB of float64.
SLICE = 2**20


class Preprocessor(ABC):
    """What all have: fit, transform, inverse_transform, fit_transform, for samples (N, features) or (N, C, H, W).

    All of them raise ValueError for NaN, infinity, no samples and shapes that do not suit, TypeError for what is no
    number, and RuntimeError before `fit`; a `fit` that raises leaves what was fitted before.
    """

    _fitted = False

    def fit(self, x: Any) -> Self:
        """Find the statistics of the samples x (N, ...), and return this object."""
        array = self._checked("fit", x)
        if array.ndim < 2:
            raise ValueError(f"{self._call('fit')}: x has shape {array.shape}, (N, features) or (N, C, H, W) is needed")
        if array[0].size == 0:
            raise ValueError(f"{self._call('fit')}: x has no features (shape {array.shape})")
        for part in slices(array):
            self._refuse_gaps("fit", array, part)
        self._fit(array)
        self._fitted = True
        return self

    def transform(self, x: Any) -> Array:
        """Return x (N, ...) transformed, a new array."""
        array = self._ready("transform", x)
        self._check_shape(array)
        return self._apply("transform", array, self._forward)

    def inverse_transform(self, y: Any) -> Array:
        """Return what `transform` made y of, up to rounding."""
        array = self._ready("inverse_transform", y, "y")
        self._check_transformed(array)
        return self._apply("inverse_transform", array, self._backward)

    def fit_transform(self, x: Any) -> Array:
        """Fit to x, and return it transformed."""
        return self.fit(x).transform(x)

    @abstractmethod
    def _fit(self, x: Array) -> None:
        """Compute everything, then set it."""

    @abstractmethod
    def _forward(self, x: Array) -> Array:
        """Transform a slice of float64."""

    @abstractmethod
    def _backward(self, y: Array) -> Array:
        """Turn it back."""

    @abstractmethod
    def _check_shape(self, x: Array) -> None:
        """Raise ValueError where samples are not shaped as those that were fitted."""

    @abstractmethod
    def _check_transformed(self, y: Array) -> None:
        """Raise ValueError where y is not shaped as what `transform` gives."""

    def _call(self, method: str) -> str:
        return f"{type(self).__name__}.{method}"

    def _checked(self, method: str, x: Any, name: str = "x") -> Array:
        array = inputs.as_numbers(self._call(method), name, x)
        inputs.not_empty(self._call(method), name, array)
        return array

    def _ready(self, method: str, x: Any, name: str = "x") -> Array:
        if not self._fitted:
            raise RuntimeError(f"{self._call(method)}: nothing is fitted yet: call fit(x) with the training data")
        return self._checked(method, x, name)

    def _needs(self, method: str, name: str, array: Array, needed: str) -> ValueError:
        return ValueError(f"{self._call(method)}: {name} has shape {array.shape}, {needed} is needed")

    def _refuse_gaps(self, method: str, x: Array, part: slice, name: str = "x") -> None:
        if x.dtype.kind == "f" and not np.isfinite(x[part]).all():
            flat = np.isfinite(x[part]).reshape(len(x[part]), -1).all(axis=1)
            raise ValueError(f"{self._call(method)}: {name}[{part.start + int(flat.argmin())}] has NaN or infinity")

    def _apply(self, method: str, x: Array, function: Callable[[Array], Array]) -> Array:
        """Work through x slice by slice, in float64."""
        result: Array | None = None
        for part in slices(x):
            self._refuse_gaps(method, x, part, "x" if method == "transform" else "y")
            y = function(x[part].astype(np.float64))
            if result is None:
                result = np.empty((len(x), *y.shape[1:]), np.result_type(x.dtype, np.float32))
            result[part] = y
        assert result is not None
        return result


def slices(x: Array) -> Iterator[slice]:
    """Cut the samples into slices of about `SLICE` numbers."""
    rows = max(1, SLICE // x[0].size)
    for start in range(0, len(x), rows):
        yield slice(start, min(len(x), start + rows))


def shifted_mean(x: Array, summed: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the first value, and the mean of what is left after subtracting it, both of float64.

    So a constant feature is exactly constant, and a mean far from 0 takes no digits from the deviations.
    """
    first = tuple(slice(0, 1) if axis in summed else slice(None) for axis in range(x.ndim))
    origin = x[first][0].astype(np.float64)
    total = sum((x[part] - origin).sum(axis=summed, keepdims=True)[0] for part in slices(x))
    return origin, np.asarray(total) / (x.size // origin.size)
