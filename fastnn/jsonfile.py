"""Write a JSON file whole or not at all."""

import json
import math
from pathlib import Path
from typing import Any

from . import atomic
from .atomic import check_writable

__all__ = ["as_text", "check_writable", "write"]


def write(path: Path, value: Any) -> None:
    """Write `value` as JSON, as `atomic.write` does.

    Parameters
    ----------
    path : Path
    value : Any
        What `as_text` takes.

    Raises
    ------
    OSError
        If it cannot be written (folder missing, no permission, disk full); what was at `path` is unchanged.
    """
    atomic.write(path, (as_text(value) + "\n").encode())


def as_text(value: Any) -> str:
    """Express dicts, lists, strings, paths and numbers as JSON; NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


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
