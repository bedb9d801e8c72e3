"""What all layers have in common: a layer is a description, which lowers itself to rows of a tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn_kernels.tape import Parameter, Tape, Value

from ..initializers import Initializer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """A parameter that a layer asks for: its shape and how it starts."""

    shape: Shape
    initializer: Initializer
    fan_in: int
    fan_out: int
    decay: bool = True


@dataclass(frozen=True)
class Layer:
    """A description of one layer; it computes nothing.

    Attributes
    ----------
    trainable : bool
        False keeps the layer's parameters as they are.
    """

    kind: ClassVar[str] = "layer"  # what its name in a model starts with: "conv2d", "conv2d_1", ...

    _: KW_ONLY
    trainable: bool = True

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return the parameters the layer needs for samples of `input_shape`, by their name in the layer."""
        return {}

    def lower(self, tape: Tape, x: Value, *, name: str, params: Mapping[str, Parameter]) -> Value:
        """Add the layer's rows to the tape and return its output; `params` has the names of `weights`."""
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one sample behind the layer, as the ops of the tape have it."""
        tape = Tape()
        x = tape.input(input_shape)
        params = {key: tape.parameter(key, weight.shape) for key, weight in self.weights(input_shape).items()}
        return self.lower(tape, x, name=self.kind, params=params).shape

    def _set(self, **values: Any) -> None:
        """Replace what the user wrote by its normal form, in the constructor only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)
