"""Functions of one's own side by side: loops, NumPy, compiled."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

import fastnn_kernels as fk
from fastnn_kernels import _options as options

from .. import info
from ..initializers import Array
from . import machine, table
from .equality import TOLERANCE, as_list, check
from .timing import Time, take_turns


@dataclass(frozen=True)
class FunctionTime:
    """One function.

    Attributes
    ----------
    name : str
    seconds : float
        Of a call, the median.
    spread : float
        The distance of the quartiles as a share of the median.
    speed_up : float
        How many times as fast as the first function.
    gflops, gbytes : float or None
        Done a second; None where `compare` was not told how much there is to do.
    share_of_peak, share_of_bandwidth : float or None
        Of the measured peaks of all threads.
    """

    name: str
    seconds: float
    spread: float
    speed_up: float
    gflops: float | None
    gbytes: float | None
    share_of_peak: float | None
    share_of_bandwidth: float | None


@dataclass(frozen=True)
class Comparison:
    """What `fastnn.profile.compare` has measured; ``str()`` is a table.

    Attributes
    ----------
    rows : tuple of FunctionTime
    flops, bytes : int
        Of a call, as given.
    threads : int
        Threads of the peaks.
    peaks : dict of str to float
        "gflops" and "gbytes", measured.
    machine : dict
        Versions and processor.
    """

    rows: tuple[FunctionTime, ...]
    flops: int
    bytes: int
    threads: int
    peaks: dict[str, float]
    machine: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as dicts, lists and numbers."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rows"}
        return {**named, "functions": [asdict(row) for row in self.rows]}

    def to_csv(self) -> str:
        """Return a head and a line for each function."""
        return table.as_csv([field.name for field in fields(FunctionTime)], map(asdict, self.rows))

    def __str__(self) -> str:
        lines = []
        for row in self.rows:
            cells = [row.name, table.time_text(row.seconds), table.share_text(row.spread)]
            cells.append(f"{table.digits(row.speed_up, 2)}x")
            for rate, share in ((row.gflops, row.share_of_peak), (row.gbytes, row.share_of_bandwidth)):
                cells.append("" if rate is None else table.digits(rate, 2))
                cells.append("" if share is None else table.share_text(share))
            lines.append(cells)
        head = ["function", "a call", "+-", "as fast", "GFLOP/s", "of peak", "GB/s", "of memory"]
        return table.lay_out(head, [("", lines)])


def compare(
    functions: Mapping[str, Callable[..., Any]],
    *args: Any,
    flops: int = 0,
    bytes: int = 0,
    tolerance: float = TOLERANCE,
    rounds: int = 5,
    seconds: float = 0.012,
) -> Comparison:
    """Time functions that do the same work; first compare what they give.

    Parameters
    ----------
    functions : mapping of str to callable
        The first one is what the others are compared with, in results and in speed.
    *args
        What each is called with. A function that returns None is taken to change its arrays: results are compared
        on copies, so that all start from the same.
    flops, bytes : int
        Operations of a call, and bytes that it has to read and write; where given, they are shown by the second and
        as shares of what the machine was measured to do on ``fastnn.get_num_threads()`` threads.
    tolerance : float
        How far results may differ, as a share of the largest element.
    rounds, seconds : int, float
        Rounds in which the functions take turns, at least 2, and the time for each in a round.

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        If there is no function, or an argument is out of its range.
    RuntimeError
        If results differ.
    """
    if not functions:
        raise ValueError("profile.compare: functions is empty, at least one is needed")
    flops = options.integer("profile.compare: flops", flops, 0)
    bytes = options.integer("profile.compare: bytes", bytes, 0)
    tolerance = options.number("profile.compare: tolerance", tolerance)
    rounds = options.integer("profile.compare: rounds", rounds, 2)
    seconds = options.number("profile.compare: seconds", seconds)
    given = {name: _results(function, args) for name, function in functions.items()}
    first = next(iter(functions))
    for name, found in given.items():
        check("profile.compare", f"{name!r}", found, given[first], tolerance)
    times = take_turns({name: _call(function, args) for name, function in functions.items()}, rounds, seconds)
    median = {name: Time.of(found) for name, found in times.items()}
    threads = fk.get_num_threads()
    peaks = machine.limits(threads) if flops or bytes else {}
    rows = []
    for name, time in median.items():
        gflops = flops / time.seconds / 1e9 if flops else None
        gbytes = bytes / time.seconds / 1e9 if bytes else None
        rows.append(
            FunctionTime(
                name=name,
                seconds=time.seconds,
                spread=time.spread,
                speed_up=median[first].seconds / time.seconds,
                gflops=gflops,
                gbytes=gbytes,
                share_of_peak=None if gflops is None else gflops / peaks["gflops"],
                share_of_bandwidth=None if gbytes is None else gbytes / peaks["gbytes"],
            )
        )
    return Comparison(tuple(rows), flops, bytes, threads, peaks, info.versions())


def _results(function: Callable[..., Any], args: tuple[Any, ...]) -> list[Array]:
    """Call on copies; return what comes back, or else all arrays, which it may have changed."""
    copies = copy.deepcopy(args)
    returned = function(*copies)
    return [a for a in copies if isinstance(a, np.ndarray)] if returned is None else as_list(returned)


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> Callable[[], Any]:
    copies = copy.deepcopy(args)  # of its own, in the same state for all
    return lambda: function(*copies)
