"""The loop over epochs and steps; every argument has been checked by the model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn_kernels.augmentation import Augmentation

from . import evaluation, metrics
from .augment import mixed_targets
from .callbacks.base import Logs
from .callbacks.callback_list import CallbackList
from .engine import Engine
from .initializers import Array
from .interrupts import held_back
from .losses import Loss
from .metrics import Metric
from .pacer import Pacer
from .sources import Part, Source
from .state import TrainingState


@dataclass(frozen=True)
class Plan:
    """What one call of fit is to do.

    Attributes
    ----------
    source, validation : Source
    epochs : int
        Number of the last epoch.
    lr : float
        The optimizer's learning rate.
    schedule : object or None
        Its method `rates` gives the learning rate of each step.
    loss : Loss
    metrics : tuple of Metric
    quiet : bool
        Print nothing, not even that kernels are compiled.
    augmentation : tuple of Augmentation
        What changes the images before each step.
    """

    source: Source
    validation: Source | None
    epochs: int
    lr: float
    schedule: Any
    loss: Loss
    metrics: tuple[Metric, ...]
    quiet: bool
    augmentation: tuple[Augmentation, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What a training that is resumed must have had as well, besides the model; of plain data."""
        steps = [str(step) for step in self.augmentation]
        return self.source.settings | ({"augment": steps} if steps else {})

    def rates(self, lr: float, first: int, steps: int) -> Array:
        """Return the learning rates of steps of fit, which start from `lr`."""
        epoch = self.source.steps
        return rates(self.schedule, lr, first, steps, epoch, None if epoch is None else epoch * self.epochs)


class Loop:
    """Runs a plan from where the state stands; whatever ends it, the state is that of whole steps."""

    def __init__(self, engine: Engine, state: TrainingState, plan: Plan, callbacks: CallbackList) -> None:
        self.engine, self.state, self.plan, self.callbacks = engine, state, plan, callbacks
        self.pacer = Pacer(1 if callbacks.batch_level else plan.source.most)
        self.collects = metrics.need_predictions(plan.metrics)

    def run(self) -> None:
        """Train up to the last epoch, or until a callback stops it."""
        with self.state.running(self.callbacks):
            try:
                self.callbacks.on_train_begin(self.state.callbacks)
                while self.state.finished < self.plan.epochs and (self.state.begun or not self.state.stopped):
                    self._epoch()  # one that was begun is ended also where it was stopped
            finally:
                self.callbacks.on_train_end()

    def _epoch(self) -> None:
        """Train the rest of the running epoch, or the next one; validate; tell everybody."""
        state, plan = self.state, self.plan
        epoch = state.finished
        if not state.begun:
            with held_back(insist=True):  # what callbacks do, and that they have done it, belong together
                self.callbacks.on_epoch_begin(epoch)
                state.begun = True
        speed = self._steps()
        if state.samples == 0:  # stopped before the first step
            state.abandon_epoch()
            return
        plan.source.finish()
        logs = self._averages(state.predictions, state.targets)
        if plan.validation is not None:
            found = evaluation.evaluate(self.engine, plan.validation, plan.loss, plan.metrics, quiet=plan.quiet)
            logs |= {f"val_{name}": value for name, value in found.items()}
        if plan.schedule is not None or self.callbacks.changes_lr:
            logs["lr"] = float(self._rates(1, state.fit_step - 1)[0])
        logs["images_per_second"] = speed
        with held_back(insist=True):
            state.finish_epoch()
            state.history.add(epoch + 1, logs)
            self.callbacks.on_epoch_end(epoch, logs, last=False)
            state.history.amend(logs)
            self.callbacks.on_epoch_end(epoch, logs, last=True)

    def _steps(self) -> float:
        """Do the steps that the running epoch still needs; return images a second, without calls that compiled."""
        state, source = self.state, self.plan.source
        began = time.perf_counter()
        first = state.samples
        cold_samples, cold_seconds = 0, 0.0
        source.start(state.epoch, state.position)
        while not state.stopped and (source.steps is None or state.position < source.steps):
            part = source.take(self.pacer.steps)
            if part is None:
                break
            self.callbacks.on_batch_begin(state.position)
            room = None
            if self.collects:
                targets = mixed_targets(self.plan.augmentation, part.targets, part.batch_size, state.step + 1)
                room = state.collect(targets, self.engine.output_shape, self.engine.dtype, source.samples)
            compiled, start = self.engine.compile_seconds, time.perf_counter()
            rates = self._rates(part.steps, state.fit_step)
            train(
                self.engine, state, part, rates, quiet=self.plan.quiet, predictions=room,
                augmentation=self.plan.augmentation, weight_sums=part.weight_sums(self.plan.loss),
            )  # fmt: skip
            elapsed = time.perf_counter() - start
            if self.engine.compile_seconds > compiled:
                cold_samples, cold_seconds = cold_samples + len(part.order), cold_seconds + elapsed
            else:
                self.pacer.record(part.steps, elapsed)
            self.callbacks.on_progress(state.position - 1, self._averages())
        done, seconds = state.samples - first, time.perf_counter() - began
        # Resumed where only the validation was missing, there is nothing to go by at all.
        if done > cold_samples:  # an epoch of one call has nothing else to go by
            return (done - cold_samples) / (seconds - cold_seconds)
        return done / seconds

    def _averages(self, outputs: Array | None = None, targets: Array | None = None) -> Logs:
        """Return the averages so far, and with the outputs the metrics that need them."""
        state, n = self.state, self.state.samples
        if outputs is not None and targets is not None:
            outputs, targets = outputs[:n], targets[:n]
        return evaluation.averages(
            self.plan.metrics, state.loss_sum, state.weight_sum, state.correct, n, outputs, targets
        )

    def _rates(self, steps: int, first: int) -> Array:
        lr = self.plan.lr if self.state.lr is None else self.state.lr
        return self.plan.rates(lr, first, steps)


