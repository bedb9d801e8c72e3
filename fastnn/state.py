"""Where training stands: everything that going on bit for bit needs besides the arrays of the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .history import History
from .initializers import Array

if TYPE_CHECKING:
    from .callbacks.callback_list import CallbackList


@dataclass
class TrainingState:
    """Progress since compile() and within the running call of fit; plain data.

    The sums of the running epoch are taken step after step, so that they do not depend on how many steps the
    interpreter got in one call.

    Attributes
    ----------
    step : int
        Optimizer steps done since compile().
    epoch : int
        Epochs trained since compile(): the number of the running epoch's permutation.
    finished : int
        Finished epochs as fit counts them, from initial_epoch.
    begun : bool
        on_epoch_begin was called for the epoch behind these.
    position : int
        Steps of the running epoch that are done.
    fit_step : int
        Steps of fit that are done, those of epochs before initial_epoch included: what schedules count.
    samples : int
        Samples in the steps of the running epoch.
    loss_sum, weight_sum : float
        Sums over these samples of their losses, and of what each counts.
    correct : float
        Correct predictions among them.
    predictions : (samples or more, *output_shape) or None
        The outputs for these samples, where a metric needs them.
    targets : (samples or more, ...) or None
        What they should be.
    lr : float or None
        Learning rate in force, which schedules start from; None is that of the optimizer.
    stopped : bool
        Training is to end; set by callbacks.
    history : History
        Of the running or last call of fit.
    callbacks : list of (str, dict)
        Class name and `state()` of each callback of the training that was interrupted; read by fit(resume=).
    source : dict
        What the position in the epoch is counted in: samples, batch size, seed of the order.
    """

    step: int = 0
    epoch: int = 0
    finished: int = 0
    begun: bool = False
    position: int = 0
    fit_step: int = 0
    samples: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    correct: float = 0.0
    predictions: Array | None = None
    targets: Array | None = None
    lr: float | None = None
    stopped: bool = False
    history: History = field(default_factory=History)
    callbacks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._running: CallbackList | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the running call of fit out of copies."""
        return {**vars(self), "callbacks": self._states(), "_running": None}

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as it is now, for `from_dict`.

        Returns
        -------
        dict
            Numbers, strings, None, lists and dicts of these; NumPy arrays as "predictions" and "targets" and in what
            callbacks keep.
        """
        plain = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        plain["history"] = {
            "epochs": list(self.history.epochs),
            "history": {name: list(values) for name, values in self.history.items()},
        }
        plain["callbacks"] = [[name, state] for name, state in self._states()]
        plain["source"] = dict(self.source)
        for name in ("predictions", "targets"):
            plain[name] = None if plain[name] is None else plain[name][: self.samples].copy()
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> TrainingState:
        """Make a state of what `as_dict` returned; KeyError and TypeError where it is something else."""
        measured = plain["history"]
        history = History(
            list(measured["epochs"]), {name: list(values) for name, values in measured["history"].items()}
        )
        callbacks = [(str(name), dict(state)) for name, state in plain["callbacks"]]
        return cls(**{**plain, "history": history, "callbacks": callbacks})

    @contextmanager
    def running(self, callbacks: CallbackList) -> Iterator[None]:
        """Let `as_dict` ask these callbacks for their states within the block."""
        self._running = callbacks
        try:
            yield
        finally:
            self._running = None
            self.callbacks = callbacks.states()

    def check_idle(self, function: str) -> None:
        """Raise RuntimeError while a call of fit runs, of a callback's or of another thread's."""
        if self._running is not None:
            raise RuntimeError(f"{function}: the model is being trained, by a call of fit that has not ended")

    def begin(self, initial_epoch: int, steps_per_epoch: int | None, source: dict[str, Any]) -> None:
        """Start a call of fit."""
        self.abandon_epoch()
        self.epoch = max(self.epoch, initial_epoch)
        self.finished = initial_epoch
        self.fit_step = initial_epoch * (steps_per_epoch or 0)
        self.stopped = False
        self.history = History()
        self.callbacks, self.source = [], source

    def check_resumable(self, source: dict[str, Any], epochs: int) -> None:
        """Raise ValueError where training cannot go on with batches from this source, up to this epoch."""
        if self.source and source != self.source:
            raise ValueError(f"fit: the training to be resumed had {_words(self.source)}, given are {_words(source)}")
        if epochs < self.finished:
            raise ValueError(f"fit: epochs is {epochs}, the training to be resumed has finished {self.finished}")

    def abandon_epoch(self) -> None:
        """Forget how far the running epoch was, so that it starts over."""
        self.fit_step -= self.position
        self.begun = False
        self.position = self.samples = 0
        self.loss_sum = self.weight_sum = self.correct = 0.0
        self.predictions = self.targets = None

    def record(self, results: Array, sizes: Array, weights: Array) -> None:
        """Add steps of the running epoch.

        Parameters
        ----------
        results : (steps, 2)
            Mean loss and correct predictions of each.
        sizes, weights : (steps,)
            Samples of each, and the sum of what they count.
        """
        steps = len(results)
        self.step += steps
        self.position += steps
        self.fit_step += steps
        self.samples += int(sizes.sum())
        self.loss_sum = _add(self.loss_sum, results[:, 0] * weights)
        self.weight_sum = _add(self.weight_sum, weights)
        self.correct += float(results[:, 1].sum())

    def collect(self, targets: Array, output_shape: tuple[int, ...], dtype: Any, whole: int | None) -> Array:
        """Keep the targets of the samples of the next steps, and return room for their outputs.

        `whole` is the number of samples of an epoch, where it is known. Targets of another shape than those before
        raise ValueError: a generator may mix labels and rows of shares.
        """
        if self.targets is not None and self.targets.shape[1:] != targets.shape[1:]:
            raise ValueError(
                f"fit: targets have shape {targets.shape} after ones of shape "
                f"({', '.join(['N', *map(str, self.targets.shape[1:])])}) in one epoch: metrics need one kind"
            )
        n = self.samples + len(targets)
        self.predictions = _with_room(self.predictions, n, whole, (output_shape, dtype))
        self.targets = _with_room(self.targets, n, whole, (targets.shape[1:], targets.dtype))
        self.targets[self.samples : n] = targets
        return self.predictions[self.samples : n]

    def _states(self) -> list[tuple[str, dict[str, Any]]]:
        """Return class name and `state()` of each callback that has one."""
        return self.callbacks if self._running is None else self._running.states()

    def finish_epoch(self) -> None:
        """Count the running epoch as finished."""
        self.finished += 1
        self.epoch += 1
        done = self.position
        self.abandon_epoch()
        self.fit_step += done


def _add(start: float, values: Array) -> float:
    """Add one after the other, as a loop would; NumPy's `sum` goes by pairs, which depend on how many there are."""
    return float(np.add.accumulate(np.concatenate([[start], values]))[-1])


def _words(source: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in source.items())


def _with_room(array: Array | None, n: int, whole: int | None, like: tuple[tuple[int, ...], Any]) -> Array:
    """Return the array with at least `n` rows, or a larger one that starts with its rows."""
    if array is not None and len(array) >= n:
        return array
    shape, dtype = like
    larger = np.empty((max(n, whole or 2 * n), *shape), dtype)
    if array is not None:
        larger[: len(array)] = array
    return larger
