"""How long the forward pass takes in each layer."""

from __future__ import annotations

import time
from statistics import median

from ..initializers import Array
from ..model import Sequential

SECONDS, LEAST, MOST = 1.0, 5, 50  # time to spend on all rounds, and how many there are


def measure(model: Sequential, x: Array) -> dict[str, float]:
    """Time the forward pass of the batch `x` through the first layer, the first two, and so on, in turn.

    Returns
    -------
    dict of str to float
        The seconds that each layer adds, by its name: the difference of two medians, below 0 where noise is larger.
        What the compiled interpreter joins, as a convolution with the pool behind it, shares its time out
        accordingly: a pool may then cost nothing. Layers inside others are part of these.
    """
    names = [name for name in model._lowered.tape.outputs if "/" not in name]
    parts = [_first_layers(model, k) for k in range(1, len(names) + 1)]
    for part in parts:
        part.predict(x, batch_size="full")  # loads kernels, and touches memory
    rounds: list[list[float]] = []
    start = time.perf_counter()
    # In turn, so that what slows the machine down for a while slows all of them.
    while len(rounds) < LEAST or (len(rounds) < MOST and time.perf_counter() - start < SECONDS):
        rounds.append([_seconds(part, x) for part in parts])
    medians = [median(times) for times in zip(*rounds, strict=True)]
    return {name: after - before for name, before, after in zip(names, [0.0, *medians], medians, strict=False)}


def _first_layers(model: Sequential, count: int) -> Sequential:
    """Make a model of the first layers, with the same weights."""
    part = Sequential(model.layers[:count], input_shape=model.input_shape, dtype=model.dtype)
    for name, values in part.params.items():
        values[...] = model.params[name]
    part.backend = model.backend
    return part


def _seconds(model: Sequential, x: Array) -> float:
    start = time.perf_counter()
    model.predict(x, batch_size="full")
    return time.perf_counter() - start
