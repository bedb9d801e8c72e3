"""Pooling."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, cast

from fastnn_kernels import _options as options
from fastnn_kernels._options import Padding, Pads, Pair, Size
from fastnn_kernels.tape import Value

from .base import Layer, ModelTape, Owned
from .weighted import need_images


@dataclass(frozen=True)
class Pool(Layer):
    """A number for each window of images (C, H, W)."""

    kernel_size: Size
    _: KW_ONLY
    stride: Size | None = None
    padding: Padding = 0
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        kernel_size = options.pair(f"{name}: kernel_size", self.kernel_size, 1)
        stride = kernel_size if self.stride is None else options.pair(f"{name}: stride", self.stride, 1)
        ceil_mode = options.flag(f"{name}: ceil_mode", self.ceil_mode)
        self._set(kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode)
        pads, span = self._pads, self._span
        if max(pads[:2]) > span[0] // 2 or max(pads[2:]) > span[1] // 2:
            raise ValueError(f"{name}: padding is {self.padding}, at most half of the window's {span} is needed")
        self._set(padding=options.sides(pads))

    @property
    def _span(self) -> Pair:
        return cast(Pair, self.kernel_size)

    @property
    def _pads(self) -> Pads:
        return options.pads(type(self).__name__, self.padding, self._span, cast(Pair, self.stride))

    def _slide(self, tape: ModelTape, x: Value, name: str, **attrs: Any) -> Value:
        """Add the op with the options of all windows."""
        need_images(type(self).__name__, x.shape)
        windows = {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self._pads}
        return tape.add(self.kind, name=name, x=x, **windows, ceil_mode=self.ceil_mode, **attrs)


@dataclass(frozen=True)
class MaxPool2D(Pool):
    """The maximum of each window of images (C, H, W).

    Parameters
    ----------
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        The kernel size by default.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half of what a window spans; padding is never a maximum. "same" needs stride 1.
    dilation : int or (h, w)
        Pixels from one element of a window to the next.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge.
    """

    kind: ClassVar[str] = "max_pool2d"

    _: KW_ONLY
    dilation: Size = 1

    def __post_init__(self) -> None:
        self._set(dilation=options.pair("MaxPool2D: dilation", self.dilation, 1))
        super().__post_init__()

    @property
    def _span(self) -> Pair:
        return options.extent(cast(Pair, self.kernel_size), cast(Pair, self.dilation))

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return self._slide(tape, x, name, dilation=self.dilation)


@dataclass(frozen=True)
class AvgPool2D(Pool):
    """The mean of each window of images (C, H, W).

    Parameters
    ----------
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        The kernel size by default.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half the kernel size. "same" needs stride 1.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge; what is outside the padded image is not counted.
    count_include_pad : bool
        Whether the zeros of the padding count in the mean.
    """

    kind: ClassVar[str] = "avg_pool2d"

    _: KW_ONLY
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(count_include_pad=options.flag("AvgPool2D: count_include_pad", self.count_include_pad))

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return self._slide(tape, x, name, count_include_pad=self.count_include_pad)


@dataclass(frozen=True)
class GlobalAvgPool2D(Layer):
    """The mean of each channel: samples (C, H, W) become (C,)."""

    kind: ClassVar[str] = "global_avg_pool2d"

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        need_images("GlobalAvgPool2D", x.shape)
        return tape.add("global_avg_pool2d", name=name, x=x)


@dataclass(frozen=True)
class AdaptiveAvgPool2D(Layer):
    """The mean of windows that divide images (C, H, W) into a given number of rows and columns.

    Parameters
    ----------
    output_size : int or (h, w)
        The windows overlap where it does not divide the image's size, as in PyTorch.
    """

    kind: ClassVar[str] = "adaptive_avg_pool2d"

    output_size: Size

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(output_size=options.pair("AdaptiveAvgPool2D: output_size", self.output_size, 1))

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        need_images("AdaptiveAvgPool2D", x.shape)
        return tape.add("adaptive_avg_pool2d", name=name, x=x, output_size=self.output_size)
