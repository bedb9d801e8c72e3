"""Convolutions and pools for `cases.py`; sizes are worked out here, not by the code under test."""

from typing import Any, NamedTuple

import numpy as np


def pool_places(before: int, size: int, after: int, reach: int, step: int, ceil_mode: bool) -> int:
    """Windows that fit, and with ceil_mode one more if pixels are left over and it starts in front of their end."""
    starts = range(0, before + size, step)
    fitting = sum(start + reach <= before + size + after for start in starts)
    left_over = (fitting - 1) * step + reach < before + size + after
    return fitting + (ceil_mode and left_over and fitting < len(starts))


class Geometry(NamedTuple):
    """Images (n, c, h, w), o kernels of kh x kw (o = 0: pooling; a stride of None is the kernel size)."""

    label: str
    n: int
    c: int
    h: int
    w: int
    o: int
    kh: int
    kw: int
    stride: Any = 1
    padding: Any = 0
    dilation: Any = 1
    groups: int = 1
    ceil_mode: bool = False

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        return self.n, self.c, self.h, self.w

    @property
    def w_shape(self) -> tuple[int, int, int, int]:
        return self.o, self.c // self.groups, self.kh, self.kw

    @property
    def kernel_size(self) -> tuple[int, int]:
        return self.kh, self.kw

    @property
    def span(self) -> tuple[int, int]:
        """Pixels that the kernel reaches over."""
        high, wide = np.broadcast_to(self.dilation, (2,))
        return int(high) * (self.kh - 1) + 1, int(wide) * (self.kw - 1) + 1

    @property
    def options(self) -> dict[str, Any]:
        """Options of a pool."""
        return {"stride": self.stride, "padding": self.padding}

    @property
    def pool_options(self) -> dict[str, Any]:
        return {**self.options, "dilation": self.dilation, "ceil_mode": self.ceil_mode}

    @property
    def window_options(self) -> dict[str, Any]:
        """Options of im2col and col2im."""
        return {**self.options, "dilation": self.dilation}

    @property
    def conv_options(self) -> dict[str, Any]:
        """Options of convolution."""
        return {**self.window_options, "groups": self.groups}

    @property
    def gaps(self) -> bool:
        """Whether there are pixels that no window meets, at least half of them."""
        return self.label in ("gaps", "stride-over-kernel")

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Top, bottom, left, right."""
        if isinstance(self.padding, str):
            sizes = (self.span[0] - 1, self.span[1] - 1) if self.padding == "same" else (0, 0)
            top, left = sizes[0] // 2, sizes[1] // 2
            return top, sizes[0] - top, left, sizes[1] - left
        height, width = np.broadcast_to(self.padding, (2,)) if np.ndim(self.padding) < 2 else self.padding
        (top, bottom), (left, right) = np.broadcast_to(height, (2,)), np.broadcast_to(width, (2,))
        return int(top), int(bottom), int(left), int(right)

    @property
    def out(self) -> tuple[int, int]:
        top, bottom, left, right = self.pads
        sh, sw = np.broadcast_to(self.stride or self.kernel_size, (2,))
        high, wide = self.h + top + bottom, self.w + left + right
        return int((high - self.span[0]) // sh + 1), int((wide - self.span[1]) // sw + 1)

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        return self.n, self.o, *self.out

    @property
    def pool_shape(self) -> tuple[int, int, int, int]:
        top, bottom, left, right = self.pads
        sh, sw = np.broadcast_to(self.stride or self.kernel_size, (2,))
        dh, dw = np.broadcast_to(self.dilation, (2,))
        high = pool_places(top, self.h, bottom, dh * (self.kh - 1) + 1, sh, self.ceil_mode)
        wide = pool_places(left, self.w, right, dw * (self.kw - 1) + 1, sw, self.ceil_mode)
        return self.n, self.c, high, wide

    @property
    def cols_shape(self) -> tuple[int, int]:
        return self.c * self.kh * self.kw, self.n * self.out[0] * self.out[1]


CONVOLUTIONS = [
    Geometry("one-pixel", 1, 1, 1, 1, 1, 1, 1),
    Geometry("odd", 3, 3, 7, 5, 6, 3, 3),
    Geometry("pointwise", 16, 16, 4, 5, 33, 1, 1),
    Geometry("stride-2", 17, 6, 9, 8, 16, 3, 3, 2, 1),
    Geometry("same", 3, 33, 6, 7, 6, 5, 3, 1, "same"),
    Geometry("same-even", 1, 3, 5, 5, 6, 2, 4, 1, "same"),
    Geometry("asymmetric", 3, 3, 6, 5, 16, 3, 3, 1, ((0, 1), (2, 0))),
    Geometry("pairs", 16, 1, 8, 9, 6, 3, 5, (2, 1), (1, 2)),
    Geometry("kernel-over-image", 3, 6, 2, 3, 3, 5, 5, 1, 2),
    Geometry("gaps", 1, 3, 9, 9, 3, 2, 2, 3),
    Geometry("row-of-14", 17, 1, 18, 18, 6, 5, 5, 1, "valid"),
    Geometry("dilated", 3, 3, 9, 10, 16, 3, 3, 1, 2, 2),
    Geometry("dilated-same", 2, 6, 5, 7, 8, 3, 2, 1, "same", (2, 3)),
    Geometry("groups", 5, 6, 7, 8, 16, 3, 3, 1, 1, 1, 2),
    Geometry("depthwise", 3, 6, 9, 17, 6, 3, 3, 1, 1, 1, 6),
    Geometry("depthwise-3", 2, 3, 8, 7, 9, 3, 2, 2, ((1, 0), (0, 1)), 1, 3),
    Geometry("all-options", 3, 6, 19, 17, 15, 3, 4, (2, 3), ((3, 1), (0, 2)), (3, 2), 3),
    Geometry("stride-over-kernel", 2, 3, 11, 12, 8, 2, 3, (5, 4), 1, 2),
    Geometry("large-kernel", 17, 3, 9, 7, 9, 9, 7),
    Geometry("wide-image", 1, 3, 5, 70, 8, 3, 3, 1, ((0, 3), (1, 4))),
]
POOLS = [
    Geometry("one-pixel", 1, 1, 1, 1, 0, 1, 1),
    Geometry("halves", 17, 6, 8, 14, 0, 2, 2, None),
    Geometry("odd", 3, 33, 7, 5, 0, 2, 2, None),
    Geometry("overlap", 16, 3, 7, 9, 0, 3, 3, 2, 1),
    Geometry("same", 3, 16, 5, 6, 0, 3, 2, 1, "same"),
    Geometry("asymmetric", 1, 3, 6, 7, 0, 3, 2, (3, 2), ((0, 1), (1, 0))),
    Geometry("kernel-over-image", 3, 1, 2, 3, 0, 4, 5, 1, (2, 2)),
    Geometry("ceil", 3, 3, 8, 9, 0, 3, 2, 2, ceil_mode=True),
    Geometry("ceil-padded", 2, 2, 6, 38, 0, 3, 3, (2, 2), 1, ceil_mode=True),
    Geometry("ceil-asymmetric", 1, 3, 6, 7, 0, 3, 4, (2, 3), ((0, 1), (2, 1)), ceil_mode=True),
    Geometry("dilated", 2, 2, 9, 40, 0, 3, 2, (2, 1), (2, 1), dilation=(2, 3)),
    Geometry("dilated-ceil", 1, 2, 10, 21, 0, 2, 3, 3, 1, dilation=2, ceil_mode=True),
]
