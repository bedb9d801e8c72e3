"""Average pooling over windows of one size."""

import numpy as np

from .. import _options as options
from .._checks import Array, output_gradient
from .._options import Padding, Size
from .._windows import Windows, pool_windows
from ._result import result
from .im2col import tap


def avg_pool2d(
    x: Array,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    algorithm: str = "direct",
    out: Array | None = None,
) -> Array:
    """Take the average of each window.

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        Zeros around the images, at most half the kernel size.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge.
    count_include_pad : bool
        Whether the padding counts in the divisor.
    algorithm : "direct" or "im2col"
        Look at the windows one after the other, or write them as columns first.
    out : (N, C, OH, OW), optional

    Returns
    -------
    (N, C, OH, OW)

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option is out of its range or does not fit the images, or `out` does not fit.
    """
    windows = pool_windows("avg_pool2d", x.shape, kernel_size, stride, padding, 1, ceil_mode)
    include_pad = options.flag("avg_pool2d: count_include_pad", count_include_pad)
    y = np.empty((*x.shape[:2], *windows.out), np.result_type(x.dtype, np.float32))
    if options.choice("avg_pool2d: algorithm", algorithm, options.ALGORITHMS) == "im2col":
        sums = _column_sums(x, windows)
        for oh in range(windows.out[0]):
            for ow in range(windows.out[1]):
                y[:, :, oh, ow] = sums[:, :, oh, ow] / _window(x.shape, windows, oh, ow, include_pad)[2]
        return result("avg_pool2d", y, out, x)
    for oh in range(windows.out[0]):
        for ow in range(windows.out[1]):
            rows, columns, divisor = _window(x.shape, windows, oh, ow, include_pad)
            y[:, :, oh, ow] = x[:, :, rows, columns].sum(axis=(2, 3)) / divisor
    return result("avg_pool2d", y, out, x)


def avg_pool2d_backward(
    dy: Array,
    x_shape: tuple[int, int, int, int],
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    out: Array | None = None,
) -> Array:
    """Return dx of shape `x_shape`: each dy, by its window's divisor, goes to all pixels of the window.

    Raises
    ------
    TypeError, ValueError
        If an option is out of its range or does not fit `x_shape`, `dy` is not of the output's shape, or `out` does not
        fit.
    """
    name = "avg_pool2d_backward"
    shape = options.shape(f"{name}: x_shape", x_shape, 4)
    windows = pool_windows(name, shape, kernel_size, stride, padding, 1, ceil_mode)
    include_pad = options.flag(f"{name}: count_include_pad", count_include_pad)
    output_gradient(name, dy.shape, (*shape[:2], *windows.out))
    dx = np.zeros(shape, np.result_type(dy.dtype, np.float32))
    for oh in range(windows.out[0]):
        for ow in range(windows.out[1]):
            rows, columns, divisor = _window(shape, windows, oh, ow, include_pad)
            dx[:, :, rows, columns] += (dy[:, :, oh, ow] / divisor)[:, :, None, None]
    return result(name, dx, out, dy)


def _window(
    x_shape: tuple[int, ...], windows: Windows, oh: int, ow: int, include_pad: bool
) -> tuple[slice, slice, int]:
    """Return the rows and columns of the image in window (oh, ow), and how many elements of it count."""
    height, width = x_shape[2:]
    (kh, kw), (sh, sw), (top, bottom, left, right) = windows.kernel, windows.stride, windows.pads
    # What hangs over the padded image never counts (ceil_mode).
    h0, h1 = oh * sh - top, min(oh * sh - top + kh, height + bottom)
    w0, w1 = ow * sw - left, min(ow * sw - left + kw, width + right)
    rows, columns = slice(max(h0, 0), min(h1, height)), slice(max(w0, 0), min(w1, width))
    if include_pad:
        return rows, columns, (h1 - h0) * (w1 - w0)
    return rows, columns, (rows.stop - rows.start) * (columns.stop - columns.start)


def _column_sums(x: Array, windows: Windows) -> Array:
    """Write each window as a column, 0 where it lies on the padding, and sum down the columns."""
    (kh, kw), (sh, sw), (oh, ow), (top, _, left, _) = windows.kernel, windows.stride, windows.out, windows.pads
    # As much padding behind the image as the last window reaches, which may be more than was asked for (ceil_mode).
    bottom = max(0, (oh - 1) * sh + kh - top - x.shape[2])
    right = max(0, (ow - 1) * sw + kw - left - x.shape[3])
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    columns = np.stack([tap(padded, windows, i, j) for i in range(kh) for j in range(kw)])
    return np.asarray(columns.sum(axis=0))
