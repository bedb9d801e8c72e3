"""Layers that move nothing and compute nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from fastnn_kernels.tape import Value

from .base import Layer, ModelTape, Owned


@dataclass(frozen=True)
class Flatten(Layer):
    """Samples (C, H, W) as (C * H * W,), in that order."""

    kind: ClassVar[str] = "flatten"

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return tape.add("reshape", name=name, x=x, shape=(math.prod(x.shape),))
