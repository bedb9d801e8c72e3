"""The functions behind the activations in extended precision, to measure errors in ulp against."""

from collections.abc import Callable

import numpy as np

Array = np.ndarray
LONG = np.longdouble
# Where long double is nothing but double, float64 results cannot be measured.
EXTENDED = np.finfo(LONG).eps < 1e-18

_PI = LONG("3.14159265358979323846264338327950288")
_ROOT = np.sqrt(2 * _PI)


def normal_tail(t: Array) -> Array:
    """``(1 - Phi(t)) * exp(t**2 / 2)`` for t >= 0: by its series below 2, by Laplace's continued fraction above."""
    near, far = np.minimum(t, LONG(2)), np.maximum(t, LONG(2))
    term = total = near
    for k in range(1, 60):
        term = term * near * near / (2 * k + 1)
        total = total + term
    fraction = far
    for k in range(200, 0, -1):
        fraction = far + k / fraction
    return np.where(t < 2, np.exp(near * near / 2) / 2 - total / _ROOT, 1 / fraction / _ROOT)


def bell(t: Array) -> Array:
    """``exp(-t**2 / 2)``; the square is taken in two parts, as its rounding would be multiplied."""
    high = t.astype(np.float32).astype(LONG)
    return np.exp(-high * high / 2) * np.exp(-(t - high) * (t + high) / 2)


def logistic(v: Array) -> Array:
    e = np.exp(-np.abs(v))
    return np.where(v < 0, e, LONG(1)) / (1 + e)


def softplus(x: Array) -> Array:
    return np.maximum(x, LONG(0)) + np.log1p(np.exp(-np.abs(x)))


def gelu(x: Array) -> Array:
    t = np.abs(x)
    lost = t * normal_tail(t) * bell(t)
    return np.where(x > 0, x - lost, -lost)


def gelu_terms(x: Array) -> tuple[Array, Array]:
    """The two terms of gelu's derivative."""
    t = np.abs(x)
    below = normal_tail(t) * bell(t)
    return np.where(x > 0, 1 - below, below), x * bell(t) / _ROOT


_A = 2 * np.sqrt(2 / _PI)
_B = _A * LONG(44715) / LONG(1_000_000)


def gelu_tanh(x: Array) -> Array:
    return x * logistic(x * (_A + _B * x * x))


def gelu_tanh_terms(x: Array) -> tuple[Array, Array]:
    v = x * (_A + _B * x * x)
    return logistic(v), x * (_A + 3 * _B * x * x) * logistic(v) * logistic(-v)


def silu(x: Array) -> Array:
    return x * logistic(x)


def silu_terms(x: Array) -> tuple[Array, Array]:
    return logistic(x), x * logistic(x) * logistic(-x)


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, LONG(0))))


def samples(dtype: type, low: float, high: float, n: int = 60_000) -> Array:
    """Numbers of the range: spread evenly, of every magnitude, and around 0, where the curves bend."""
    rng = np.random.default_rng(11)
    bits = {np.float32: np.int32, np.float64: np.int64}[dtype]
    magnitudes = rng.integers(1, np.array(np.inf, dtype).view(bits), n, bits).view(dtype)
    every = np.where(rng.random(n) < 0.5, magnitudes, -magnitudes)
    parts = [rng.uniform(low, high, n), rng.uniform(-3, 3, n), rng.uniform(-1, 1, n), every]
    x = np.concatenate(parts).astype(dtype)
    return x[(x >= low) & (x <= high)]


def worst_ulp(y: Array, x: Array, exact: Callable[[Array], Array], *terms: Array) -> float:
    """The largest error of y in ulp of the exact value, or of the largest of `terms` where that is larger."""
    expected = exact(x.astype(LONG))
    rounded = expected.astype(y.dtype)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(rounded))
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    scale = np.abs(expected)
    for term in terms:
        scale = np.maximum(scale, np.abs(term))
    ulp = np.spacing(scale.astype(y.dtype)).astype(LONG)
    return float(np.max(np.abs(y - expected)[finite] / ulp[finite]))
