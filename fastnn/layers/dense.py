"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Value

from .base import ModelTape, Owned, Shape, Weight
from .weighted import Weighted


@dataclass(frozen=True)
class Dense(Weighted):
    """``x @ w + b`` for samples of shape (features,), then the activation.

    Parameters
    ----------
    units : int
        Outputs.
    activation : str or Activation, optional
        The name of any ("relu", "gelu", "tanh", ...), or its layer with options.
    bias : bool
    w_init : str or callable, optional
        Start of w (features, units): "he_normal" where `activation` is relu, leaky_relu, elu, gelu or silu,
        "glorot_uniform" otherwise.
    b_init : str or callable
        Start of b (units,).
    max_norm : float, optional
        Bound on the norm of the weights of each unit.
    trainable : bool
        False keeps w and b as they are.
    """

    kind: ClassVar[str] = "dense"

    units: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(units=options.integer("Dense: units", self.units, 1))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        if len(input_shape) != 1:
            raise ValueError(
                f"Dense: the input of one sample has shape {input_shape}, (features,) is needed: "
                "put a Flatten layer in front"
            )
        return self._weights((input_shape[0], self.units), self.units, (input_shape[0], self.units))

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the product and its activation."""
        return self._row("dense", tape, x, name, params)
