"""What a call of fit has measured."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import plots
from .progress import number_text


@dataclass(repr=False)
class History(Mapping[str, list[float]]):
    """One number an epoch for each thing measured: a mapping, ``history["loss"]`` is a list.

    Attributes
    ----------
    epochs : list of int
        Numbers of the finished epochs, the first is 1.
    history : dict of str to list of float
        "loss", "accuracy", "val_loss", "val_accuracy" as far as asked for, "lr" where a schedule or a callback changes
        the learning rate (that of the epoch's last step), and "images_per_second", which leaves out validation and the
        compilation of kernels. NaN where an epoch has no such number.
    """

    epochs: list[int] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[float]:
        return self.history[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def __len__(self) -> int:
        return len(self.history)

    def __repr__(self) -> str:
        if not self.epochs:
            return "History(no epochs)"
        rows = [["epoch", *map(str, self.epochs)]]
        rows += [[name, *(number_text(name, value) for value in values)] for name, values in self.items()]
        widths = [max(map(len, row)) for row in rows]
        return "\n".join(
            "  ".join(row[k].rjust(width) for row, width in zip(rows, widths, strict=True))
            for k in range(len(self.epochs) + 1)
        )

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Add an epoch's numbers; what it has not measured is NaN."""
        self.epochs.append(epoch)
        for column in self.history.values():
            column.append(math.nan)
        self.amend(values)

    def amend(self, values: Mapping[str, float]) -> None:
        """Set numbers of the last epoch, new ones too."""
        for name, value in values.items():
            if name not in self.history:
                self.history[name] = [math.nan] * len(self.epochs)
            self.history[name][-1] = float(value)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw a curve over the epochs for each thing measured, validation beside training.

        Parameters
        ----------
        path : path, optional
            Write the picture to this file; its ending gives the format, as ".png" or ".svg".

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            Without Matplotlib: ``pip install "fastnn-numba[plot]"``.
        ValueError
            If there is no epoch to draw.
        """
        if not self.epochs:
            raise ValueError("History.plot: no epoch is finished, at least one is needed")
        return plots.curves(self.epochs, self.history, path)
