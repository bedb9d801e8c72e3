"""The files that a command writes: checked before the work, and each written even if another cannot be."""

from collections.abc import Callable
from pathlib import Path

from ..atomic import check_writable


def check(**paths: Path | None) -> None:
    """Raise for a file that cannot be written, or that is given twice.

    Raises
    ------
    OSError, ValueError
    """
    seen: dict[Path, str] = {}
    for name, path in paths.items():
        if path is None:
            continue
        check_writable(path)
        other = seen.setdefault(path.resolve(), name)
        if other != name and not path.is_char_device():
            raise ValueError(f"--{other} and --{name} are the same file: {path}")


def write_all(*files: tuple[Path | None, Callable[[Path], None]]) -> None:
    """Call the writer of each file that was asked for, and raise one OSError that names all that failed."""
    failed: list[str] = []
    for path, write in files:
        try:
            if path is not None:
                write(path)
        except OSError as error:
            failed.append(f"{path}: {error.strerror or error}")
    if failed:
        raise OSError("; ".join(failed))
