"""Average pooling of (N, C, H, W) arrays, over windows of one size."""

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._options import ALGORITHMS, Padding, Size
from .pool_im2col import AVERAGE_IM2COL
from .pool_pairs import average_pairs_backward_plane, average_pairs_plane, in_pairs
from .pool_plane import average_backward_plane, average_plane, window_table, windows_inside
from .simd import lanes
from .team import share_out, threads_of


@kernel
def _average_worker(worker, workers, x, y, planes, height, width, oh, ow, rows, cols, first, last, sw, left, kw):
    """Every `workers`-th plane, from `worker` on."""
    sums = np.empty(width + lanes(x), x.dtype)
    for plane in range(worker, planes, workers):
        average_plane(x, plane * height * width, y, plane * oh * ow, width, oh, ow, rows, cols,
                      first, last, sw, left, kw, sums)


@kernel
def _average_pairs(plane, x, y, height, width, oh, ow):
    average_pairs_plane(x, plane * height * width, y, plane * oh * ow, width, oh, ow)


@kernel
def _spread_pairs(plane, dy, dx, height, width, oh, ow):
    average_pairs_backward_plane(dy, plane * oh * ow, dx, plane * height * width, height, width, oh, ow)


def _average_entry(team, x, y, planes, height, width, kh, kw, oh, ow, sh, sw, top, bottom, left, right, include_pad):
    """Averages over windows of kh x kw, or adaptive ones (kh = kw = 0)."""
    if in_pairs(kh, kw, oh, ow, sh, sw, top, left, height, width):
        share_out(team, planes, _average_pairs, (x, y, height, width, oh, ow))
        return
    rows = window_table(height, oh, kh, sh, top, bottom, include_pad)
    cols = window_table(width, ow, kw, sw, left, right, include_pad)
    first, last = windows_inside(ow, sw, left, kw, width)
    if kw == 0:
        last = first
    workers = threads_of(team)
    share_out(team, workers, _average_worker, (workers, x, y, planes, height, width, oh, ow, rows, cols, first, last,
                                               sw, left, kw))


@kernel
def _backward_worker(worker, workers, dy, dx, planes, height, width, oh, ow, rows, cols):
    """Every `workers`-th plane, from `worker` on."""
    spread = np.empty(width + lanes(dx), dx.dtype)
    for plane in range(worker, planes, workers):
        average_backward_plane(dy, plane * oh * ow, dx, plane * height * width, height, width, oh, ow, rows, cols,
                               spread)


def _backward_entry(
    team, dy, dx, planes, height, width, kh, kw, oh, ow, sh, sw, top, bottom, left, right, include_pad
):
    """Gradients of averages over windows of kh x kw, or adaptive ones (kh = kw = 0)."""
    if in_pairs(kh, kw, oh, ow, sh, sw, top, left, height, width):
        share_out(team, planes, _spread_pairs, (dy, dx, height, width, oh, ow))
        return
    rows = window_table(height, oh, kh, sh, top, bottom, include_pad)
    cols = window_table(width, ow, kw, sw, left, right, include_pad)
    workers = threads_of(team)
    share_out(team, workers, _backward_worker, (workers, dy, dx, planes, height, width, oh, ow, rows, cols))


FORWARD, BACKWARD = entry(_average_entry), entry(_backward_entry)


def avg_pool2d(
    x: Array, kernel_size: Size, *, stride: Size | None = None, padding: Padding = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, algorithm: str = "direct", out: Array | None = None,
) -> Array:
    """Take the average of each window: the sum of its pixels by the number of elements that count, as in PyTorch.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        Zeros around the images, at most half the kernel size.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge; it never starts in the padding there.
    count_include_pad : bool
        What counts: all elements of the window on the padded image, or those on the image alone. What hangs over the
        padded image never does.
    algorithm : "direct" or "im2col"
        "im2col" writes each window as a column of a matrix first, as textbooks do: slower, the same but for rounding.
    out : (N, C, OH, OW), dtype of x, optional

    Returns
    -------
    (N, C, OH, OW), dtype of x
        ``OH = (H + top + bottom - kernel_size) // stride + 1``, rounded up with `ceil_mode`.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or a window is larger than the padded image.
    """
    name = "avg_pool2d"
    images = check.float_array(name, "x", x, 4)
    windows = geometry.pool_windows(name, images.shape, kernel_size, stride, padding, 1, ceil_mode)
    include_pad = options.flag(f"{name}: count_include_pad", count_include_pad)
    textbook = options.choice(f"{name}: algorithm", algorithm, ALGORITHMS) == "im2col"
    n, c, height, width = images.shape
    (kh, kw), (oh, ow) = windows.kernel, windows.out
    y = check.out_array(name, out, (n, c, oh, ow), images.dtype, inputs=(x,))
    if y.size == 0:
        return y
    arrays = (flat_alias(images), y.reshape(-1))
    sizes = (height, width, kh, kw, oh, ow, *windows.stride, *windows.pads, include_pad)
    work = 2 * y.size * kh * kw
    if textbook:
        columns = check.out_array(name, None, (c * kh * kw, n * oh * ow), images.dtype)
        _threads.launch(AVERAGE_IM2COL, _threads.workers_for(c, work), *arrays, columns.reshape(-1), n, c, *sizes)
    else:
        _threads.launch(FORWARD, _threads.workers_for(n * c, work), *arrays, n * c, *sizes)
    return y


def avg_pool2d_backward(
    dy: Array, x_shape: tuple[int, int, int, int], kernel_size: Size, *, stride: Size | None = None,
    padding: Padding = 0, ceil_mode: bool = False, count_include_pad: bool = True, out: Array | None = None,
) -> Array:
    """Gradient of `avg_pool2d`: each dy, by its window's divisor, goes to all pixels of the window; overlaps add.

    Parameters
    ----------
    dy : (N, C, OH, OW) float32 or float64
    x_shape : (N, C, H, W)
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As in `avg_pool2d`.
    out : (N, C, H, W), dtype of dy, optional

    Returns
    -------
    (N, C, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    name = "avg_pool2d_backward"
    gradient = check.float_array(name, "dy", dy, 4)
    n, c, height, width = shape = options.shape(f"{name}: x_shape", x_shape, 4)
    windows = geometry.pool_windows(name, shape, kernel_size, stride, padding, 1, ceil_mode)
    include_pad = options.flag(f"{name}: count_include_pad", count_include_pad)
    check.output_gradient(name, gradient.shape, (n, c, *windows.out))
    dx = check.out_array(name, out, shape, gradient.dtype, inputs=(dy,))
    if dx.size == 0:
        return dx
    workers = _threads.workers_for(n * c, 2 * gradient.size * windows.kernel[0] * windows.kernel[1])
    _threads.launch(BACKWARD, workers, flat_alias(gradient), dx.reshape(-1), n * c, height, width, *windows.kernel,
                    *windows.out, *windows.stride, *windows.pads, include_pad)
    return dx
