"""Callbacks of a few lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .base import Callback, Logs


class TerminateOnNaN(Callback):
    """Ends the training when the loss is NaN or infinite, at the end of the group of steps in which it is.

    The epoch is then over: it is validated, and stands in History with this loss.
    """

    def on_progress(self, batch: int, logs: Logs) -> None:
        """Look at the epoch's loss so far."""
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


class LambdaCallback(Callback):
    """Calls functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end, on_batch_begin, on_batch_end, on_progress : callable, optional
        ``f(number, logs)``: the hooks of `Callback`.
    on_train_begin, on_train_end : callable, optional
        ``f(logs)``.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_batch_end: Callable[[int, Logs], Any] | None = None,
        on_progress: Callable[[int, Logs], Any] | None = None,
    ) -> None:
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_progress": on_progress,
        }
        for name, hook in hooks.items():
            if hook is not None:
                if not callable(hook):
                    raise TypeError(f"LambdaCallback: {name} is {hook!r}, a function is needed")
                setattr(self, name, hook)
