"""What an optimizer does to the flat parameter vector: the name of a kernel and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Update:
    """One step's rule, the same for all parameters.

    Attributes
    ----------
    name : str
        "sgd_update", "momentum_update" or "adam_update": the public kernel and its twin.
    slots : int
        Values of state that it keeps for each parameter.
    options : mapping of str to float
        Keyword arguments of the kernel other than lr, step and weight_decay.
    weight_decay : float
        Added to the gradient as ``weight_decay * params`` (L2), for parameters with ``decay=True``.
    """

    name: str
    slots: int = 0
    options: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 0.0

    @property
    def counts_steps(self) -> bool:
        """Whether the kernel takes the step number, counted from 1."""
        return self.name == "adam_update"
