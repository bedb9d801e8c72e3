"""Checks and conversions of what users pass, made before anything is computed or changed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .initializers import Array

Shape = tuple[int, ...]
Batch = tuple[Array, Array]


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Check a model's dtype."""
    if dtype is not None:  # which NumPy takes for float64
        with suppress(TypeError):
            checked = np.dtype(dtype)
            if checked in (np.float32, np.float64) and checked.isnative:
                return checked
    raise TypeError(f"Sequential: dtype is {dtype!r}, float32 or float64 is needed")


def as_numbers(function: str, name: str, value: Any) -> Array:
    """Make an array of real numbers of what was given, without a copy where it is an array."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{function}: {name} is a masked array: {name}.filled(...)")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{function}: {name} is nested with unequal lengths, an array is needed") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{function}: {name} has dtype {array.dtype}, real numbers are needed")
    return array


def check_shape(function: str, name: str, value: Any, shape: Shape) -> Array:
    """Check that `value` is an array of numbers (N, *shape), N >= 1; return it without a copy where it is one."""
    array = as_numbers(function, name, value)
    if array.shape[1:] != shape or array.ndim == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, (N, {', '.join(map(str, shape))}) is needed"
            f"{_advice(name, array.shape, shape)}"
        )
    not_empty(function, name, array)
    return array


def as_samples(function: str, name: str, value: Any, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Check samples (N, *shape), N >= 1; return them C-contiguous in `dtype`, copied only if needed."""
    return np.require(check_shape(function, name, value, shape), dtype, ["C", "A"])


def not_empty(function: str, name: str, array: Array) -> None:
    """Refuse a batch without samples."""
    if array.ndim and len(array) == 0:
        raise ValueError(f"{function}: {name} has no samples (shape {array.shape}), at least one is needed")


def sample_weight(function: str, name: str, value: Any, samples: int, dtype: np.dtype[Any]) -> Array | None:
    """Check what each sample counts, (N,) finite numbers of at least 0, or None for 1 each; return it in `dtype`."""
    if value is None:
        return None
    array = as_numbers(function, name, value)
    if array.shape != (samples,):
        raise ValueError(f"{function}: {name} has shape {array.shape}, ({samples},) is needed, one for each sample")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{function}: {name} has values below 0 or not finite, finite ones of at least 0 are needed")
    with np.errstate(over="ignore"):
        weights = np.require(array, dtype, ["C", "A"])
    if not np.isfinite(weights).all():
        raise ValueError(f"{function}: {name} has values up to {array.max()}, which are infinite as {dtype}")
    return weights


def split_off(what: str, x: Array, y: Array, share: float) -> tuple[Batch, Batch]:
    """Take `share` of the samples, rounded down, from the end; return the rest and what was taken."""
    rest = len(x) - int(len(x) * share)
    if rest == len(x):
        raise ValueError(f"{what} is {share}: of {len(x)} samples that is none")
    return (x[:rest], y[:rest]), (x[rest:], y[rest:])


def batch_size(function: str, size: int | str, samples: int, *, drop_last: bool = False) -> int:
    """Check a batch size, at most that of all samples, which "full" is."""
    if size == "full":
        return samples
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
        raise TypeError(f'{function}: batch_size is {size!r} ({type(size).__name__}), an int or "full" is needed')
    if size < 1:
        raise ValueError(f'{function}: batch_size is {size}, at least 1 or "full" is needed')
    if drop_last and size > samples:
        raise ValueError(f"{function}: batch_size is {size} of {samples} samples: drop_last leaves no batch")
    return min(int(size), samples)


def _advice(name: str, given: Shape, needed: Shape) -> str:
    """Say how to turn the array around where it is clear what it is."""
    if len(needed) == 3:
        c, height, width = needed
        if given[1:] == (height, width, c):
            return f"; {name} looks channels last: {name}.transpose(0, 3, 1, 2)"
        if given[1:] == (width, c, height):
            return f"; {name} looks channels first, so that the model's input_shape is {given[1:]}"
        if given[1:] == (height, width) and c == 1:
            return f"; the channel axis is missing: {name}[:, None]"
    if given == needed:
        return f"; for one sample: {name}[None]"
    if len(given) > 1 and int(np.prod(given[1:])) == int(np.prod(needed)):
        return f"; {name}.reshape(-1, {', '.join(map(str, needed))}) if the order is the same"
    return ""
