"""Medians of calls that take turns, on so many threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import fastnn_kernels as fk

MOST_CALLS = 20_000
# Seconds in which a process that rests uses no time of the processor: more than one tick of the system's accounts.
_QUIET = 0.006
_LONGEST_WAIT = 0.1


@dataclass(frozen=True)
class Time:
    """Seconds of one call: the median of several rounds, and the distance of their quartiles as a share of it."""

    seconds: float
    spread: float

    @classmethod
    def of(cls, times: list[float]) -> Time:
        """Sum up the times of two rounds or more."""
        low, middle, high = quantiles(times, n=4, method="inclusive")
        return cls(middle, (high - low) / middle)


def take_turns(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int,
    seconds: float,
    prepare: Mapping[str, Callable[[], None]] | None = None,
) -> dict[str, list[float]]:
    """Time calls in turn, so that what slows the machine down for a while slows all of them.

    Parameters
    ----------
    calls : mapping of str to callable
        Each is called once before anything is timed.
    rounds : int
    seconds : float
        How long each is called in each round.
    prepare : mapping of str to callable, optional
        What is called, outside the time, before a call of the same name.

    Returns
    -------
    dict of str to list of float
        Seconds a call, a number a round.
    """
    prepare = {} if prepare is None else prepare
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            if name in prepare:
                prepare[name]()
            if turn == 0:
                call()
                continue
            come_to_rest()
            times[name].append(seconds_of(call, seconds))
    return times


def come_to_rest() -> None:
    """Wait for threads that spin after a parallel loop: PyTorch's do so for 10 ms on some machines, 2 ms on others."""
    end = time.perf_counter() + _LONGEST_WAIT
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(_QUIET)
        if time.process_time() - before < _QUIET / 6:
            return


def seconds_of(call: Callable[[], Any], seconds: float) -> float:
    """Time a call: the mean of as many as fit into `seconds`, after one that wakes threads and caches."""
    start = time.perf_counter()
    call()
    first = time.perf_counter() - start
    if first > seconds:
        return first
    count = max(1, min(MOST_CALLS, int(seconds / first)))
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


@contextmanager
def on_threads(count: int, *, with_torch: bool = False) -> Iterator[None]:
    """Use so many threads meanwhile; PyTorch too, if asked."""
    before = fk.get_num_threads()
    fk.set_num_threads(count)
    try:
        if with_torch:
            import torch

            torch_before = torch.get_num_threads()
            torch.set_num_threads(count)
            try:
                yield
            finally:
                torch.set_num_threads(torch_before)
        else:
            yield
    finally:
        fk.set_num_threads(before)