def rates(
    schedule: Any, lr: float, first: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
) -> Array:
    """Return the learning rates of steps, the first of them `first`, counted from 0; check those of a schedule."""
    if schedule is None:
        return np.full(steps, lr)
    found = np.asarray(schedule.rates(lr, first, steps, steps_per_epoch, total_steps), np.float64)
    if found.shape != (steps,) or not np.isfinite(found).all() or (found < 0).any():
        raise ValueError(
            f"fit: the schedule {schedule!r} gave {found} for steps {first} to {first + steps - 1}, needed are "
            f"{steps} finite numbers of at least 0"
        )
    return found


def train(
    engine: Engine,
    state: TrainingState,
    part: Part,
    rates: Array,
    *,
    predictions: Array | None = None,
    augmentation: tuple[Augmentation, ...] = (),
    quiet: bool = False,
    weight_sums: Array | None = None,
) -> Array:
    """Train on the batches of a part in one call; arrays and state change together or not at all.

    `predictions` receives the outputs; images are changed by `augmentation` first.
    `weight_sums` (steps,) is what each step counts in the epoch's loss; without it they are no part of an epoch.
    """
    args = part.x, part.y, part.order, part.batch_size, state.step + 1, rates
    given: dict[str, Any] = {
        "sample_weight": part.weights, "predictions": predictions, "augmentation": augmentation or None,
    }  # fmt: skip

    def told(results: Array) -> Array:
        if weight_sums is not None:
            state.record(results, part.sizes, weight_sums)
        else:
            state.step += part.steps
        return results

    if engine.backend == "compiled" and not engine.compiles("train", *args, **given):
        with held_back():
            try:
                return told(engine.call("train", *args, **given))
            except Exception as error:  # also of a user's op or loss, of any type
                # Steps before the one that an op refused have changed the parameters, but have told no loss.
                state.step += getattr(error, "steps", 0)
                state.abandon_epoch()
                raise
    # Compiling, and NumPy, may take seconds: let Ctrl-C through and undo what it cut in two. A copy of the
    # arrays before each call would be too dear for short compiled calls.
    before = vars(state).copy()
    try:
        with engine.memory.restored_on_error():
            return told(engine.call("train", *args, quiet=quiet, **given))
    except BaseException:
        vars(state).update(before)
        raise
