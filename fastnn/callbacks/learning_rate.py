"""Change the learning rate between epochs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastnn_kernels import _options as options

from .base import Callback, Logs
from .monitor import Monitor


class LearningRateScheduler(Callback):
    """Sets the learning rate.

    Parameters
    ----------
    schedule : callable or Schedule
        A function ``f(epoch)`` or ``f(epoch, lr)`` is called before each epoch, counted from 0, and returns its rate. A
        schedule of `fastnn.schedules` gives each step its rate, in place of the optimizer's.
    """

    changes_lr = True

    def __init__(self, schedule: Callable[..., float] | Any) -> None:
        self.schedule = None
        if callable(getattr(schedule, "rates", None)) and not isinstance(schedule, type):
            self.schedule = schedule
        elif not callable(schedule) or isinstance(schedule, type):
            raise TypeError(
                f"LearningRateScheduler: schedule is {schedule!r}, a function of the epoch or a schedule is needed"
            )
        else:
            self._function = schedule
            self._takes_lr = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Ask the function."""
        if self.schedule is None:
            rate = self._function(epoch, self.model.lr) if self._takes_lr else self._function(epoch)
            self.model.lr = options.number("LearningRateScheduler: the rate of the function", rate)


def _takes_two(function: Callable[..., float]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except (TypeError, ValueError):
        return False
    return True


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by a factor when a number has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        Name in the logs.
    factor : float
        0 < factor < 1.
    patience : int
        Epochs without an improvement after which the rate is reduced.
    min_delta : float
        An improvement has to be larger than this.
    mode : "auto", "min" or "max"
        Whether small or large is good; "auto" is "max" for accuracy, top_k, precision, recall, f1 and r2.
    cooldown : int
        Epochs after a reduction that do not count.
    min_lr : float
        The rate is never made smaller than this.
    """

    changes_lr = True

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        mode: str = "auto",
        *,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        name = "ReduceLROnPlateau"
        self.factor = float(options.number(f"{name}: factor", factor, below=1.0))
        if self.factor == 0:
            raise ValueError(f"{name}: factor is 0, needed: 0 < factor < 1")
        self.patience = options.integer(f"{name}: patience", patience, 0)
        self.cooldown = options.integer(f"{name}: cooldown", cooldown, 0)
        self.min_lr = float(options.number(f"{name}: min_lr", min_lr))
        self._waited = self._resting = 0

    def on_train_begin(self, logs: Logs) -> None:
        """Start without a best number."""
        super().on_train_begin(logs)
        self._waited = self._resting = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Reduce the rate when it got no better for too long."""
        if self._resting:
            self._resting -= 1
            self._waited = 0
        value = logs[self.monitor]
        if self.better(value, self.best):
            self.best, self._waited = value, 0
        elif not self._resting:
            self._waited += 1
            lr = self.model.lr
            if self._waited >= self.patience and lr > self.min_lr:
                self.model.lr = max(lr * self.factor, self.min_lr)
                self._resting, self._waited = self.cooldown, 0

    def state(self) -> dict[str, Any]:
        """Return what is known."""
        return {**super().state(), "waited": self._waited, "resting": self._resting}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        super().restore(state)
        self._waited, self._resting = int(state["waited"]), int(state["resting"])
