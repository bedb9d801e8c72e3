"""Write the numbers of each epoch to a file."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from fastnn_kernels import _options as options

from ..atomic import check_writable
from ..container import as_path
from .base import Callback, Logs


class CSVLogger(Callback):
    """Adds a line to a CSV file after each epoch: its number, from 1, and its numbers; the first line names them.

    Each line is in the file as soon as the epoch is over. Where training is resumed, lines of epochs that are trained
    once more are taken out first.

    Parameters
    ----------
    path : path
    append : bool
        Go on with a file that is there, instead of starting it anew.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = os.fspath(as_path("CSVLogger", path))
        self.append = options.flag("CSVLogger: append", append)
        self._columns: list[str] = []
        self._size = 0  # of the file, in bytes, after the last line of this training

    def check_fit(self) -> None:
        """Refuse a file that cannot be written to."""
        path = Path(self.path)
        if path.exists():
            path.open("a").close()
        else:
            check_writable(path)

    def on_train_begin(self, logs: Logs) -> None:
        """Forget the file; it is opened when there is something to write."""
        self._columns, self._size = [], 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line."""
        if not self._columns:
            self._start(logs)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            numbers = [logs.get(name, "") for name in self._columns[1:]]
            csv.writer(file, lineterminator="\n").writerow([epoch + 1, *numbers])
            self._size = file.tell()

    def _start(self, logs: Logs) -> None:
        if self.append and os.path.exists(self.path):
            with open(self.path, newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file), [])
        if not self._columns:
            self._columns = ["epoch", *logs]
            with open(self.path, "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(self._columns)

    def state(self) -> dict[str, Any]:
        """Return how far the file is."""
        return {"columns": list(self._columns), "size": self._size}

    def restore(self, state: dict[str, Any]) -> None:
        """Cut the file to where it was; one that is not there, or shorter, is started anew."""
        columns, size = list(state["columns"]), int(state["size"])
        if columns and os.path.exists(self.path) and os.path.getsize(self.path) >= size:
            os.truncate(self.path, size)
            self._columns, self._size = columns, size
