"""Stop when it gets no better, and keep the best weights."""

from __future__ import annotations

import math
from typing import Any

from fastnn_kernels import _options as options

from ..initializers import Array
from ..interrupts import held_back
from .base import Logs
from .monitor import Monitor


class EarlyStopping(Monitor):
    """Ends the training when a number has not become better for some epochs, and restores the best weights.

    The parameters and running statistics of the epoch with the best number are put back whenever the training ends:
    stopped early, at its last epoch, by Ctrl-C or by an exception. The optimizer's state stays that of the last step.

    Parameters
    ----------
    monitor : str
        Name in the logs.
    patience : int
        Epochs without an improvement after which the training ends; 0 and 1 end it at the first.
    min_delta : float
        An improvement has to be larger than this. The weights kept are those of the very best number all the same.
    mode : "auto", "min" or "max"
        Whether small or large is good; "auto" is "max" for accuracy, top_k, precision, recall, f1 and r2.

    Attributes
    ----------
    best : float
        The best number, NaN before there is one.
    best_epoch : int
        Its epoch, counted from 1; 0 before there is one.
    stopped_epoch : int
        The epoch that ended the training, counted from 1; 0 where it was not this callback.
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 0, min_delta: float = 0.0, mode: str = "auto"
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = options.integer("EarlyStopping: patience", patience, 0)
        self._reset()

    def _reset(self) -> None:
        self.best_epoch = self.stopped_epoch = self._waited = 0
        self._reference = math.nan  # the last improvement by more than min_delta
        self._weights: dict[str, Array] = {}

    def on_train_begin(self, logs: Logs) -> None:
        """Start without a best epoch."""
        super().on_train_begin(logs)
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep the weights if they are the best so far; stop when none were for too long."""
        value = logs[self.monitor]
        if not math.isnan(value) and (math.isnan(self.best) or self._sign * (self.best - value) > 0):
            with held_back():
                self.best, self.best_epoch = value, epoch + 1
                self._weights = {name: view.copy() for name, view in self._views().items()}
        if self.better(value, self._reference):
            self._reference, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped_epoch = epoch + 1
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        """Put the best weights back."""
        if not self._weights:
            return
        with held_back():
            for name, view in self._views().items():
                view[...] = self._weights[name]
            self.model.training_state.abandon_epoch()  # an interrupted one would go on with other weights

    def state(self) -> dict[str, Any]:
        """Return what is known, and the best weights."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "stopped_epoch": self.stopped_epoch,
            "waited": self._waited,
            "reference": self._reference,
            "weights": self._weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        super().restore(state)
        self.best_epoch, self.stopped_epoch = int(state["best_epoch"]), int(state["stopped_epoch"])
        self._waited, self._reference = int(state["waited"]), float(state["reference"])
        self._weights = dict(state["weights"])

    def _views(self) -> dict[str, Array]:
        return {**self.model.params, **self.model.states}
