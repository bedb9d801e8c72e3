"""What fit prints."""

from __future__ import annotations

from typing import TextIO

from ..progress import Progress, check_verbose
from .base import Callback, Logs


class ProgressBar(Callback):
    """Prints one line an epoch; fit has one of its own, as its `verbose` says, where none is given.

    Parameters
    ----------
    verbose : "auto", 1 or 2
        1 lets the line grow in place while the epoch runs, 2 prints it at the end; "auto" is 1 on a terminal and 2
        elsewhere.
    stream : text file, optional
        Standard output by default.
    """

    runs_last = True

    def __init__(self, verbose: str | int = 1, stream: TextIO | None = None) -> None:
        check_verbose("ProgressBar", verbose)
        self.verbose, self.stream = verbose, stream
        self._epoch = 0
        self._progress: Progress | None = None

    def on_train_begin(self, logs: Logs) -> None:
        """Find out whether the stream is a terminal."""
        self._progress = Progress(self.verbose, self.params["epochs"], self.stream)

    def on_progress(self, batch: int, logs: Logs) -> None:
        """Show the epoch's averages so far."""
        assert self._progress is not None
        steps = self.params["steps"]
        done = f"{(batch + 1) / steps:.0%}" if steps else f"step {batch + 1}"
        self._progress.update(self.model.training_state.finished + 1, done, logs)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Print the epoch's numbers."""
        assert self._progress is not None
        self._progress.finish(epoch + 1, logs)

    def on_train_end(self, logs: Logs) -> None:
        """End a line that an interruption left open."""
        if self._progress is not None:
            self._progress.close()
