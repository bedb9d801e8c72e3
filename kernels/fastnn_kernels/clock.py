"""What the rows and phases of a compiled call took, for those who ask."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import Program


@dataclass(frozen=True)
class Clock:
    """Times of one call of the compiled loop.

    Attributes
    ----------
    kind : str
        "train", "gradients", "evaluate" or "forward".
    program : Program
        Whose rows and phases are timed.
    workers : int
    ticks : (workers * rows + phases,) int64
        Filled by the call.
    start : float
        `time.perf_counter` before the call.
    seconds : float
        What the call took in all.
    steps : int
        Steps that were done.
    """

    kind: str
    program: Program
    workers: int
    ticks: NDArray[np.int64]
    start: float
    seconds: float = 0.0
    steps: int = 0

    @classmethod
    def of(cls, kind: str, program: Program, workers: int) -> Clock:
        """Make the clock of a call that starts now."""
        size = workers * len(program.calls) + len(program.phases)
        return cls(kind, program, workers, np.zeros(size, np.int64), time.perf_counter())

    def stopped(self, steps: int) -> Clock:
        """Return the clock of the call that ended just now."""
        return replace(self, steps=steps, seconds=time.perf_counter() - self.start)

    @property
    def rows(self) -> NDArray[np.floating[Any]]:
        """Seconds of (worker, row)."""
        rows = self.ticks[: self.workers * len(self.program.calls)].reshape(self.workers, -1)
        return rows * self._second

    @property
    def phases(self) -> NDArray[np.floating[Any]]:
        """Seconds of each phase, from its start until the last worker is done."""
        return self.ticks[self.workers * len(self.program.calls) :] * self._second

    @property
    def _second(self) -> float:
        """Seconds of a tick: the phases are all of the call but some microseconds."""
        phases = int(self.ticks[self.workers * len(self.program.calls) :].sum())
        return self.seconds / phases if phases else 0.0
