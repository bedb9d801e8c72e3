"""Replace a file whole or not at all, whatever happens meanwhile: a full disk, Ctrl-C, SIGKILL, a power cut."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .interrupts import held_back

if sys.platform != "win32":
    import fcntl


def check_writable(path: Path) -> None:
    """Raise the OSError that `write` would raise, before any work is done for the file.

    Parameters
    ----------
    path : Path
        Where the file is to go. Nothing is left behind.
    """
    with _errors_name(path):
        if _may_be_replaced(path):
            with held_back(), _unfinished(path.resolve()):
                pass


def write(path: Path, data: bytes) -> None:
    """Write the bytes to a file beside `path` first, which then takes its place.

    Parameters
    ----------
    path : Path
        The file; a link is followed, a device or pipe is written to directly. A file that is replaced hands on
        its permissions.
    data : bytes

    Raises
    ------
    OSError
        If it cannot be written (folder missing, no permission, disk full); what was at `path` is unchanged.
    KeyboardInterrupt
        On Ctrl-C, once the file is written.
    """
    with _errors_name(path):
        if not _may_be_replaced(path):
            path.write_bytes(data)
            return
        target = path.resolve()
        _sweep(target)
        with held_back():
            with _unfinished(target) as file:
                if target.exists():
                    os.chmod(file.name, stat.S_IMODE(target.stat().st_mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if sys.platform == "win32":
                    file.close()  # which Windows needs for renaming
                os.replace(file.name, target)
            _sync_folder(target.parent)


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


@contextmanager
def _unfinished(target: Path) -> Iterator[BinaryIO]:
    """Open a new file in the folder of `target`; it is gone at the end, unless it was renamed.

    It is locked while it is in use, so that another process can tell it from what a killed one has left.
    """
    while True:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("xb") as file:
                if _lock(file) and part.exists():  # else it was swept away before it was locked
                    yield file
                    return
        finally:
            part.unlink(missing_ok=True)


def _sweep(target: Path) -> None:
    """Remove what killed processes have left of this file; on Windows it stays."""
    if sys.platform == "win32":
        return
    names: list[str] = []
    with suppress(OSError):  # a folder that may be written and not read
        names = os.listdir(target.parent)  # at once: an iterator that Ctrl-C interrupts stays open
    for name in fnmatch.filter(names, glob.escape(f".{target.name}.") + "????????.part"):
        part = target.with_name(name)
        with suppress(OSError), part.open("rb") as file:  # in use, or gone meanwhile, or not ours to remove
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def _lock(file: BinaryIO) -> bool:
    """Lock the file until it is closed or the process ends; False where `_sweep` has locked it."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            pass
    return True


def _sync_folder(folder: Path) -> None:
    """Let the new name survive a power cut too."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that do not sync folders
                raise
        finally:
            os.close(handle)
