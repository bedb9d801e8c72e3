"""Each feature shifted and scaled: Normalize and Standardize."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from fastnn_kernels import _options as options

from ..initializers import Array
from .base import Preprocessor, shifted_mean, slices


class _Scaler(Preprocessor):
    """(x - shift) / scale, with numbers of its own along `axis`."""

    def __init__(self, *, axis: int | tuple[int, ...] | None = 1) -> None:
        self.axis = tuple(axis) if isinstance(axis, (tuple, list)) else axis
        for one in self._axes_given():
            options.integer(f"{type(self).__name__}: axis", one, -64)
            if one == 0:
                raise ValueError(f"{type(self).__name__}: axis is {axis}, but axis 0 counts the samples")

    def _axes_given(self) -> tuple[int, ...]:
        if self.axis is None:
            return ()
        return self.axis if isinstance(self.axis, tuple) else (self.axis,)

    def _fit(self, x: Array) -> None:
        for axis in self._axes_given():
            if not (-x.ndim < axis < x.ndim):
                raise ValueError(f"{self._call('fit')}: axis is {axis}, but x has shape {x.shape}")
        own = {axis % x.ndim for axis in self._axes_given()}
        self._set_statistics(x, tuple(axis for axis in range(x.ndim) if axis not in own))
        self._sizes = tuple(size if axis in own else None for axis, size in enumerate(x.shape))

    @abstractmethod
    def _set_statistics(self, x: Array, summed: tuple[int, ...]) -> None:
        """Compute shift and scale over the axes `summed`."""

    @abstractmethod
    def _shift_and_scale(self) -> tuple[Array, Array]:
        """Return both, to be broadcast over a sample."""

    def _forward(self, x: Array) -> Array:
        shift, scale = self._shift_and_scale()
        return (x - shift) / scale

    def _backward(self, y: Array) -> Array:
        shift, scale = self._shift_and_scale()
        return y * scale + shift

    def _check_shape(self, x: Array) -> None:
        self._check("transform", "x", x)

    def _check_transformed(self, y: Array) -> None:
        self._check("inverse_transform", "y", y)

    def _check(self, method: str, name: str, x: Array) -> None:
        suits = x.ndim == len(self._sizes)
        if not suits or any(a not in (None, b) for a, b in zip(self._sizes, x.shape, strict=True)):
            sizes = ", ".join("any" if size is None else str(size) for size in self._sizes[1:])
            raise self._needs(method, name, x, f"(N, {sizes})")


class Normalize(_Scaler):
    """Min-max scaling: the least value of each feature becomes 0, the largest 1.

    A constant feature is only shifted. Values outside of what was fitted land outside of the range.

    Parameters
    ----------
    feature_range : (low, high)
        Where the values go, as in scikit-learn's MinMaxScaler.
    axis : int, tuple of int or None
        The axis, or axes, whose elements have numbers of their own, as in Keras' Normalization: 1, the features of
        (N, features) and the channels of (N, C, H, W); (1, 2, 3) for each pixel; None for one range of all.

    Attributes
    ----------
    min_, max_ : array of float64, to be broadcast over a sample
        What was found by `fit`.
    """

    def __init__(
        self,
        feature_range: tuple[float, float] = (0.0, 1.0),
        *,
        axis: int | tuple[int, ...] | None = 1,
    ) -> None:
        super().__init__(axis=axis)
        name = "Normalize: feature_range"
        if not isinstance(feature_range, (tuple, list)) or len(feature_range) != 2:
            raise TypeError(f"{name} is {feature_range!r}, (low, high) is needed")
        low, high = (float(options.number(name, end, -np.inf)) for end in feature_range)
        if not -np.inf < low < high:
            raise ValueError(f"{name} is {feature_range!r}, low < high is needed")
        self.feature_range = low, high

    def _set_statistics(self, x: Array, summed: tuple[int, ...]) -> None:
        parts = [x[part] for part in slices(x)]
        least = np.min([part.min(axis=summed, keepdims=True)[0] for part in parts], axis=0)
        most = np.max([part.max(axis=summed, keepdims=True)[0] for part in parts], axis=0)
        self.min_, self.max_ = least.astype(np.float64), most.astype(np.float64)

    def _shift_and_scale(self) -> tuple[Array, Array]:
        return self.min_, _or_one(self.max_ - self.min_)

    def _forward(self, x: Array) -> Array:
        low, high = self.feature_range
        return super()._forward(x) * (high - low) + low

    def _backward(self, y: Array) -> Array:
        low, high = self.feature_range
        return super()._backward((y - low) / (high - low))


class Standardize(_Scaler):
    """Less the mean, divided by the standard deviation; a constant feature is only shifted.

    Parameters
    ----------
    axis : int, tuple of int or None
        The axis, or axes, whose elements have numbers of their own, as in Keras' Normalization: 1, the features of
        (N, features) and the channels of (N, C, H, W); (1, 2, 3) for each pixel; None for one pair for all.

    Attributes
    ----------
    mean_, scale_ : array of float64, to be broadcast over a sample
        What was found by `fit`: mean, and standard deviation (of the samples as they are: divided by N), or 1.
    """

    def _set_statistics(self, x: Array, summed: tuple[int, ...]) -> None:
        origin, shift = shifted_mean(x, summed)
        total = sum((((x[part] - origin) - shift) ** 2).sum(axis=summed, keepdims=True)[0] for part in slices(x))
        count = x.size // origin.size
        self.mean_, self.scale_ = origin + shift, _or_one(np.sqrt(total / count))

    def _shift_and_scale(self) -> tuple[Array, Array]:
        return self.mean_, self.scale_


def _or_one(scale: Array) -> Array:
    return np.where(scale > 0, scale, 1.0)
