"""Pooling."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels._options import Size
from fastnn_kernels.tape import Value

from .base import Layer, ModelTape, Owned


@dataclass(frozen=True)
class MaxPool2D(Layer):
    """The maximum of each window of images (C, H, W).

    Parameters
    ----------
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        The kernel size by default.
    padding : int or (h, w)
        At most half the kernel size; padding is never a maximum.
    """

    kind: ClassVar[str] = "max_pool2d"

    kernel_size: Size
    _: KW_ONLY
    stride: Size | None = None
    padding: Size = 0

    def __post_init__(self) -> None:
        kernel_size = options.pair("MaxPool2D: kernel_size", self.kernel_size, 1)
        padding = options.pair("MaxPool2D: padding", self.padding, 0)
        if padding[0] > kernel_size[0] // 2 or padding[1] > kernel_size[1] // 2:
            raise ValueError(f"MaxPool2D: padding is {padding}, at most half of {kernel_size} is needed")
        stride = kernel_size if self.stride is None else options.pair("MaxPool2D: stride", self.stride, 1)
        self._set(kernel_size=kernel_size, stride=stride, padding=padding)

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        if len(x.shape) != 3:
            raise ValueError(f"MaxPool2D: the input of one sample has shape {x.shape}, (C, H, W) is needed")
        return tape.add(
            "max_pool2d",
            name=name,
            x=x,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
        )
