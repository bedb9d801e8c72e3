"""What all callbacks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from ..model import Sequential

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

    model: Sequential
    params: dict[str, Any]

    # Callbacks that keep or show what the others have decided are called after them.
    runs_last: ClassVar[bool] = False
    # History then has the learning rate of each epoch, "lr".
    changes_lr: ClassVar[bool] = False

    def check_fit(self) -> None:
        """Before anything is changed: raise where this callback, or what is planned, cannot work."""

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
