"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Value

from .base import Layer, ModelTape, Owned


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets elements to 0 at random in training, and scales the others by 1 / (1 - rate); nothing at inference.

    The mask follows from the model's seed, the layer, the step, and where the sample and the element are: the same
    run gives the same masks, whatever the number of threads (Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        Share of the elements set to 0, from 0 to 1.
    """

    kind: ClassVar[str] = "dropout"

    rate: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(rate=options.fraction("Dropout: rate", self.rate))

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row; the tape numbers the rows that draw random numbers."""
        return tape.add("dropout", name=name, x=x, rate=self.rate, seed=tape.seed)
