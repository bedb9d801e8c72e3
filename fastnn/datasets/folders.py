"""The folders in which data sets are looked for."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

PathLike = str | os.PathLike[str]
SYSTEM_DATA = Path("/usr/share/datasets")


def user_cache_dir() -> Path | None:
    """Give the folder of fastnn in the user's cache, or None for a user without a home folder."""
    named = os.environ.get("XDG_CACHE_HOME")
    if not named and sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA")
    if named:
        return Path(named) / "fastnn"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "fastnn"


def places(names: Sequence[str], data_dir: PathLike | None) -> list[Path]:
    """List the folders to look in, first to last, without repetition.

    Parameters
    ----------
    names : sequence of str
        Sub-folders in which the data set may be, of each folder that holds data sets.
    data_dir : path or None
        The folder to look in first.
    """
    roots = (data_dir, os.environ.get("FASTNN_DATA") or None, user_cache_dir(), SYSTEM_DATA)
    found = [Path(root) / name for root in roots if root is not None for name in (*names, ".")]
    return list(dict.fromkeys(found))


def not_found(name: str, needed: str, looked: Sequence[str]) -> FileNotFoundError:
    """Make the error that says what is missing, where it was looked for and what to do."""
    return FileNotFoundError(
        f"{name}: {needed} not found in {'; '.join(looked)}. Give their folder as data_dir (--data-dir) or in the "
        "environment variable FASTNN_DATA, or ask for a download: download=True (--download)."
    )
