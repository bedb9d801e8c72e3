"""Augmentation as a part of training: steps that a tape's images go through, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Augmentation:
    """One step: a public kernel of `augment.py` with all its options.

    Attributes
    ----------
    name : str
        "flip", "crop", "shift", "rotate", "cutout" or "mixup".
    options : tuple of (str, value)
        The kernel's options besides those below; they must leave the shape of the images as it is.
    seed : int
        Key of the random numbers; they also depend on the optimizer's step and the position in the batch.
    op : int
        Tells two steps of one name apart.
    """

    name: str
    options: tuple[tuple[str, Any], ...]
    seed: int
    op: int = 0

    @property
    def mixes(self) -> bool:
        """Whether it mixes samples and their targets, which must then be numbers."""
        return self.name == "mixup"
