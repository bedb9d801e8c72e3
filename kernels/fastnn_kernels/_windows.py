"""How windows slide over images: options of convolution and pooling -> plain numbers, and the size of the result.

Shapes and options only, for kernels and twins alike; each check names the function, what came and what is needed.
"""

import functools
from math import prod
from typing import Any, NamedTuple

from . import _options as options
from ._checks import MEMORY_LIMIT, Shape, batch, output_gradient, rank
from ._options import Pads, Pair, extent


class Windows(NamedTuple):
    """How a kernel slides over images: its size, stride, padding, dilation, and how many places it takes."""

    kernel: Pair
    stride: Pair
    pads: Pads
    dilation: Pair
    out: Pair


def image_windows(
    function: str, x_shape: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> Windows:
    """Check images and the options of im2col and convolution."""
    rank(function, "x", x_shape, 4)
    kernel = options.pair(f"{function}: kernel_size", kernel_size, 1)
    steps = options.pair(f"{function}: stride", stride, 1)
    gaps = options.pair(f"{function}: dilation", dilation, 1)
    span = extent(kernel, gaps)
    pads = options.pads(function, padding, span, steps)
    size = _padded_size(function, x_shape, kernel, span, pads)
    out = (size[0] - span[0]) // steps[0] + 1, (size[1] - span[1]) // steps[1] + 1
    return Windows(kernel, steps, pads, gaps, out)


def pool_windows(
    function: str,
    x_shape: Shape,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    ceil_mode: Any = False,
) -> Windows:
    """Check images and the options of pooling; a stride of None is the kernel size.

    The padding is at most half of what the kernel spans. With `ceil_mode` a last window may hang over the right or
    bottom edge, but not start in the padding there.
    """
    rank(function, "x", x_shape, 4)
    kernel = options.pair(f"{function}: kernel_size", kernel_size, 1)
    steps = options.pair(f"{function}: stride", kernel if stride is None else stride, 1)
    gaps = options.pair(f"{function}: dilation", dilation, 1)
    ceil = options.flag(f"{function}: ceil_mode", ceil_mode)
    span = extent(kernel, gaps)
    pads = options.pads(function, padding, span, steps)
    if max(pads[:2]) > span[0] // 2 or max(pads[2:]) > span[1] // 2:
        raise ValueError(
            f"{function}: padding (top, bottom, left, right) = {pads} is more than half of what the kernel spans, "
            f"{span[0]}x{span[1]}; at most {span[0] // 2} high and {span[1] // 2} wide is needed"
        )
    size = _padded_size(function, x_shape, kernel, span, pads)
    out = (
        pool_places(size[0], span[0], steps[0], pads[1], ceil),
        pool_places(size[1], span[1], steps[1], pads[3], ceil),
    )
    windows = Windows(kernel, steps, pads, gaps, out)
    _check_pixels(function, x_shape, windows)
    return windows


def image_size(function: str, x_shape: Shape) -> tuple[int, int, int, int]:
    """Check images that are pooled as a whole; return (n, c, height, width)."""
    rank(function, "x", x_shape, 4)
    _check_image(function, x_shape)
    batch(function, "x", x_shape, 4)
    n, c, height, width = x_shape
    return n, c, height, width


def adaptive_gradient(function: str, dy_shape: Shape, x_shape: Shape) -> None:
    """Check dy (N, C, OH, OW) of an adaptive pooling, whose output may have any size."""
    rank(function, "dy", dy_shape, 4)
    if dy_shape[:2] != x_shape[:2] or 0 in dy_shape[2:]:
        raise ValueError(
            f"{function}: dy has shape {dy_shape}, {x_shape[0]} samples and {x_shape[1]} channels as in x_shape "
            f"and at least one window are needed"
        )


def _check_image(function: str, x_shape: Shape) -> None:
    if min(x_shape[2:]) < 1:
        raise ValueError(f"{function}: the images are {x_shape[2]}x{x_shape[3]}, at least 1x1 is needed")


def _padded_size(function: str, x_shape: Shape, kernel: Pair, span: Pair, pads: Pads) -> Pair:
    """Return the size of the images with padding, which the kernel must fit into."""
    _check_image(function, x_shape)
    height, width = x_shape[2:]
    size = height + pads[0] + pads[1], width + pads[2] + pads[3]
    if size[0] < span[0] or size[1] < span[1]:
        dilated = f" that spans {span[0]}x{span[1]} pixels" if span != kernel else ""
        raise ValueError(
            f"{function}: a {kernel[0]}x{kernel[1]} kernel{dilated} does not fit into images of "
            f"{height}x{width}, {size[0]}x{size[1]} with padding"
        )
    batch(function, "x", x_shape, 4)
    _fits_memory(function, "the padded images", (*x_shape[:2], *size))
    return size


def _fits_memory(function: str, what: str, shape: Shape) -> None:
    if prod(shape) > MEMORY_LIMIT:
        raise ValueError(f"{function}: {what} would have shape {shape}, which no memory can hold")


def pool_places(size: int, span: int, stride: int, after: int, ceil_mode: bool) -> int:
    """Count the places of a pooling window along a side of `size` pixels, `after` of them padding at the end."""
    if not ceil_mode:
        return (size - span) // stride + 1
    places = -(-(size - span) // stride) + 1
    return places - 1 if (places - 1) * stride >= size - after else places


def empty_place(size: int, before: int, count: int, k: int, step: int, gap: int) -> int:
    """Return the first of a window's `count` places along a side where no element is on the image; -1 for none."""
    # Only a window that starts before the image can step over it.
    for place in range(min(count, before // step + 1)):
        start = place * step - before
        first = max(0, -(start // gap))
        if first >= k or start + first * gap >= size:
            return place
    return -1


def _check_pixels(function: str, x_shape: Shape, windows: Windows) -> None:
    """Refuse windows of which every element lies on the padding: they have no maximum and no average."""
    sides = (("row", x_shape[2], windows.pads[0]), ("column", x_shape[3], windows.pads[2]))
    for axis, (side, size, before) in enumerate(sides):
        k, step, gap, count = (w[axis] for w in (windows.kernel, windows.stride, windows.dilation, windows.out))
        place = empty_place(size, before, count, k, step, gap)
        if place >= 0:
            raise ValueError(
                f"{function}: all of window {side} {place} lies on the padding (kernel_size {windows.kernel}, "
                f"dilation {windows.dilation}, padding {windows.pads}, images of {x_shape[2]}x{x_shape[3]})"
            )


def conv2d_windows(
    function: str,
    x_shape: Shape,
    w_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any = 1,
    groups: Any = 1,
    *,
    b_shape: Shape | None = None,
    dy_shape: Shape | None = None,
) -> Windows:
    """Check the shapes and options of a convolution against each other."""
    check = _kept_windows if all(map(_is_plain, (stride, padding, dilation, groups))) else _conv2d_windows
    return check(function, x_shape, w_shape, stride, padding, dilation, groups, b_shape, dy_shape)


def _is_plain(option: Any) -> bool:
    """Whether an option is what it says: equal ones of other types, as 1.0 and True, could be refused."""
    kind = type(option)
    return kind is int or kind is str or (kind is tuple and all(type(number) is int for number in option))


def _conv2d_windows(
    function: str, x_shape: Shape, w_shape: Shape, stride: Any, padding: Any, dilation: Any, groups: Any,
    b_shape: Shape | None, dy_shape: Shape | None,
) -> Windows:  # fmt: skip
    rank(function, "x", x_shape, 4)
    rank(function, "w", w_shape, 4)
    count = options.size(f"{function}: groups", groups, 1)
    if 0 in w_shape:
        raise ValueError(f"{function}: w has shape {w_shape}, no size may be 0")
    if x_shape[1] % count or w_shape[0] % count:
        raise ValueError(
            f"{function}: groups is {count}, it must divide both the {x_shape[1]} channels of x "
            f"(x.shape = {x_shape}) and the {w_shape[0]} filters of w (w.shape = {w_shape})"
        )
    if x_shape[1] // count != w_shape[1]:
        raise ValueError(
            f"{function}: x has {x_shape[1]} channels (x.shape = {x_shape}) but w expects {w_shape[1] * count} "
            f"(w.shape = {w_shape}, groups = {count}){_layout_hint(x_shape, w_shape)}"
        )
    windows = image_windows(function, x_shape, w_shape[2:], stride, padding, dilation)
    if b_shape is not None and b_shape != w_shape[:1]:
        raise ValueError(
            f"{function}: b has shape {b_shape}, one value for each output channel: {w_shape[:1]}"
        )
    if dy_shape is not None:
        output_gradient(function, dy_shape, (x_shape[0], w_shape[0], *windows.out))
    return windows


# To check them takes longer than to convolve a small image.
_kept_windows = functools.lru_cache(256)(_conv2d_windows)


def _layout_hint(x_shape: Shape, w_shape: Shape) -> str:
    hint = ""
    if x_shape[3] == w_shape[1]:
        hint = "; x looks channels last, (N, C, H, W) is needed: x.transpose(0, 3, 1, 2)"
    # Of (C_out, C_in, KH, KW) the last two are most often equal, and the first two seldom those of a kernel.
    if x_shape[1] == w_shape[2] and w_shape[0] == w_shape[1] and w_shape[2] != w_shape[3]:
        hint += "; w looks like (KH, KW, C_in, C_out), (C_out, C_in, KH, KW) is needed: w.transpose(3, 2, 0, 1)"
    return hint


def conv_transpose2d_windows(
    function: str,
    x_shape: Shape,
    w_shape: Shape,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: Any,
    *,
    b_shape: Shape | None = None,
    dy_shape: Shape | None = None,
) -> tuple[Windows, tuple[int, int, int, int]]:
    """Check a transposed convolution; return the windows of the convolution it is the gradient of, and its y_shape.

    x (N, C_in, H, W) is that convolution's output, y (N, C_out, OH, OW) its input, and w has the shape
    (C_in, C_out / groups, KH, KW) as in PyTorch.
    """
    rank(function, "x", x_shape, 4)
    rank(function, "w", w_shape, 4)
    count = options.size(f"{function}: groups", groups, 1)
    if 0 in w_shape:
        raise ValueError(f"{function}: w has shape {w_shape}, no size may be 0")
    if x_shape[1] != w_shape[0]:
        raise ValueError(
            f"{function}: x has {x_shape[1]} channels (x.shape = {x_shape}) but w expects {w_shape[0]} "
            f"(w.shape = {w_shape}, (C_in, C_out / groups, KH, KW) is needed)"
        )
    if x_shape[1] % count:
        raise ValueError(f"{function}: groups is {count}, it must divide the {x_shape[1]} channels of x")
    batch(function, "x", x_shape, 4)
    kernel = (w_shape[2], w_shape[3])
    steps = options.pair(f"{function}: stride", stride, 1)
    gaps = options.pair(f"{function}: dilation", dilation, 1)
    extra = options.pair(f"{function}: output_padding", output_padding, 0)
    span = extent(kernel, gaps)
    pads = options.pads(function, padding, span, steps)
    for axis, side in enumerate(("high", "wide")):
        if extra[axis] >= max(steps[axis], gaps[axis]):
            raise ValueError(
                f"{function}: output_padding is {extra}, less than the stride {steps} or the dilation {gaps} is needed"
                f" ({extra[axis]} {side})"
            )
    out = tuple(
        (x_shape[2 + a] - 1) * steps[a] - pads[2 * a] - pads[2 * a + 1] + span[a] + extra[a] for a in (0, 1)
    )
    if min(out) < 1:
        raise ValueError(
            f"{function}: the output would be {out[0]}x{out[1]}, at least 1x1 is needed "
            f"(x.shape = {x_shape}, kernel {kernel}, stride {steps}, padding {pads})"
        )
    if b_shape is not None and b_shape != (w_shape[1] * count,):
        raise ValueError(f"{function}: b has shape {b_shape}, one value for each output channel: {w_shape[1] * count}")
    y_shape = (x_shape[0], w_shape[1] * count, out[0], out[1])
    _fits_memory(function, "the output", y_shape)
    if dy_shape is not None:
        output_gradient(function, dy_shape, y_shape)
    return Windows(kernel, steps, pads, gaps, (x_shape[2], x_shape[3])), y_shape
