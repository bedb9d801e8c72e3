"""Where compiled code is kept between runs.

Numba stamps a cached function with the file that defines it, so an edit in a file it calls into would leave it
stale: our stamp covers every source file of this package, the lane width and the version. The folder is the
package's ``__pycache__``, or one in the user's cache folder where the package is read-only; where neither can be
written there is no cache, and everything still works.
"""

import functools
import glob
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

from ._version import __version__

# The user's choice of a folder; `_jit.py` reads it from Numba's settings.
CHOSEN: dict[str, str] = {}
_PACKAGE = Path(__file__).resolve().parent


@functools.cache
def source_stamp() -> str:
    """Hash of everything compiled code depends on besides its own signature and the CPU."""
    stamp = hashlib.sha256(f"{__version__} {numba.__version__}".encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        stamp.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes())
    return stamp.hexdigest()


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fastnn" / hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:12]


@functools.cache
def cache_folder() -> Path | None:
    """Folder of the cache, or None where nothing is writable."""
    candidates: list[Callable[[], Path]] = [lambda: _PACKAGE / "__pycache__", _user_cache]
    if (chosen := CHOSEN.get("folder")) is not None:
        candidates.insert(0, lambda: Path(chosen) / "fastnn_kernels")
    for candidate in candidates:
        try:
            folder = candidate()
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except (OSError, RuntimeError):  # RuntimeError: no home folder
            continue
        return folder
    return None


class _Locator(caching._CacheLocator):
    def __init__(self, folder: Path, line: int) -> None:
        self._folder, self._line = folder, line

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "_Locator | None":
        folder = cache_folder()
        return None if folder is None else cls(folder, py_func.__code__.co_firstlineno)


class _Impl(caching.CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _File(caching.IndexDataCacheFile):
    """Names data files by their key.

    Numba numbers them, and two processes that save different signatures at once can then pick one number: the
    index of the one pairs with the data of the other. With a name of its own each key finds its own data or none.
    """

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:
            return {}  # damaged: written anew

    def _remove_outdated(self) -> None:
        """Remove what other sources compiled to, which nothing would ever read again."""
        kept = set(self._load_index().values())
        for path in Path(self._cache_path).glob(f"{glob.escape(self._index_name[:-4])}.*.nbc"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def save(self, key: Any, data: Any) -> None:
        digest = hashlib.sha256(repr((key, self._source_stamp)).encode()).hexdigest()[:16]
        name = f"{self._index_name[:-4]}.{digest}.nbc"
        overloads = self._load_index()
        if not overloads:
            self._remove_outdated()
        self._save_data(name, data)
        overloads[key] = name
        self._save_index(overloads)


class _Cache(caching.FunctionCache):
    _impl_class = _Impl

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._cache_file = _File(self._cache_path, self._impl.filename_base, source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception:
            found = None  # a damaged file is a miss, and is written anew
        STATISTICS["misses" if found is None else "hits"] += 1
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            STATISTICS["unsaved"] += 1  # a full disk costs the next start-up, never this call


# What the cache did in this process; `fastnn_kernels.config()` shows it and tests read it.
STATISTICS = {"hits": 0, "misses": 0, "unsaved": 0}


def _closes_over_a_function(function: Callable[..., Any]) -> bool:
    """Whether it calls a function that it was made with: such a closure is never found again, and each run adds one."""
    return any(hasattr(cell.cell_contents, "py_func") for cell in function.__closure__ or ())


def attach(compiled: Any, function: Callable[..., Any]) -> Any:
    """Give a dispatcher or C callback its cache, where there is a folder for it and it is all ours."""
    ours = Path(function.__code__.co_filename).resolve().is_relative_to(_PACKAGE)
    if ours and not _closes_over_a_function(function) and cache_folder() is not None:
        compiled._cache = _Cache(function)
    return compiled
