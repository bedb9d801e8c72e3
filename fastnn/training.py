"""The loops over epochs, steps and batches; every argument has been checked by the model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import metrics
from .engine import Engine
from .history import History
from .initializers import Array
from .interrupts import held_back
from .metrics import Metric
from .progress import Progress


@dataclass
class Counters:
    """Where training stands since compile(): optimizer steps done, and epochs finished."""

    step: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Plan:
    """What one call of fit is to do."""

    x: Array
    y: Array
    validation: tuple[Array, Array] | None
    epochs: range
    batch_size: int
    drop_last: bool
    shuffle_seed: int | None
    lr: float
    metrics: tuple[Metric, ...]
    verbose: str | int

    def order(self, epoch: int) -> Array:
        """Return the samples of an epoch (counted from 0 since compile), in the order they are used."""
        n = len(self.x)
        if self.shuffle_seed is None:
            order = np.arange(n)
        else:
            order = np.random.default_rng((self.shuffle_seed, epoch)).permutation(n)
        return order[: n - n % self.batch_size] if self.drop_last else order


class Pacer:
    """Chooses how many steps the next call of the interpreter gets, so that it lasts about 50 ms.

    Ctrl-C and the progress line wait for the end of a call; a noisy machine may double the time.
    """

    seconds = 0.05

    def __init__(self) -> None:
        self.steps = 1

    def record(self, steps: int, seconds: float) -> None:
        """Learn from a call; grow fourfold at most, as one call may have been lucky."""
        wanted = int(self.seconds * steps / max(seconds, 1e-9))
        self.steps = max(1, min(wanted, 4 * self.steps))


def run(engine: Engine, counters: Counters, plan: Plan, history: History) -> None:
    """Train the epochs of the plan; `history` has all finished epochs, whatever ends the loop."""
    progress = Progress(plan.verbose, plan.epochs.stop)
    pacer = Pacer()
    shuffled = max(counters.epoch, plan.epochs.start)  # which permutation comes next
    try:
        for epoch in plan.epochs:
            order = plan.order(shuffled)
            values, speed = _train_epoch(engine, counters, plan, order, pacer, progress, epoch + 1)
            counters.epoch = shuffled = shuffled + 1
            if plan.validation is not None:
                found = evaluate(
                    engine, *plan.validation, plan.batch_size, plan.metrics, quiet=plan.verbose == 0
                )
                values |= {f"val_{name}": value for name, value in found.items()}
            values["images_per_second"] = speed
            history.add(epoch + 1, values)
            progress.finish(epoch + 1, values)
    finally:
        progress.close()


def _train_epoch(
    engine: Engine, counters: Counters, plan: Plan, order: Array, pacer: Pacer, progress: Progress, number: int
) -> tuple[dict[str, float], float]:
    """Train one epoch; return its averages and its images a second, without the call that compiled."""
    began = time.perf_counter()
    loss_sum = correct = 0.0
    done = cold_done = 0
    cold_seconds = 0.0
    while done < len(order):
        part = order[done : done + pacer.steps * plan.batch_size]
        cold = engine.compiles("train")
        start = time.perf_counter()
        results = train(
            engine, counters, plan.x, plan.y, part, plan.batch_size, plan.lr, quiet=plan.verbose == 0
        )
        elapsed = time.perf_counter() - start
        if cold:
            cold_done, cold_seconds = len(part), elapsed
        else:
            pacer.record(len(results), elapsed)
        sizes = np.minimum(plan.batch_size, len(part) - plan.batch_size * np.arange(len(results)))
        loss_sum += float(results[:, 0] @ sizes)
        correct += float(results[:, 1].sum())
        done += len(part)
        values = metrics.averages(loss_sum, correct, done, plan.metrics)
        progress.update(number, done / len(order), values)
    seconds = time.perf_counter() - began
    if done > cold_done:  # an epoch of one call has nothing else to go by
        return values, (done - cold_done) / (seconds - cold_seconds)
    return values, done / seconds


def train(
    engine: Engine,
    counters: Counters,
    x: Array,
    y: Array,
    order: Array,
    batch_size: int,
    lr: float,
    *,
    quiet: bool = False,
) -> Array:
    """Train on the samples of `order` in one call; arrays and step counter change together or not at all."""
    steps = -(-len(order) // batch_size)
    args = x, y, order, batch_size, counters.step + 1, np.full(steps, lr)
    if engine.backend == "compiled" and not engine.compiles("train"):
        with held_back():
            try:
                results: Array = engine.call("train", *args)
            except RuntimeError as error:
                # Steps before the one that an op refused have changed the parameters.
                counters.step += getattr(error, "steps", 0)
                raise
            counters.step += steps
        return results
    # Compiling, and NumPy, may take seconds: let Ctrl-C through and undo what it cut in two. A copy of the
    # arrays before each call would be too dear for short compiled calls.
    before = counters.step
    try:
        with engine.memory.restored_on_error():
            results = engine.call("train", *args, quiet=quiet)
            counters.step += steps
    except BaseException:
        counters.step = before
        raise
    return results


def evaluate(
    engine: Engine, x: Array, y: Array, batch_size: int, measured: tuple[Metric, ...], *, quiet: bool = False
) -> dict[str, float]:
    """Return the mean loss and the metrics."""
    loss_sum = correct = 0.0
    for part in _parts(engine, "evaluate", len(x), batch_size):
        loss, right = engine.call("evaluate", x[part], y[part], batch_size, quiet=quiet)
        loss_sum += loss
        correct += right
    predictions = None
    if metrics.need_predictions(measured):
        predictions = predict(engine, x, batch_size, engine.output_shape)
    return metrics.averages(loss_sum, correct, len(x), measured, predictions, y)


def predict(engine: Engine, x: Array, batch_size: int, output_shape: tuple[int, ...]) -> Array:
    """Return the last layer's output (N, ...)."""
    y = np.empty((len(x), *output_shape), x.dtype)
    for part in _parts(engine, "forward", len(x), batch_size):
        y[part] = engine.call("forward", x[part], batch_size)
    return y


def _parts(engine: Engine, method: str, samples: int, batch_size: int) -> Iterator[slice]:
    """Cut the samples into calls of about the same length in time; each is timed while it is used."""
    pacer = Pacer()
    first = 0
    while first < samples:
        part = slice(first, min(samples, first + pacer.steps * batch_size))
        cold = engine.compiles(method)
        start = time.perf_counter()
        yield part
        if not cold:
            pacer.record(-(-(part.stop - first) // batch_size), time.perf_counter() - start)
        first = part.stop
