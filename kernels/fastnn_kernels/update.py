"""What an optimizer does to the flat parameter vector: the name of a kernel and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ._update_checks import limit

NAMES = (
    "sgd_update",
    "momentum_update",
    "nesterov_update",
    "adagrad_update",
    "rmsprop_update",
    "adam_update",
    "adamw_update",
    "nadam_update",
)
_COUNTING = ("adam_update", "adamw_update", "nadam_update")


@dataclass(frozen=True)
class Update:
    """One step's rule, the same for all parameters.

    The order of a step: gradients, `clip_value`, `clip_norm`, the rule with its weight decay, then `max_norm` of
    the parameters that have one. Frozen parameters take part in nothing of it.

    Attributes
    ----------
    name : str
        "sgd_update" or another of the updates: the public kernel and its twin.
    slots : int
        Values of state that it keeps for each parameter.
    options : mapping of str to float
        Keyword arguments of the kernel other than lr, step and weight_decay, all of them.
    weight_decay : float
        For parameters with ``decay=True``: L2 in the gradient, decoupled in "adamw_update".
    clip_value : float, optional
        Clips every element of the gradient to [-clip_value, clip_value].
    clip_norm : float, optional
        Scales the gradient, of all parameters together, down to this norm.

    Raises
    ------
    TypeError, ValueError
        If the name is not that of an update, or a limit is no number above 0.
    """

    name: str
    slots: int = 0
    options: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        """Check the name and the limits."""
        if self.name not in NAMES:
            raise ValueError(f"Update: name is {self.name!r}, needed is one of {', '.join(NAMES)}")
        for name, value in (("clip_value", self.clip_value), ("clip_norm", self.clip_norm)):
            if value is not None:
                limit(f"Update: {name}", value)

    @property
    def counts_steps(self) -> bool:
        """Whether the kernel takes the step number, counted from 1."""
        return self.name in _COUNTING
