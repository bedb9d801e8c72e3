"""Read the pickles of CIFAR-10's Python version without running anything that is in them.

A pickle may call any function. This reader knows three names, those of which an array is made, and puts an inert
record in the place of each: what it builds are dicts, lists, numbers, bytes and records.
"""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Record:
    """Stands for an array or its type: keeps what it was made of."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Makes records of arrays, and refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in for a name."""
        if (module.replace("_core", "core"), name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            return _Record
        raise pickle.UnpicklingError(f"asks for {module}.{name}, which has no place in images and labels")


def read_pickle(data: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the pixels, uint8 (N, 3072), and the labels, (N,), of one file.

    Raises
    ------
    ValueError
        If the bytes are no such pickle, or one that asks for anything but arrays of bytes.
    """
    try:
        content = _Reader(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # which a damaged pickle raises of every kind
        raise ValueError(f"no readable batch of CIFAR-10: {error or type(error).__name__}") from error
    if not isinstance(content, dict):
        raise ValueError(f"holds a {type(content).__name__}, a dict with data and labels is needed")
    pixels, labels = (content.get(name.encode(), content.get(name)) for name in ("data", "labels"))
    if not isinstance(labels, list) or not all(type(k) is int and 0 <= k < 256 for k in labels):
        raise ValueError("holds no list of labels")
    return _pixels(pixels), np.array(labels, dtype=np.int64)


def _pixels(record: Any) -> NDArray[Any]:
    """Make the array of which the record was kept."""
    try:
        _, shape, dtype, by_columns, raw = record.state
        rows, columns = (int(n) for n in shape)
        if dtype.arguments[0] not in (b"u1", "u1") or by_columns or len(raw) != rows * columns:
            raise ValueError("other type, order or length")
        return np.frombuffer(raw, np.uint8).reshape(rows, columns)
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"holds no array of bytes under data ({error})") from error
