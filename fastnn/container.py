"""The file format of models and checkpoints: a safetensors file with one JSON value in its metadata.

The value describes the model, and has a checksum of every array and of itself, so that no changed bit goes unseen.
What a file says is checked before anything of its size is allocated, and nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastnn_kernels import __version__

from . import atomic
from .initializers import Array

# Names of the arrays, their places and the description. A header is parsed as a whole, which takes many times its
# size in memory: a model of a thousand layers needs half of one MiB.
MAX_HEADER = 8 * 2**20
_FORMAT = 1
_KEY = "fastnn"
_LENGTH = 8  # the file starts with the length of the header, a little-endian integer of 8 bytes
# Those of NumPy's that a file may hold.
DTYPES: dict[str, np.dtype[Any]] = {
    **{f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
}

Declared = dict[str, tuple[np.dtype[Any] | str, tuple[int, ...]]]


def as_path(function: str, path: Any) -> Path:
    """Check the path of a file."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{function}: path is {path!r} ({type(path).__name__}), a path is needed")
    return Path(path)


def write(path: Path, arrays: Mapping[str, Array], description: Any) -> None:
    """Write arrays and a JSON value, whole or not at all: `atomic.write`."""
    from safetensors.numpy import save  # what does not save need not load it

    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    value = {
        "format": _FORMAT,
        "fastnn": __version__,
        "content": description,
        "arrays": {name: zlib.crc32(array.data) for name, array in whole.items()},
    }
    data = save(whole, {_KEY: _text({**value, "crc32": _checksum(value)})})
    header = int.from_bytes(data[:_LENGTH], "little")
    if header > MAX_HEADER:
        raise ValueError(f"{path}: the description takes {header} bytes, at most {MAX_HEADER} can be saved")
    atomic.write(path, data)


class Reader:
    """An open file: what it declares, and its arrays one at a time.

    Attributes
    ----------
    description : any JSON value
    declared : dict of str to (dtype, shape)
        The arrays that are there, all of them within the file; an unknown dtype is a string.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        text = (file.metadata() or {}).get(_KEY)
        if text is None:
            raise ValueError(f"there is no {_KEY!r} in its metadata: it is no model that fastnn has saved")
        self.description, self._checksums = _unwrap(_parse(text))
        self.declared: Declared = {}
        for name in file.keys():
            part = file.get_slice(name)
            dtype: str = part.get_dtype()
            self.declared[name] = DTYPES.get(dtype, dtype), tuple(part.get_shape())
        if self.declared.keys() != self._checksums.keys():
            raise ValueError("its arrays have other names than when it was saved")

    def read(self, name: str) -> Array:
        """Return one of the declared arrays, of a dtype that NumPy has."""
        array = np.asarray(self._file.get_tensor(name))
        if zlib.crc32(array.data) != self._checksums[name]:
            raise ValueError(f"array {name!r} is damaged: its checksum is another one")
        return array


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """Open a file that `write` has made, or that claims to be one.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is something else, or damaged; here and in the block, without the file's name.
    """
    from safetensors import SafetensorError, safe_open

    _check_header(path)
    try:
        # pread: a file in memory that somebody else cuts short ends the process.
        with safe_open(path, framework="np", backend="pread") as file:
            yield Reader(file)
    except SafetensorError as error:
        raise ValueError(f"no whole safetensors file: {error}") from None
    except RecursionError:
        raise ValueError("its description is nested too deeply") from None


def _check_header(path: Path) -> None:
    """Refuse what is no file, and a header that is too large to be parsed or for the file."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no file")
    with path.open("rb") as file:
        start = file.read(_LENGTH)
    header = int.from_bytes(start, "little")
    if len(start) < _LENGTH or not 2 <= header <= status.st_size - _LENGTH:
        raise ValueError(f"no safetensors file, or cut off: {status.st_size} bytes, a header of {header} bytes")
    if header > MAX_HEADER:
        raise ValueError(f"its header has {header} bytes, at most {MAX_HEADER} are read")


def _unwrap(value: Any) -> tuple[Any, dict[str, int]]:
    """Check what surrounds the description; return that, and the checksums of the arrays."""
    if not isinstance(value, dict) or not isinstance(value.get("format"), int):
        raise ValueError("its description has no format")
    if value["format"] != _FORMAT:
        raise ValueError(
            f"it has format {value['format']}, this version reads {_FORMAT}: it was written by fastnn "
            f"{value.get('fastnn')}"
        )
    checksum = value.pop("crc32", None)
    if checksum != _checksum(value):
        raise ValueError("its description is damaged: its checksum is another one")
    if not isinstance(value.get("arrays"), dict):
        raise ValueError("its description has no checksums of arrays")
    return value.get("content"), value["arrays"]


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _checksum(value: Any) -> int:
    return zlib.crc32(_text(value).encode())


def _parse(text: str) -> Any:
    """Parse JSON as the standard has it, without names that come twice and NaN."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise ValueError(f"its description is no JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in found if names.count(name) > 1)!r} comes twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
