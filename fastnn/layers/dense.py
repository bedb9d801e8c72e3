"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, cast

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Value

from .. import initializers
from ..initializers import Initializer
from . import activation as activations
from .activation import Activation, activate
from .base import Layer, ModelTape, Owned, Shape, Weight


@dataclass(frozen=True)
class Dense(Layer):
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
    trainable : bool
        False keeps w and b as they are.
    """

    kind: ClassVar[str] = "dense"

    units: int
    _: KW_ONLY
    activation: str | Activation | None = None
    bias: bool = True
    w_init: str | Initializer | None = None
    b_init: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        activation = activations.get("Dense: activation", self.activation)
        self._set(
            units=options.integer("Dense: units", self.units, 1),
            activation=activation,
            w_init=activations.weight_initializer("Dense: w_init", self.w_init, activation),
            b_init=initializers.get("Dense: b_init", self.b_init),
        )

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        if len(input_shape) != 1:
            raise ValueError(
                f"Dense: the input of one sample has shape {input_shape}, (features,) is needed: "
                "put a Flatten layer in front"
            )
        fans = input_shape[0], self.units
        weights = {"w": Weight((input_shape[0], self.units), cast(Initializer, self.w_init), *fans)}
        if self.bias:
            weights["b"] = Weight((self.units,), cast(Initializer, self.b_init), *fans, decay=False)
        return weights

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the product and its activation."""
        y = tape.add("dense", name=name, x=x, w=params["w"], b=params.get("b"))
        return activate(self.activation, tape, y, name)
