"""One thread for NumPy's products, so that twins on one thread are compared with kernels on one thread."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

FOLDERS = ("numpy.libs", "numpy/.dylibs")  # where wheels of NumPy keep their OpenBLAS
NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")


@contextmanager
def one_thread() -> Iterator[bool]:
    """Let BLAS run on one thread meanwhile; give whether it does: where its library is not known it stays as it is."""
    library = _library()
    if library is None:
        yield False
        return
    get, put = library
    before = get()
    put(1)
    try:
        yield True
    finally:
        put(before)


@functools.cache
def _library() -> tuple[Any, Any] | None:
    """Find the functions that get and set the number of threads."""
    packages = Path(np.__file__).parent.parent
    for file in (found for folder in FOLDERS for found in packages.joinpath(folder).glob("*openblas*")):
        library = ctypes.CDLL(str(file))  # the one that is loaded already
        for name in NAMES:
            get = getattr(library, name.format("get_num_threads"), None)
            put = getattr(library, name.format("set_num_threads"), None)
            if get is not None and put is not None:
                return get, put
    return None
