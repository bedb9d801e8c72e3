"""Windows of images as columns, and back."""

import numpy as np

from .. import _options as options
from .._checks import Array, rank
from .._options import Padding, Pads, Size
from .._windows import Windows, image_windows
from ._result import result


def pad(x: Array, pads: Pads) -> Array:
    """Put zeros around the images `x` (N, C, H, W)."""
    top, bottom, left, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))


def crop(padded: Array, pads: Pads) -> Array:
    """Take the padding away again.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    top, bottom, left, right = pads
    return padded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]


def tap(padded: Array, windows: Windows, i: int, j: int) -> Array:
    """Return a view (N, C, OH, OW) of the pixels that kernel element (i, j) meets, window by window."""
    (sh, sw), (dh, dw), (oh, ow) = windows.stride, windows.dilation, windows.out
    top, left = i * dh, j * dw
    return padded[:, :, top : top + sh * (oh - 1) + 1 : sh, left : left + sw * (ow - 1) + 1 : sw]


def im2col(
    x: Array,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """Write each window of `x` as a column.

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size, stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
    dilation : int or (h, w)
        Pixels from one element of the kernel to the next.
    out : (C*KH*KW, N*OH*OW), optional

    Returns
    -------
    (C*KH*KW, N*OH*OW)
        Rows in the order (c, i, j), columns in the order (n, oh, ow). A convolution is then the product
        ``w.reshape(C_out, -1) @ cols``.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option is out of its range or leaves no window, or `out` does not fit.
    """
    windows = image_windows("im2col", x.shape, kernel_size, stride, padding, dilation)
    n, c = x.shape[:2]
    padded = pad(x, windows.pads)
    cols = np.empty((c, *windows.kernel, n, *windows.out), x.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            cols[:, i, j] = tap(padded, windows, i, j).swapaxes(0, 1)
    rows = c * windows.kernel[0] * windows.kernel[1]
    columns = n * windows.out[0] * windows.out[1]
    return result("im2col", cols.reshape(rows, columns), out, x)


def col2im(
    cols: Array,
    x_shape: tuple[int, int, int, int],
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """Add each column back to the place of its window; the transpose (not the inverse) of `im2col`.

    Parameters
    ----------
    cols : (C*KH*KW, N*OH*OW)
    x_shape : (N, C, H, W)
    kernel_size, stride, padding, dilation : as for `im2col`
    out : (N, C, H, W), optional

    Returns
    -------
    (N, C, H, W)
        Where windows overlap their values add; what fell on the padding is dropped.

    Raises
    ------
    TypeError, ValueError
        If `cols` is not of the shape that `im2col` gives for `x_shape`, an option is out of its range, or `out`
        does not fit.
    """
    n, c, height, width = options.shape("col2im: x_shape", x_shape, 4)
    windows = image_windows("col2im", (n, c, height, width), kernel_size, stride, padding, dilation)
    (kh, kw), (oh, ow), (top, bottom, left, right) = windows.kernel, windows.out, windows.pads
    rank("col2im", "cols", cols.shape, 2)
    expected = (c * kh * kw, n * oh * ow)
    if cols.shape != expected:
        raise ValueError(
            f"col2im: cols has shape {cols.shape}, im2col of x_shape {x_shape} has shape {expected}"
        )
    taps = cols.reshape(c, kh, kw, n, oh, ow)
    padded = np.zeros((n, c, top + height + bottom, left + width + right), cols.dtype)
    for i in range(kh):
        for j in range(kw):
            tap(padded, windows, i, j)[...] += taps[:, i, j].swapaxes(0, 1)
    return result("col2im", crop(padded, windows.pads), out, cols)
