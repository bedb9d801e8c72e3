"""The samples along the eigenvectors of their covariance: Decorrelate and Whiten."""

from __future__ import annotations

import math

import numpy as np

from fastnn_kernels import _options as options

from ..initializers import Array
from ..inputs import Shape
from .base import Preprocessor, shifted_mean, slices


class _Rotation(Preprocessor):
    """The features as coordinates along the eigenvectors of their covariance."""

    _sample: Shape

    def _fit(self, x: Array) -> None:
        size = math.prod(x.shape[1:])
        components = self._components_of(size)
        origin, shift = shifted_mean(x, (0,))
        covariance = np.zeros((size, size))
        for part in slices(x):
            centred = ((x[part] - origin) - shift).reshape(-1, size)
            covariance += centred.T @ centred
        values, vectors = np.linalg.eigh(covariance / len(x))
        # Largest first; each vector's largest element is positive, so that the signs are no accident.
        values, vectors = values[::-1].clip(0.0), vectors[:, ::-1].T
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
        vectors = vectors * np.where(largest < 0, -1.0, 1.0)
        self.mean_ = origin + shift
        self.components_ = np.ascontiguousarray(vectors[:components])
        self.explained_variance_ = values[:components]
        self._sample = x.shape[1:]

    def _components_of(self, features: int) -> int:
        """Return how many are kept."""
        return features

    def _rotate(self, x: Array) -> Array:
        centred: Array = (x - self.mean_).reshape(len(x), -1)
        return np.asarray(centred @ self.components_.T)

    def _rotate_back(self, y: Array) -> Array:
        return np.asarray((y @ self.components_).reshape(len(y), *self._sample) + self.mean_)

    def _check_shape(self, x: Array) -> None:
        if x.shape[1:] != self._sample or x.ndim < 2:
            raise self._needs("transform", "x", x, f"(N, {', '.join(map(str, self._sample))})")

    def _check_transformed(self, y: Array) -> None:
        if y.ndim != 2 or y.shape[1] != len(self.components_):
            raise self._needs("inverse_transform", "y", y, f"(N, {len(self.components_)})")


class Decorrelate(_Rotation):
    """Principal component analysis: coordinates along the eigenvectors of the covariance, largest variance first.

    Parameters
    ----------
    n_components : int, optional
        How many to keep; all of them by default. With fewer, `inverse_transform` gives the nearest point that they
        can express.

    Attributes
    ----------
    mean_ : array of float64, shape of a sample
    components_ : (n_components, features) float64
        Unit eigenvectors; images count as C * H * W features.
    explained_variance_ : (n_components,) float64
        Their eigenvalues: the variance along them, divided by N.

    Notes
    -----
    `transform` gives (N, n_components).
    """

    def __init__(self, n_components: int | None = None) -> None:
        if n_components is not None:
            n_components = options.integer("Decorrelate: n_components", n_components, 1)
        self.n_components = n_components

    def _components_of(self, features: int) -> int:
        if self.n_components is not None and self.n_components > features:
            raise ValueError(f"{self._call('fit')}: n_components is {self.n_components}, x has {features} features")
        return self.n_components or features

    def _forward(self, x: Array) -> Array:
        return self._rotate(x)

    def _backward(self, y: Array) -> Array:
        return self._rotate_back(y)


class Whiten(_Rotation):
    """Decorrelated, and divided by the standard deviation along each eigenvector: the covariance becomes 1.

    Parameters
    ----------
    method : "pca" or "zca"
        "pca" leaves the samples along the eigenvectors, (N, features), largest variance first; "zca" turns them
        back, so that they keep their shape and stay as near to what they were as they can.
    eps : float
        Floor of the eigenvalues, above 0: directions with less variance than this, which are mostly noise, are
        divided by sqrt(eps).

    Attributes
    ----------
    mean_, components_, explained_variance_
        As in Decorrelate; images count as C * H * W features.

    References
    ----------
    Bell and Sejnowski 1997, section 2 (ZCA); Krizhevsky 2009, appendix A.
    """

    def __init__(self, method: str = "pca", *, eps: float = 1e-5) -> None:
        self.method = options.choice("Whiten: method", method, ("pca", "zca"))
        self.eps = float(options.number("Whiten: eps", eps))
        if self.eps == 0:
            raise ValueError("Whiten: eps is 0, a number above 0 is needed")

    def _forward(self, x: Array) -> Array:
        y = self._rotate(x) / self._deviations()
        return (y @ self.components_).reshape(x.shape) if self.method == "zca" else y

    def _backward(self, y: Array) -> Array:
        if self.method == "zca":
            y = y.reshape(len(y), -1) @ self.components_.T
        return self._rotate_back(y * self._deviations())

    def _deviations(self) -> Array:
        return np.asarray(np.sqrt(np.maximum(self.explained_variance_, self.eps)))

    def _check_transformed(self, y: Array) -> None:
        if self.method == "pca":
            super()._check_transformed(y)
        elif y.shape[1:] != self._sample or y.ndim < 2:
            raise self._needs("inverse_transform", "y", y, f"(N, {', '.join(map(str, self._sample))})")
