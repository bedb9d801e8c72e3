"""Where the time of a model's training step goes, layer by layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import fastnn_kernels as fk
from fastnn_kernels import _options as options
from fastnn_kernels.augmentation import Augmentation
from fastnn_kernels.clock import Clock
from fastnn_kernels.executor import Executor
from fastnn_kernels.memory import Memory

from .. import info, inputs
from ..augment import AugmentStep, lowered_steps
from . import layer_rows
from .model_results import LayerTime, ModelProfile
from .reference_times import ClockedInterpreter
from .timing import on_threads

if TYPE_CHECKING:
    from ..model import Sequential

# Calls that are timed, with the clock and without in turn, and steps that a call has at most.
_CALLS, _STEPS = 7, 50
_PACKING = ("conv2d_pack", "winograd_pack", "winograd_row_pack")
_REST = ("images", "packed weights", "loss", "sums of gradients", "waiting", "Python")
_Parts = dict[tuple[str, ...], dict[str, float]]


def model(
    model: Sequential,
    x: Any,
    y: Any,
    *,
    batch_size: int | str = 128,
    augment: Iterable[AugmentStep] = (),
    threads: int | None = None,
    fused: bool = True,
    reference: bool = True,
    seconds: float = 0.4,
    progress: Callable[[str], None] | None = None,
) -> ModelProfile:
    """Time training steps of a compiled model, and tell what each layer takes; the model stays as it is.

    Parameters
    ----------
    model : Sequential
        Compiled. All its arrays are copied.
    x : (N, *input_shape)
    y : (N,) labels or (N, ...) targets
        As `fit` takes them.
    batch_size : int or "full"
        At most N are used for a batch.
    augment : iterable of steps of `fastnn.augment`
        As `fit` takes them; part of "images".
    threads : int, optional
        The number in use by default.
    fused : bool
        False for a program in which every layer has rows of its own, which is slower.
    reference : bool
        Whether to time a step of the NumPy interpreter too.
    seconds : float
        For each timed call.
    progress : callable, optional
        Called with a line of text before each part.

    Returns
    -------
    ModelProfile
        Ctrl-C cuts the measurement short where at least one call is done.

    Raises
    ------
    RuntimeError
        If the model is not compiled.
    TypeError, ValueError
        If x, y or an option do not fit.
    """
    name = "profile.model"
    from ..model import Sequential

    if not isinstance(model, Sequential):
        raise TypeError(f"{name}: model is {model!r}, a fastnn.Sequential is needed")
    for given, value in (("x", x), ("y", y)):
        # NumPy would ask an object with items for all of them, one by one.
        if not hasattr(value, "shape") and not isinstance(value, (list, tuple)):
            raise TypeError(f"{name}: {given} is a {type(value).__name__}; arrays of a batch or more are needed")
    augmentation = lowered_steps(name, augment, model.input_shape, model.seed)
    images, targets = model._batch(name, x, y)
    targets, _ = model._preparation(None, mixes=any(step.mixes for step in augmentation))(name, targets, None)
    batch = inputs.batch_size(name, batch_size, len(images))
    model._lowered.check_batches(name, batch, batch)
    count = fk.get_num_threads() if threads is None else options.integer(f"{name}: threads", threads, 1)
    budget = options.number(f"{name}: seconds", seconds)
    fused, reference = options.flag(f"{name}: fused", fused), options.flag(f"{name}: reference", reference)
    show = progress or (lambda text: None)
    with on_threads(count):
        show("compiling, or loading kernels")
        runs = [_Run(model, images, targets, batch, augmentation, Executor, fused) for _ in range(2)]
        runs[0].executor.clock = []
        for run in runs:
            run.call(1)
        once = min(run.call(1) for run in runs)
        steps = max(1, min(_STEPS, int(budget / once)))
        interrupted = False
        try:
            for turn in range(_CALLS):
                show(f"{steps} steps, {turn + 1} of {_CALLS}")
                for run in runs:
                    run.time(steps)
            slow = None
            if reference:
                show("a step with NumPy")
                slow = _Run(model, images, targets, batch, augmentation, ClockedInterpreter, fused)
                slow.time(1)
        except KeyboardInterrupt:
            if not runs[1].times:
                raise
            interrupted, slow = True, None
        return _summary(model, runs, batch, count, fused, slow, interrupted)


class _Run:
    """An interpreter on copies of a model's arrays."""

    def __init__(
        self,
        model: Sequential,
        x: Any,
        y: Any,
        batch: int,
        augmentation: tuple[Augmentation, ...],
        kind: Any,
        fused: bool,
    ) -> None:
        memory = Memory(*(array.copy() for array in vars(model._memory).values()))
        tape = model._lowered.tape
        # With values of its own: deriving the gradients adds some.
        self.tape = replace(tape, augmentation=augmentation, loss=model._engine._tape.loss, values=list(tape.values))
        self.executor = kind(self.tape, memory, model._engine._update)
        if kind is Executor:
            self.executor.fused = fused
        self.x, self.y, self.batch = x, y, batch
        self.times: list[float] = []

    def call(self, steps: int) -> float:
        """Train `steps` steps; return seconds of one."""
        order = np.arange(steps * self.batch) % (len(self.x) // self.batch * self.batch)
        start = time.perf_counter()
        self.executor.train(self.x, self.y, order, self.batch, 1, np.full(steps, 1e-6))
        return (time.perf_counter() - start) / steps

    def time(self, steps: int) -> None:
        """Train, and keep the time of a step."""
        self.times.append(self.call(steps))


def _summary(
    model: Sequential, runs: list[_Run], batch: int, threads: int, fused: bool, slow: _Run | None, interrupted: bool
) -> ModelProfile:
    watched, unwatched = runs
    clocks = watched.executor.clock[-len(watched.times) :]
    # Of the call in the middle, so that its parts add up.
    middle = sorted(range(len(clocks)), key=lambda k: watched.times[k])[len(clocks) // 2]
    step, clock = watched.times[middle], clocks[middle]
    tape = watched.tape
    names = list(tape.outputs)
    parts, rest = _attribute(clock, names)
    rest["Python"] = step - clock.seconds / clock.steps
    peak = fk.fma_peak(threads, model.dtype)
    parameters = {n: sum(p.size for p in tape.params if p.name.rpartition("/")[0] == n) for n in names}
    trained = _trained(tape, names)
    rest["sums of gradients"] += _share_update(parts, trained, _update_seconds(clock))
    rest = {name: float(seconds) for name, seconds in rest.items()}
    layers = []
    for group in sorted(parts, key=lambda group: names.index(group[0])):
        seconds = parts[group]
        flops = sum(layer_rows.flops(tape, name, batch) for name in group)
        size = sum(parameters[name] for name in group)
        read, outside, written = layer_rows.elements(tape, group)
        busy, item = sum(seconds.values()), model.dtype.itemsize
        rate = flops / busy / 1e9 if flops and busy else None
        share = sum(trained[name] for name in group) / max(1, sum(trained.values()))
        layers.append(LayerTime(
            " + ".join(group), seconds.get("forward", 0.0), seconds.get("backward", 0.0), seconds.get("update", 0.0),
            busy / step, flops, rate, None if rate is None else rate / peak,
            3 * item * (batch * (read + outside) + size), size, item * batch * written,
            None if slow is None else slow.executor.of(group, share),
        ))  # fmt: skip
    whole = None if slow is None else slow.times[0]
    return ModelProfile(
        tuple(layers), rest, step, median(unwatched.times), whole, batch, threads, fused, peak, info.collect(),
        interrupted,
    )  # fmt: skip


def _attribute(clock: Clock, names: list[str]) -> tuple[_Parts, dict[str, float]]:
    """Share the time of each phase out to layers and the rest; rows of an update are left out."""
    rows, phases = clock.rows / clock.steps, clock.phases / clock.steps
    rest = dict.fromkeys(_REST, 0.0)
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    program = clock.program
    for (first, last, _), wall in zip(program.phases, phases, strict=True):
        rest["waiting"] += wall - rows[:, first:last].sum() / clock.workers
        for number in range(first, last):
            row, seconds = program.rows[number], rows[:, number].sum() / clock.workers
            function = getattr(program.calls[number].function, "__name__", "")
            if row is None:
                rest["sums of gradients"] += seconds if function == "reduce_op" else 0.0
            elif function in _PACKING:
                rest["packed weights"] += seconds
            elif row.op in layer_rows.LOADS or row.op.startswith("augment_"):
                rest["images"] += seconds
            elif row.origin:
                phase = groups.setdefault(row.origin, {})
                kind = layer_rows.phase(row)
                phase[kind] = phase.get(kind, 0.0) + seconds
            else:
                rest["loss"] += seconds
    return _joined(groups, names), rest


def _joined(groups: _Parts, names: list[str]) -> _Parts:
    """Join groups that have a layer in common: fused forward and not backward, say."""
    joined: list[tuple[set[str], dict[str, float]]] = []
    for group, seconds in groups.items():
        members, total = set(group), dict(seconds)
        for other in [entry for entry in joined if entry[0] & members]:
            joined.remove(other)
            members |= other[0]
            total = {kind: total.get(kind, 0.0) + other[1].get(kind, 0.0) for kind in {*total, *other[1]}}
        joined.append((members, total))
    return {tuple(sorted(members, key=names.index)): total for members, total in joined}


def _update_seconds(clock: Clock) -> float:
    """Seconds a step of the rows that update parameters."""
    program = clock.program
    updates = [
        k for k, row in enumerate(program.rows)
        if row is None and getattr(program.calls[k].function, "__name__", "") != "reduce_op"
    ]  # fmt: skip
    return float((clock.rows[:, updates]).sum() / clock.workers / clock.steps)


def _trained(tape: Any, names: list[str]) -> dict[str, int]:
    """Count the trainable parameters of each layer."""
    trained = dict.fromkeys(names, 0)
    for param in tape.params:
        if param.trainable:
            trained[param.name.rpartition("/")[0]] += param.size
    return trained


def _share_update(parts: _Parts, trained: dict[str, int], seconds: float) -> float:
    """Share the time of the update out by the number of parameters: it runs over all of them at once.

    Returns the seconds that no layer has: all of them where nothing is trained, else none.
    """
    total = sum(trained.values())
    for group, times in parts.items():
        if size := sum(trained[name] for name in group):
            times["update"] = times.get("update", 0.0) + seconds * size / total
    return 0.0 if total else seconds
