"""Convolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, cast

from fastnn_kernels import _options as options
from fastnn_kernels._options import Padding, Pair, Size
from fastnn_kernels.tape import Value

from .. import initializers
from ..initializers import Initializer
from . import activation as activations
from .activation import Activation, activate
from .base import Layer, ModelTape, Owned, Shape, Weight


@dataclass(frozen=True)
class Conv2D(Layer):
    """Cross-correlation of images (C_in, H, W) with `filters` kernels, then bias and activation.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (h, w)
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        "same" keeps the image's size and needs stride 1.
    activation : str or Activation, optional
        The name of any ("relu", "gelu", "tanh", ...), or its layer with options.
    bias : bool
    w_init : str or callable, optional
        Start of w (filters, C_in, KH, KW): "he_normal" where `activation` is relu, leaky_relu, elu, gelu or silu,
        "glorot_uniform" otherwise.
    b_init : str or callable
        Start of b (filters,).
    trainable : bool
        False keeps w and b as they are.
    """

    kind: ClassVar[str] = "conv2d"

    filters: int
    kernel_size: Size
    _: KW_ONLY
    stride: Size = 1
    padding: Padding = "valid"
    activation: str | Activation | None = None
    bias: bool = True
    w_init: str | Initializer | None = None
    b_init: str | Initializer = "zeros"

    def __post_init__(self) -> None:
        kernel_size = options.pair("Conv2D: kernel_size", self.kernel_size, 1)
        stride = options.pair("Conv2D: stride", self.stride, 1)
        activation = activations.get("Conv2D: activation", self.activation)
        self._set(
            filters=options.integer("Conv2D: filters", self.filters, 1),
            kernel_size=kernel_size,
            stride=stride,
            padding=options.sides(options.pads("Conv2D", self.padding, kernel_size, stride)),
            activation=activation,
            w_init=activations.weight_initializer("Conv2D: w_init", self.w_init, activation),
            b_init=initializers.get("Conv2D: b_init", self.b_init),
        )

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        if len(input_shape) != 3:
            raise ValueError(f"Conv2D: the input of one sample has shape {input_shape}, (C, H, W) is needed")
        kh, kw = cast(Pair, self.kernel_size)
        fans = input_shape[0] * kh * kw, self.filters * kh * kw
        w_shape = self.filters, input_shape[0], kh, kw
        weights = {"w": Weight(w_shape, cast(Initializer, self.w_init), *fans)}
        if self.bias:
            weights["b"] = Weight((self.filters,), cast(Initializer, self.b_init), *fans, decay=False)
        return weights

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the convolution and its activation."""
        y = tape.add(
            "conv2d",
            name=name,
            x=x,
            w=params["w"],
            b=params.get("b"),
            stride=self.stride,
            padding=options.pads("Conv2D", self.padding, cast(Pair, self.kernel_size), cast(Pair, self.stride)),
        )
        return activate(self.activation, tape, y, name)
