"""Write a JSON file whole or not at all."""

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def check_writable(path: Path) -> None:
    """Raise the OSError that `write` would raise, before any work is done for the file.

    Parameters
    ----------
    path : Path
        Where the file is to go. Nothing is left behind.
    """
    with _errors_name(path):
        if _may_be_replaced(path):
            part = _part_of(path)
            part.open("x").close()
            part.unlink()


def write(path: Path, value: Any) -> None:
    """Write `value` as JSON: to a file beside `path` first, which then takes its place.

    Parameters
    ----------
    path : Path
        The file; a link is followed, a device or pipe is written to directly.
    value : Any
        What `as_text` takes.

    Raises
    ------
    OSError
        If it cannot be written (folder missing, no permission, disk full); what was at `path` is unchanged.
    """
    text = as_text(value) + "\n"
    with _errors_name(path):
        if not _may_be_replaced(path):
            path.write_text(text, encoding="utf-8")
            return
        part = _part_of(path)
        try:
            with part.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path.resolve())
        finally:
            part.unlink(missing_ok=True)


def as_text(value: Any) -> str:
    """Express dicts, lists, strings, paths and numbers as JSON; NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Let errors name the file that was asked for, not the unfinished one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _may_be_replaced(path: Path) -> bool:
    """Tell a file, old or new, from a device; raise for a folder or a file that may not be written."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        path.open("a").close()
    return stat.S_ISREG(mode)


def _part_of(path: Path) -> Path:
    """Name the unfinished file, in the same folder as the file itself."""
    target = path.resolve()
    return target.with_name(f".{target.name}.{os.getpid()}.part")


def _plain(value: Any) -> Any:
    """Turn paths and NumPy numbers into what JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int):
        return value
    return float(value) if math.isfinite(value) else None
