"""Maximum pooling."""

import numpy as np

from .. import _options as options
from .._checks import Array, argmax_indices
from .._options import Padding, Size
from .._windows import Windows, pool_windows
from ._result import result
from .im2col import tap


def max_pool2d(
    x: Array,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    algorithm: str = "direct",
) -> tuple[Array, Array]:
    """Take the maximum of each window.

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half of what the kernel spans. Padding is never a maximum.
    dilation : int or (h, w)
        Pixels from one element of a window to the next.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge.
    algorithm : "direct" or "im2col"
        Look at the windows one after the other, or write them as columns first.

    Returns
    -------
    y : (N, C, OH, OW)
    argmax : (N, C, OH, OW) int64
        Where each maximum stood, as h * W + w in its plane. The first maximum wins a tie, the first NaN wins
        over everything.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), or an option is out of its range or does not fit the images.
    """
    windows = pool_windows("max_pool2d", x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if options.choice("max_pool2d: algorithm", algorithm, options.ALGORITHMS) == "im2col":
        return _by_columns(x, windows)
    n, c, height, width = x.shape
    (kh, kw), (sh, sw), (dh, dw) = windows.kernel, windows.stride, windows.dilation
    top, _, left, _ = windows.pads
    y = np.empty((n, c, *windows.out), x.dtype)
    argmax = np.empty((n, c, *windows.out), np.int64)
    for oh in range(windows.out[0]):
        for ow in range(windows.out[1]):
            # The rows and columns of the window, without those that lie on the padding.
            rows = [h for h in range(oh * sh - top, oh * sh - top + kh * dh, dh) if 0 <= h < height]
            columns = [w for w in range(ow * sw - left, ow * sw - left + kw * dw, dw) if 0 <= w < width]
            window = x[:, :, rows][:, :, :, columns].reshape(n, c, len(rows) * len(columns))
            first = window.argmax(axis=2)
            y[:, :, oh, ow] = np.take_along_axis(window, first[:, :, None], axis=2)[:, :, 0]
            i, j = np.divmod(first, len(columns))
            argmax[:, :, oh, ow] = np.array(rows)[i] * width + np.array(columns)[j]
    return y, argmax


def _by_columns(x: Array, windows: Windows) -> tuple[Array, Array]:
    """Write each window as a column, -inf where it lies on the padding, and take the maximum down the columns."""
    height, width = x.shape[2:]
    (kh, kw), (sh, sw), (dh, dw), (oh, ow) = windows.kernel, windows.stride, windows.dilation, windows.out
    top, _, left, _ = windows.pads
    # As much padding behind the image as the last window reaches, which may be more than was asked for (ceil_mode).
    bottom = max(0, (oh - 1) * sh + (kh - 1) * dh + 1 - top - height)
    right = max(0, (ow - 1) * sw + (kw - 1) * dw + 1 - left - width)
    pads = ((0, 0), (0, 0), (top, bottom), (left, right))
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = np.pad(x, pads, constant_values=lowest)
    places = np.pad(np.arange(height * width).reshape(1, 1, height, width), pads, constant_values=-1)
    elements = [(i, j) for i in range(kh) for j in range(kw)]
    columns = np.stack([tap(padded, windows, i, j) for i, j in elements])  # (KH*KW, N, C, OH, OW)
    numbers = np.stack([tap(places, windows, i, j)[0, 0] for i, j in elements])  # (KH*KW, OH, OW)
    first = columns.argmax(axis=0)
    y = np.take_along_axis(columns, first[None], axis=0)[0]
    # Where all pixels are -inf, the padding may have come before them: the first pixel is the maximum.
    first_pixel = (numbers >= 0).argmax(axis=0)
    first = np.where(y == lowest, first_pixel, first)
    rows, cols = np.ogrid[:oh, :ow]
    return y, numbers[first, rows, cols].astype(np.int64)


def max_pool2d_backward(
    dy: Array, argmax: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Return dx of shape `x_shape`: each dy goes to its window's maximum; overlapping windows add.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, `argmax` is not of integers or points outside the planes, or `out` does
        not fit.
    """
    indices = argmax_indices("max_pool2d_backward", argmax, dy.shape, x_shape)
    n, c, height, width = x_shape
    dx = np.zeros((n * c, height * width), dy.dtype)
    places = np.prod(dy.shape[2:], dtype=int)
    plane = np.arange(n * c)[:, None]
    np.add.at(dx, (plane, indices.reshape(n * c, places)), dy.reshape(n * c, places))
    return result("max_pool2d_backward", dx.reshape(x_shape), out, dy, argmax)
