"""What a call of fit has measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class History:
    """One number an epoch for each thing measured; also ``history["loss"]``.

    Attributes
    ----------
    epochs : list of int
        Numbers of the finished epochs, the first is 1.
    history : dict of str to list of float
        "loss", "accuracy", "val_loss", "val_accuracy" as far as asked for, and "images_per_second", which
        leaves out validation and the compilation of kernels.
    """

    epochs: list[int] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[float]:
        return self.history[name]

    def __contains__(self, name: object) -> bool:
        return name in self.history

    def add(self, epoch: int, values: dict[str, float]) -> None:
        """Add an epoch's numbers; what it has not measured is NaN."""
        self.epochs.append(epoch)
        for column in self.history.values():
            column.append(math.nan)
        self.amend(values)

    def amend(self, values: dict[str, float]) -> None:
        """Set numbers of the last epoch, new ones too."""
        for name, value in values.items():
            if name not in self.history:
                self.history[name] = [math.nan] * len(self.epochs)
            self.history[name][-1] = float(value)
