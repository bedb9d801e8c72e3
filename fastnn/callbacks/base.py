"""What all callbacks have in common, and a list of them that is called as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..trainable import Trainable

Logs = dict[str, float]


class Callback:
    """Called while fit trains; a callback of one's own derives from this and overrides what it needs.

    Epochs and batches count from 0, as in Keras: the first epoch is 0 here and "epoch 1" in what is printed. A
    callback that overrides `on_batch_begin` or `on_batch_end` makes each step a call of its own, which is slower for
    small models; `on_progress` comes after every group of steps, about twenty times a second.

    An exception in a callback ends the training and reaches the caller of fit; the model is then as after the last
    whole step.

    Attributes
    ----------
    model : Sequential
        The model being trained. ``model.stop_training = True`` ends the training, ``model.lr`` is the learning rate.
    params : dict
        "epochs" (number of the last one), "steps" (of an epoch, None where not known), "metrics" (the names in logs).
    """

    model: Trainable
    params: dict[str, Any]

    # Callbacks that keep or show what the others have decided are called after them.
    runs_last: ClassVar[bool] = False
    # History then has the learning rate of each epoch, "lr".
    changes_lr: ClassVar[bool] = False

    def on_train_begin(self, logs: Logs) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs) -> None:
        """After the last epoch, and also where Ctrl-C or an exception ended the training."""

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Before an epoch's first step; not once more where training goes on in the middle of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation; `logs` has its numbers, what is added to it is in History too."""

    def on_batch_begin(self, batch: int, logs: Logs) -> None:
        """Before each step; overriding it costs speed."""

    def on_batch_end(self, batch: int, logs: Logs) -> None:
        """After each step; `logs` has the epoch's averages so far. Overriding it costs speed."""

    def on_progress(self, batch: int, logs: Logs) -> None:
        """After a group of steps, the last of them `batch`; `logs` has the epoch's averages so far."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: numbers, strings, None, lists and dicts of these, NumPy arrays."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned; called after `on_train_begin` where training is resumed."""


class CallbackList:
    """Callbacks of one call of fit, called in their order, those that run last behind the others."""

    def __init__(self, callbacks: Iterable[Callback], model: Trainable, params: dict[str, Any]) -> None:
        self.callbacks: Sequence[Callback] = sorted(check(callbacks), key=lambda callback: callback.runs_last)
        for callback in self.callbacks:
            callback.model, callback.params = model, params
        self.batch_level = any(
            _overrides(callback, "on_batch_begin") or _overrides(callback, "on_batch_end")
            for callback in self.callbacks
        )
        self.changes_lr = any(callback.changes_lr for callback in self.callbacks)
        self._begun: list[Callback] = []

    def states(self) -> list[tuple[str, dict[str, Any]]]:
        """Return class name and state of each."""
        return [(type(callback).__name__, callback.state()) for callback in self.callbacks]

    def check_restorable(self, states: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Raise ValueError where `states` are those of other callbacks."""
        needed, given = [name for name, _ in states], [type(callback).__name__ for callback in self.callbacks]
        if needed != given:
            raise ValueError(
                f"fit: callbacks are [{', '.join(given)}], those of the training to be resumed were "
                f"[{', '.join(needed)}]"
            )

    def on_train_begin(self, states: Sequence[tuple[str, dict[str, Any]]] = ()) -> None:
        """Begin, and give each callback its state where training is resumed."""
        for callback in self.callbacks:
            self._begun.append(callback)
            callback.on_train_begin({})
        for callback, (_, state) in zip(self.callbacks, states, strict=False):
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
