"""How arrays are handed to compiled code: one type each, so that one signature serves all."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


class _Alias:
    """The memory of an array under another description."""

    def __init__(self, array: Array, interface: dict[str, Any]) -> None:
        self.array = array  # keeps the memory alive
        self.__array_interface__ = interface


def writeable_alias(array: Array) -> Array:
    """Return the array itself, or the same memory declared writeable.

    To Numba a read-only array is another type, and each kernel would compile and cache once more for it. Only for
    arguments that the compiled code does not write.
    """
    if array.flags.writeable:
        return array
    interface = dict(array.__array_interface__)
    interface["data"] = (interface["data"][0], False)
    return np.asarray(_Alias(array, interface))


def flat_alias(array: Array) -> Array:
    """Return the elements of a C-contiguous array, flat, and declared writeable."""
    return writeable_alias(array).reshape(-1)


def as_bytes(array: Array) -> Array:
    """Return the memory of a C-contiguous array as flat bytes."""
    return flat_alias(array).view(np.uint8)


# Bytes of a cache line, and of an array from which on its start matters.
_LINE, _MANY = 64, 1 << 14


def aligned_zeros(size: int, dtype: DTypeLike) -> Array:
    """Zeros that start with a cache line: a vector then lies in one."""
    dtype = np.dtype(dtype)
    return _aligned(np.zeros(size * dtype.itemsize + _LINE, np.uint8), size, dtype)


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Allocate an array that, unless it is small, starts with a cache line."""
    dtype = np.dtype(dtype)
    size = math.prod(shape)
    if size * dtype.itemsize < _MANY:
        return np.empty(shape, dtype)
    return _aligned(np.empty(size * dtype.itemsize + _LINE, np.uint8), size, dtype).reshape(shape)


def _aligned(raw: Array, size: int, dtype: np.dtype[Any]) -> Array:
    start = -raw.ctypes.data % _LINE
    return raw[start : start + size * dtype.itemsize].view(dtype)
