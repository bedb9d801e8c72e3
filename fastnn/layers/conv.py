"""Convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels._options import Size
from fastnn_kernels.tape import Value

from .base import ModelTape, Owned, Shape, Weight
from .weighted import Windowed, check_groups


@dataclass(frozen=True)
class Conv2D(Windowed):
    """Cross-correlation of images (C_in, H, W) with `filters` kernels, then bias and activation.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (h, w)
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        "same" keeps the image's size and needs stride 1; with stride 2 a 3x3 kernel takes padding 1.
    dilation : int or (h, w)
        Pixels from one weight of a kernel to the next.
    groups : int
        Cuts the channels into so many parts, each with filters of its own; divides C_in and `filters`.
    activation : str or Activation, optional
        The name of any ("relu", "gelu", "tanh", ...), or its layer with options.
    bias : bool
    w_init : str or callable, optional
        Start of w (filters, C_in / groups, KH, KW): "he_normal" where `activation` is relu, leaky_relu, elu, gelu or
        silu, "glorot_uniform" otherwise.
    b_init : str or callable
        Start of b (filters,).
    max_norm : float, optional
        Bound on the norm of the weights of each filter.
    trainable : bool
        False keeps w and b as they are.
    """

    kind: ClassVar[str] = "conv2d"

    filters: int
    kernel_size: Size
    _: KW_ONLY
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            filters=options.integer("Conv2D: filters", self.filters, 1),
            groups=options.integer("Conv2D: groups", self.groups, 1),
        )
        check_groups("Conv2D", self.groups, filters=self.filters)

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        channels, kernel = self._channels(input_shape), self._kernel
        check_groups("Conv2D", self.groups, input_channels=channels)
        fans = channels // self.groups * prod(kernel), self.filters // self.groups * prod(kernel)
        return self._weights((self.filters, channels // self.groups, *kernel), self.filters, fans)

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the convolution and its activation."""
        return self._slide("conv2d", tape, x, name, params, groups=self.groups)


@dataclass(frozen=True)
class DepthwiseConv2D(Windowed):
    """Cross-correlation of each channel alone with `depth_multiplier` kernels, then bias and activation.

    A convolution with as many groups as channels: output channels k * depth_multiplier and those behind come from
    channel k.

    Parameters
    ----------
    kernel_size : int or (h, w)
    depth_multiplier : int
        Output channels for each channel.
    stride, padding, dilation, activation, bias, w_init, b_init, max_norm, trainable
        As of `Conv2D`; w has the shape (C_in * depth_multiplier, 1, KH, KW).
    """

    kind: ClassVar[str] = "depthwise_conv2d"

    kernel_size: Size
    _: KW_ONLY
    depth_multiplier: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(depth_multiplier=options.integer("DepthwiseConv2D: depth_multiplier", self.depth_multiplier, 1))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        filters, kernel = self._channels(input_shape) * self.depth_multiplier, self._kernel
        fans = prod(kernel), self.depth_multiplier * prod(kernel)
        return self._weights((filters, 1, *kernel), filters, fans)

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the convolution and its activation."""
        return self._slide("conv2d", tape, x, name, params, groups=x.shape[0])


@dataclass(frozen=True)
class ConvTranspose2D(Windowed):
    """The convolution that leads from the output to the input, run backwards: stride s makes images s times as large.

    ``OH = (H - 1) * stride - padding on both sides + dilation * (KH - 1) + output_padding + 1``, as in PyTorch.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel_size : int or (h, w)
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        What is cut off the output; "same" keeps the image's size and needs stride 1.
    output_padding : int or (h, w)
        Rows and columns added at the bottom and right, less than the stride or the dilation: with stride 2, kernel 3
        and padding 1 it takes 1 to double the image's size.
    dilation, groups, activation, bias, w_init, b_init, trainable
        As of `Conv2D`; w has the shape (C_in, filters / groups, KH, KW).
    max_norm : float, optional
        Bound on the norm of the weights of each output channel.
    """

    kind: ClassVar[str] = "conv_transpose2d"

    filters: int
    kernel_size: Size
    _: KW_ONLY
    output_padding: Size = 0
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            filters=options.integer("ConvTranspose2D: filters", self.filters, 1),
            groups=options.integer("ConvTranspose2D: groups", self.groups, 1),
            output_padding=options.pair("ConvTranspose2D: output_padding", self.output_padding, 0),
        )
        check_groups("ConvTranspose2D", self.groups, filters=self.filters)

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return w and b."""
        channels, kernel = self._channels(input_shape), self._kernel
        check_groups("ConvTranspose2D", self.groups, input_channels=channels)
        fans = channels // self.groups * prod(kernel), self.filters // self.groups * prod(kernel)
        shape = channels, self.filters // self.groups, *kernel
        return self._weights(shape, self.filters, fans, unit_axis=1, unit_groups=self.groups)

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the transposed convolution and its activation."""
        more = {"output_padding": self.output_padding, "groups": self.groups}
        return self._slide("conv_transpose2d", tape, x, name, params, **more)
