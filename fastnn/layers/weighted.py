"""What layers with weights, a bias and an activation have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, cast

from fastnn_kernels import _options as options
from fastnn_kernels._options import Pads, Pair, Size
from fastnn_kernels._update_checks import limit
from fastnn_kernels.tape import Value

from .. import initializers
from ..initializers import Initializer
from . import activation as activations
from .activation import Activation
from .base import Layer, ModelTape, Owned, Shape, Weight


@dataclass(frozen=True)
class Weighted(Layer):
    """A layer with weights w, a bias b and an activation behind both."""

    _: KW_ONLY
    activation: str | Activation | None = None
    bias: bool = True
    w_init: str | Initializer | None = None
    b_init: str | Initializer = "zeros"
    max_norm: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        activation = activations.get(f"{name}: activation", self.activation)
        self._set(
            activation=activation,
            bias=options.flag(f"{name}: bias", self.bias),
            w_init=activations.weight_initializer(f"{name}: w_init", self.w_init, activation),
            b_init=initializers.get(f"{name}: b_init", self.b_init),
        )
        if self.max_norm is not None:
            self._set(max_norm=float(limit(f"{name}: max_norm", self.max_norm)))

    def _weights(self, shape: Shape, units: int, fans: Pair, **units_of: Any) -> Mapping[str, Weight]:
        """Return w of this shape, and b with a number for each of the units; `units_of` says where they lie in w."""
        start = cast(Initializer, self.w_init)
        weights = {"w": Weight(shape, start, *fans, max_norm=self.max_norm, **units_of)}
        if self.bias:
            weights["b"] = Weight((units,), cast(Initializer, self.b_init), *fans, decay=False)
        return weights

    def _row(self, op: str, tape: ModelTape, x: Value, name: str, params: Owned, **attrs: Any) -> Value:
        """Add the op and the activation behind it."""
        y = tape.add(op, name=name, x=x, w=params["w"], b=params.get("b"), **attrs)
        if self.activation is None:
            return y
        layer = cast(Activation, self.activation)  # the constructor has looked the name up
        return layer.lower(tape, y, name=f"{name}/{layer.kind}", params={})


@dataclass(frozen=True)
class Windowed(Weighted):
    """A layer whose weights slide over images (C, H, W).

    Those have the field `kernel_size`, behind others; a base's fields would come first.
    """

    _: KW_ONLY
    stride: Size = 1
    padding: options.Padding = "valid"
    dilation: Size = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        self._set(
            kernel_size=options.pair(f"{name}: kernel_size", self._kernel, 1),
            stride=options.pair(f"{name}: stride", self.stride, 1),
            dilation=options.pair(f"{name}: dilation", self.dilation, 1),
        )
        self._set(padding=options.sides(self._pads))

    @property
    def _kernel(self) -> Pair:
        return cast(Pair, vars(self)["kernel_size"])

    @property
    def _pads(self) -> Pads:
        span = options.extent(self._kernel, cast(Pair, self.dilation))
        return options.pads(type(self).__name__, self.padding, span, cast(Pair, self.stride))

    def _channels(self, input_shape: Shape) -> int:
        """Check that the input is an image; return its channels."""
        need_images(type(self).__name__, input_shape)
        return input_shape[0]

    def _slide(self, op: str, tape: ModelTape, x: Value, name: str, params: Owned, **attrs: Any) -> Value:
        """Add the op with the options of the windows, and the activation behind it."""
        windows = {"stride": self.stride, "padding": self._pads, "dilation": self.dilation}
        return self._row(op, tape, x, name, params, **windows, **attrs)


def need_images(name: str, shape: Shape) -> None:
    """Refuse samples that are no images."""
    if len(shape) != 3:
        raise ValueError(f"{name}: the input of one sample has shape {shape}, (C, H, W) is needed")


def check_groups(name: str, groups: int, **channels: int) -> None:
    """Check that `groups` divides the input channels and the filters."""
    for what, count in channels.items():
        if count % groups:
            raise ValueError(f"{name}: groups is {groups}, a divisor of the {count} {what.replace('_', ' ')} is needed")
