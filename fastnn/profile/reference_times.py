"""The NumPy interpreter with a clock: what each layer takes of its step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from fastnn_kernels.memory import Array
from fastnn_kernels.reference.interpreter import Interpreter
from fastnn_kernels.tape import Row


class ClockedInterpreter(Interpreter):
    """Runs a tape as `Interpreter` does, and adds up seconds.

    Attributes
    ----------
    rows : dict of tuple of str to float
        Seconds of the rows of each layer, forward and backward; those of no layer are under ``()``.
    updates : float
        Seconds of the updates of all parameters.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.rows: dict[tuple[str, ...], float] = defaultdict(float)
        self.updates = 0.0

    def _run(self, rows: Iterable[Row], values: dict[int, Array], step: int = 0) -> dict[int, Array]:
        for row in rows:
            start = time.perf_counter()
            super()._run((row,), values, step)
            self.rows[row.origin] += time.perf_counter() - start
        return values

    def _update_parameters(self, step: int, lr: float) -> None:
        start = time.perf_counter()
        super()._update_parameters(step, lr)
        self.updates += time.perf_counter() - start

    def of(self, layers: tuple[str, ...], share: float) -> float:
        """Return seconds of layers, and of so large a share of the updates."""
        inside = set(layers)
        return sum(seconds for origin, seconds in self.rows.items() if inside.issuperset(origin or ("",))) + (
            share * self.updates
        )
