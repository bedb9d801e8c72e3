"""Read IDX files, the format of MNIST: a magic number, the shape, then the bytes."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTE = 0x08


def unpacked(path: Path) -> bytes:
    """Give the bytes of a file, packed by gzip or plain; ValueError if it is packed and damaged."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged or truncated gzip file ({error})") from error
    return data


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, packed by gzip or plain.

    Parameters
    ----------
    path : Path
        The file; whether it is packed is seen from its first bytes, not from its name.
    ndim : int
        Number of dimensions the file must have: 3 for images, 1 for labels.

    Returns
    -------
    ndarray of uint8, read-only

    Raises
    ------
    ValueError
        If the file is no such IDX file, is shorter or longer than its header says, or is a damaged gzip file.
        The message names the file.
    """
    data = unpacked(path)
    magic = bytes((0, 0, UNSIGNED_BYTE, ndim))
    if data[:4] != magic:
        raise ValueError(
            f"{path}: starts with the bytes {data[:4].hex(' ') or '(none)'}, needed is {magic.hex(' ')} "
            f"(IDX, unsigned bytes, {ndim} dimension{'s' if ndim > 1 else ''})"
        )
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(f"{path}: truncated: {len(data)} bytes, the header alone is {start}")
    shape = tuple(int(n) for n in np.frombuffer(data, dtype=">u4", count=ndim, offset=4))
    size = math.prod(shape)
    if len(data) - start != size:
        state = "truncated" if len(data) - start < size else "too long"
        raise ValueError(f"{path}: {state}: {len(data) - start} bytes after the header, shape {shape} needs {size}")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
