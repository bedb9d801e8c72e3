"""The callbacks of one call of fit, called as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .base import Callback, Logs
from .learning_rate import LearningRateScheduler
from .progress_bar import ProgressBar


class CallbackList:
    """Callbacks of one call of fit, called in their order, those that run last behind the others.

    Parameters
    ----------
    callbacks : iterable of Callback
    verbose : "auto", 0, 1 or 2
        With a ProgressBar where it is not 0 and none is given.
    """

    def __init__(self, callbacks: Iterable[Callback], verbose: str | int) -> None:
        found = check(callbacks)
        if verbose != 0 and not any(isinstance(callback, ProgressBar) for callback in found):
            found.append(ProgressBar(verbose))
        self.callbacks: Sequence[Callback] = sorted(found, key=lambda callback: callback.runs_last)
        self.batch_level = any(
            _overrides(callback, "on_batch_begin") or _overrides(callback, "on_batch_end")
            for callback in self.callbacks
        )
        self.changes_lr = any(callback.changes_lr for callback in self.callbacks)
        self._stateful = [callback for callback in self.callbacks if _overrides(callback, "state")]
        self._begun: list[Callback] = []

    def join(self, model: Any, params: dict[str, Any]) -> None:
        """Tell each of the model and of what is planned, which it may refuse."""
        for callback in self.callbacks:
            callback.model, callback.params = model, params
        for callback in self.callbacks:
            callback.check_fit()

    @property
    def schedule(self) -> Any:
        """The schedule of a LearningRateScheduler, or None."""
        found = [c.schedule for c in self.callbacks if isinstance(c, LearningRateScheduler) and c.schedule]
        return found[-1] if found else None

    def states(self) -> list[tuple[str, dict[str, Any]]]:
        """Return class name and state of each that has one."""
        return [(type(callback).__name__, callback.state()) for callback in self._stateful]

    def check_restorable(self, states: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Raise ValueError where `states` are those of other callbacks."""
        needed, given = [name for name, _ in states], [type(callback).__name__ for callback in self._stateful]
        if needed != given:
            raise ValueError(
                f"fit: callbacks with a state are [{', '.join(given)}], those of the training to be resumed were "
                f"[{', '.join(needed)}]"
            )

    def on_train_begin(self, states: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Begin, and give each callback its state where training is resumed."""
        for callback in self.callbacks:
            self._begun.append(callback)
            callback.on_train_begin({})
        if states:
            for callback, (_, state) in zip(self._stateful, states, strict=True):
                callback.restore(state)

    def on_train_end(self) -> None:
        """End every callback that has begun, whatever the others raise; the first exception is raised last."""
        errors = []
        while self._begun:
            try:
                self._begun.pop(0).on_train_end({})
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def on_epoch_begin(self, epoch: int) -> None:
        """Begin an epoch."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, {})

    def on_epoch_end(self, epoch: int, logs: Logs, *, last: bool) -> None:
        """End an epoch for those that run last, or for the others."""
        for callback in self.callbacks:
            if callback.runs_last == last:
                callback.on_epoch_end(epoch, logs)

    def on_batch_begin(self, batch: int) -> None:
        """Begin a step."""
        for callback in self.callbacks if self.batch_level else ():
            callback.on_batch_begin(batch, {})

    def on_progress(self, batch: int, logs: Logs) -> None:
        """End a group of steps, which is a single one where a callback asks for that."""
        for callback in self.callbacks:
            if self.batch_level:
                callback.on_batch_end(batch, logs)
            callback.on_progress(batch, logs)


def check(callbacks: Any) -> list[Callback]:
    """Check what was given as callbacks."""
    if isinstance(callbacks, Callback):
        raise TypeError("fit: callbacks is a callback, a list is needed: [...]")
    try:
        found = list(callbacks)
    except TypeError:
        raise TypeError(f"fit: callbacks is {callbacks!r}, a list of callbacks is needed") from None
    for k, callback in enumerate(found):
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: callbacks[{k}] is {callback!r}, a fastnn.Callback is needed")
        if any(callback is other for other in found[:k]):
            raise ValueError(f"fit: callbacks[{k}] is given twice")
    return found


def _overrides(callback: Callback, hook: str) -> bool:
    """Tell whether a hook is another than that of `Callback`, which does nothing."""
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
