"""Layers that move nothing and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn_kernels.tape import Parameter, Tape, Value

from .base import Layer


@dataclass(frozen=True)
class Flatten(Layer):
    """Samples (C, H, W) as (C * H * W,), in that order."""

    kind: ClassVar[str] = "flatten"

    def lower(self, tape: Tape, x: Value, *, name: str, params: Mapping[str, Parameter]) -> Value:
        """Add one row."""
        return tape.add("reshape", name=name, x=x, shape=(math.prod(x.shape),))
