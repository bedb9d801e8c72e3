"""Save the model while it trains."""

from __future__ import annotations

import os
import time
from operator import methodcaller
from pathlib import Path
from typing import Any

from fastnn_kernels import _options as options

from ..atomic import check_writable
from ..container import as_path
from .base import Logs
from .monitor import Monitor


class ModelCheckpoint(Monitor):
    """Saves the model after each epoch, or also within it.

    Parameters
    ----------
    path : path
        May hold "{epoch}", counted from 1, and names of the logs, with a format: "{epoch:02d}-{val_loss:.3f}.st".
        Without these each file takes the place of the one before.
    monitor : str
        What `save_best_only` compares.
    save_best_only : bool
        Save only after epochs that are better than all before.
    mode : "auto", "min" or "max"
        Whether small or large is good; "auto" is "max" for accuracy, top_k, precision, recall, f1 and r2.
    what : "checkpoint" or "model"
        "checkpoint" (`model.save_checkpoint`) holds all that ``fit(resume=path)`` needs to go on bit for bit;
        "model" (`model.save`) is what `fastnn.load` reads.
    save_freq : "epoch" or int
        "epoch", or about how many steps pass between two checkpoints, also in the middle of an epoch: one is written at
        the end of the group of steps in which the number is reached. An epoch's end is then none by itself.
    seconds : float, optional
        Instead of `save_freq`: about how many seconds pass between two checkpoints, also in the middle of an epoch.
    """

    runs_last = True  # so that a checkpoint has what the other callbacks have decided

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: str = "auto",
        *,
        what: str = "checkpoint",
        save_freq: str | int = "epoch",
        seconds: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0.0)
        self.path = os.fspath(as_path("ModelCheckpoint", path))
        self.save_best_only = options.flag("ModelCheckpoint: save_best_only", save_best_only)
        self.what = options.choice("ModelCheckpoint: what", what, ("checkpoint", "model"))
        if save_freq != "epoch":
            if isinstance(save_freq, str):
                raise ValueError(f'ModelCheckpoint: save_freq is {save_freq!r}, "epoch" or an int is needed')
            options.integer("ModelCheckpoint: save_freq", save_freq, 1)
            if seconds is not None:
                raise ValueError("ModelCheckpoint: save_freq and seconds are both given, one is needed")
        if seconds is not None:
            seconds = float(options.number("ModelCheckpoint: seconds", seconds))
        self.save_freq, self.seconds = save_freq, seconds
        self._each_epoch = save_freq == "epoch" and seconds is None
        if save_best_only and not self._each_epoch:
            raise ValueError('ModelCheckpoint: save_best_only needs save_freq "epoch"')
        self._saved_step, self._saved_time = 0, 0.0

    def check_fit(self) -> None:
        """Refuse a number that is not measured, and a path that cannot be formatted or written to."""
        if self.save_best_only:
            super().check_fit()
        names = [*self.params["metrics"], "lr", "images_per_second"] if self._each_epoch else []
        first = Path(self._file(0, dict.fromkeys(names, 0.0)))
        if first.parent == Path(self.path).parent:  # else one that a callback may make
            check_writable(first)

    def on_train_begin(self, logs: Logs) -> None:
        """Count steps and seconds from here."""
        super().on_train_begin(logs)
        self._saved_step = self.model.training_state.step
        self._saved_time = time.monotonic()

    def on_progress(self, batch: int, logs: Logs) -> None:
        """Save within an epoch."""
        step = self.model.training_state.step
        if isinstance(self.save_freq, int):
            due = step - self._saved_step >= self.save_freq
        else:
            due = self.seconds is not None and time.monotonic() - self._saved_time >= self.seconds
        if due:
            self._saved_step = step
            self._save(self.model.training_state.finished, {})
            self._saved_time = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save after an epoch."""
        if not self._each_epoch:
            return
        if self.save_best_only:
            if not self.better(logs[self.monitor], self.best):
                return
            self.best = logs[self.monitor]
        self._save(epoch, logs)

    def state(self) -> dict[str, Any]:
        """Return the best number, and when a checkpoint was written last."""
        return {**super().state(), "saved_step": self._saved_step}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        super().restore(state)
        self._saved_step = int(state["saved_step"])

    def _save(self, epoch: int, logs: Logs) -> None:
        write = methodcaller("save" if self.what == "model" else "save_checkpoint", self._file(epoch, logs))
        write(self.model)

    def _file(self, epoch: int, logs: Logs) -> str:
        try:
            return self.path.format(epoch=epoch + 1, **logs)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            known = ", ".join(["epoch", *logs])
            raise ValueError(
                f"ModelCheckpoint: path is {self.path!r}, which cannot be formatted ({error!r}): known are {known}"
            ) from None
