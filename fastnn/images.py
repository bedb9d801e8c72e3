"""Samples as the interpreter reads them: which arrays go in as they are, and how the others are made so."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import inputs
from .initializers import Array
from .inputs import Shape

# Read as they are and cast to the model's dtype on the way, uint8 as value / 255.
READ_DTYPES = (np.uint8, np.float32, np.float64)
# Arrays that would take more than this are not copied as a whole: each call gets a copy of its samples.
STAGED_BYTES = 2**28


def check(function: str, name: str, value: Any, shape: Shape, dtype: np.dtype[Any], *, staged: bool = False) -> Array:
    """Check samples (N, *shape), N >= 1; return them as the interpreter reads them.

    C-contiguous arrays of uint8, float32 and float64, memory maps too, come back as they are, others as a copy. With
    `staged` a large one is returned as it is, for `readable` to be called with the samples of each call.
    """
    array = inputs.check_shape(function, name, value, shape)
    if staged and not is_readable(array) and array.size * _read_dtype(array, dtype).itemsize > STAGED_BYTES:
        return array
    return readable(array, dtype)


def is_readable(array: Array) -> bool:
    """Tell whether the interpreter can read this array as it lies in memory."""
    return array.dtype in READ_DTYPES and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned


def readable(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return the array, or a copy that the interpreter of a model of `dtype` can read."""
    return np.require(array, _read_dtype(array, dtype), ["C", "A"])


def _read_dtype(array: Array, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that the array keeps or is to get."""
    native = array.dtype.newbyteorder("=")
    return native if native in READ_DTYPES else dtype
