"""Whether a number is better than those before."""

from __future__ import annotations

import math
from typing import Any

from fastnn_kernels import _options as options

from .base import Callback, Logs

MODES = ("auto", "min", "max")
# What grows as a model gets better, by the beginning of its name; all else is to be small.
_LARGE_IS_GOOD = ("accuracy", "top_k", "precision", "recall", "f1", "r2")


def large_is_good(monitor: str, mode: str) -> bool:
    """Tell whether a number grows as a model gets better; `mode` is one of MODES."""
    return monitor.removeprefix("val_").startswith(_LARGE_IS_GOOD) if mode == "auto" else mode == "max"


class Monitor(Callback):
    """A callback that watches a number of the logs, and knows the best one.

    Parameters
    ----------
    monitor : str
        Name in the logs.
    mode : "auto", "min" or "max"
        Whether small or large is good; "auto" is "max" for accuracy, top_k, precision, recall, f1 and r2.
    min_delta : float
        A smaller change is none.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        name = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(f"{name}: monitor is {monitor!r} ({type(monitor).__name__}), a name is needed")
        options.choice(f"{name}: mode", mode, MODES)
        self.monitor, self.mode = monitor, mode
        self.min_delta = float(options.number(f"{name}: min_delta", min_delta))
        self._sign = -1.0 if large_is_good(monitor, mode) else 1.0
        self.best = math.nan

    def check_fit(self) -> None:
        """Refuse a number that is not measured."""
        measured = self.params["metrics"]
        if self.monitor not in measured:
            hint = ": give fit validation_data or validation_split" if self.monitor.startswith("val_") else ""
            raise ValueError(
                f"{type(self).__name__}: monitor is {self.monitor!r}, measured are {', '.join(measured)}{hint}"
            )

    def on_train_begin(self, logs: Logs) -> None:
        """Start without a best number."""
        self.best = math.nan

    def better(self, value: float, than: float) -> bool:
        """Tell whether `value` is better by more than `min_delta`; NaN never is, and anything is than NaN."""
        if math.isnan(value):
            return False
        return math.isnan(than) or self._sign * (than - value) > self.min_delta

    def state(self) -> dict[str, Any]:
        """Return the best number."""
        return {"best": self.best}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.best = float(state["best"])
