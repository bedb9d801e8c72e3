"""Maximum pooling."""

import numpy as np

from .._checks import Array, argmax_indices
from .._options import Padding, Size
from .._windows import pool_windows


def max_pool2d(
    x: Array, kernel_size: Size, *, stride: Size | None = None, padding: Padding = 0
) -> tuple[Array, Array]:
    """Take the maximum of each window.

    Parameters
    ----------
    x : (N, C, H, W)
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half the kernel size. Padding is never a maximum.

    Returns
    -------
    y : (N, C, OH, OW)
    argmax : (N, C, OH, OW) int64
        Where each maximum stood, as h * W + w in its plane. The first maximum wins a tie, the first NaN wins
        over everything.
    """
    windows = pool_windows("max_pool2d", x.shape, kernel_size, stride, padding)
    n, c, height, width = x.shape
    (kh, kw), (sh, sw), (top, _, left, _) = windows.kernel, windows.stride, windows.pads
    y = np.empty((n, c, *windows.out), x.dtype)
    argmax = np.empty((n, c, *windows.out), np.int64)
    for oh in range(windows.out[0]):
        for ow in range(windows.out[1]):
            # The window without the part that lies on the padding.
            h0, w0 = max(oh * sh - top, 0), max(ow * sw - left, 0)
            h1, w1 = min(oh * sh - top + kh, height), min(ow * sw - left + kw, width)
            window = x[:, :, h0:h1, w0:w1].reshape(n, c, (h1 - h0) * (w1 - w0))
            first = window.argmax(axis=2)
            y[:, :, oh, ow] = np.take_along_axis(window, first[:, :, None], axis=2)[:, :, 0]
            i, j = np.divmod(first, w1 - w0)
            argmax[:, :, oh, ow] = (h0 + i) * width + w0 + j
    return y, argmax


def max_pool2d_backward(dy: Array, argmax: Array, x_shape: tuple[int, int, int, int]) -> Array:
    """Return dx of shape `x_shape`: each dy goes to its window's maximum; overlapping windows add."""
    indices = argmax_indices("max_pool2d_backward", argmax, dy.shape, x_shape)
    n, c, height, width = x_shape
    dx = np.zeros((n * c, height * width), dy.dtype)
    places = np.prod(dy.shape[2:], dtype=int)
    plane = np.arange(n * c)[:, None]
    np.add.at(dx, (plane, indices.reshape(n * c, places)), dy.reshape(n * c, places))
    return dx.reshape(x_shape)
