"""Convolution (cross-correlation), as a sum over the elements of the kernel."""

import numpy as np

from .. import _options as options
from .._checks import Array
from .._options import Padding, Size
from .._windows import conv2d_windows
from ._result import result
from .im2col import crop, im2col, pad, tap


def split(x: Array, groups: int) -> Array:
    """View (N, C, H, W) as (N, groups, C / groups, H, W)."""
    n, c, *size = x.shape
    return x.reshape(n, groups, c // groups, *size)


def bank(w: Array, groups: int, i: int, j: int) -> Array:
    """View element (i, j) of all kernels as (groups, C_out / groups, C_in / groups)."""
    return w[:, :, i, j].reshape(groups, len(w) // groups, w.shape[1])


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    algorithm: str = "auto",
    out: Array | None = None,
) -> Array:
    """Convolve images with a bank of kernels: y[n, o] = b[o] + sum over c, i, j of w[o, c, i, j] * window.

    Parameters
    ----------
    x : (N, C_in, H, W)
    w : (C_out, C_in / groups, KH, KW)
        Not flipped: this is a cross-correlation, as in PyTorch.
    b : (C_out,), optional
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        "same" needs stride 1; where what the kernel spans is even, the larger part is at the bottom and the right.
    dilation : int or (h, w)
        Pixels from one element of the kernel to the next.
    groups : int
        Channels and filters are cut into so many groups; each filter sees the channels of its group.
    algorithm : "auto", "direct" or "im2col"
        "auto" and "direct" sum over the elements of the kernel; "im2col" is the textbook's product of the weights and
        the columns of `im2col`.
    out : (N, C_out, OH, OW), optional

    Returns
    -------
    (N, C_out, OH, OW)
        ``OH = (H + top + bottom - dilation * (KH - 1) - 1) // stride + 1``.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `x`, `w` and `b` do not belong together, an option is out of its range or leaves no output, or
        `out` does not fit.
    """
    options.choice("conv2d: algorithm", algorithm, options.CONV_ALGORITHMS)
    windows = conv2d_windows(
        "conv2d", x.shape, w.shape, stride, padding, dilation, groups, b_shape=None if b is None else b.shape
    )
    if algorithm == "im2col":
        y = _by_columns(x, w, groups, windows.out, stride=stride, padding=padding, dilation=dilation)
    else:
        padded = pad(x, windows.pads)
        y = np.zeros((len(x), groups, len(w) // groups, *windows.out), x.dtype)
        for i in range(windows.kernel[0]):
            for j in range(windows.kernel[1]):
                pixels = split(tap(padded, windows, i, j), groups)
                y += np.einsum("ngchw,goc->ngohw", pixels, bank(w, groups, i, j), optimize=True)
        y = y.reshape(len(x), len(w), *windows.out)
    if b is not None:
        y += b[:, None, None]
    return result("conv2d", y, out, x, w, *(() if b is None else (b,)))


def _by_columns(x: Array, w: Array, groups: int, size: tuple[int, int], **windows: object) -> Array:
    """Convolve as one product of matrices for each group."""
    filters, channels = len(w) // groups, w.shape[1]
    y = np.empty((len(x), len(w), *size), x.dtype)
    for g in range(groups):
        cols = im2col(x[:, g * channels : (g + 1) * channels], w.shape[2:], **windows)  # type: ignore[arg-type]
        part = w[g * filters : (g + 1) * filters].reshape(filters, -1) @ cols
        y[:, g * filters : (g + 1) * filters] = part.reshape(filters, len(x), *size).swapaxes(0, 1)
    return y


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv2d` for x, w and b, given dy (N, C_out, OH, OW).

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or an option is out of its range.
    """
    conv2d_windows("conv2d_backward", x.shape, w.shape, stride, padding, dilation, groups, dy_shape=dy.shape)
    dx = conv2d_backward_input(
        dy, w, x.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    dw = conv2d_backward_weight(
        dy, x, w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return dx, dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)


def conv2d_backward_input(
    dy: Array,
    w: Array,
    x_shape: tuple[int, ...],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Return dx (N, C_in, H, W): each dy goes back through every kernel element to the pixel it met.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, an option is out of its range, or `out` does not fit.
    """
    function = "conv2d_backward_input"
    n, c, height, width = options.shape(f"{function}: x_shape", x_shape, 4)
    windows = conv2d_windows(
        function, (n, c, height, width), w.shape, stride, padding, dilation, groups, dy_shape=dy.shape
    )
    top, bottom, left, right = windows.pads
    padded = np.zeros((n, c, top + height + bottom, left + width + right), dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            back = np.einsum("ngohw,goc->ngchw", split(dy, groups), bank(w, groups, i, j), optimize=True)
            pixels = tap(padded, windows, i, j)
            pixels += back.reshape(pixels.shape)
    return result(function, np.ascontiguousarray(crop(padded, windows.pads)), out, dy, w)


def conv2d_backward_weight(
    dy: Array,
    x: Array,
    w_shape: tuple[int, ...],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Return dw (C_out, C_in / groups, KH, KW): for each kernel element, the sum of dy times the pixel it met.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, an option is out of its range, or `out` does not fit.
    """
    function = "conv2d_backward_weight"
    shape = options.shape(f"{function}: w_shape", w_shape, 4)
    windows = conv2d_windows(function, x.shape, shape, stride, padding, dilation, groups, dy_shape=dy.shape)
    padded = pad(x, windows.pads)
    dw = np.empty(shape, dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            pixels = split(tap(padded, windows, i, j), groups)
            sums = np.einsum("ngohw,ngchw->goc", split(dy, groups), pixels, optimize=True)
            dw[:, :, i, j] = sums.reshape(shape[:2])
    return result(function, dw, out, dy, x)
