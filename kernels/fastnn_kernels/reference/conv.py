"""Convolution (cross-correlation), as a sum over the elements of the kernel."""

import numpy as np

from .. import _options as options
from .._checks import Array
from .._options import Padding, Size
from .._windows import conv2d_windows
from ._result import result
from .im2col import crop, pad, tap


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    out: Array | None = None,
) -> Array:
    """Convolve images with a bank of kernels: y[n, o] = b[o] + sum over c, i, j of w[o, c, i, j] * window.

    Parameters
    ----------
    x : (N, C_in, H, W)
    w : (C_out, C_in, KH, KW)
        Not flipped: this is a cross-correlation, as in PyTorch.
    b : (C_out,), optional
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        "same" needs stride 1; where k - 1 is odd, the larger part is at the bottom and the right.
    out : (N, C_out, OH, OW), optional

    Returns
    -------
    (N, C_out, OH, OW)
        ``OH = (H + top + bottom - KH) // stride + 1``.
    """
    windows = conv2d_windows(
        "conv2d", x.shape, w.shape, stride, padding, b_shape=None if b is None else b.shape
    )
    padded = pad(x, windows.pads)
    y = np.zeros((len(x), len(w), *windows.out), x.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            y += np.einsum("nchw,oc->nohw", tap(padded, windows, i, j), w[:, :, i, j], optimize=True)
    if b is not None:
        y += b[:, None, None]
    return result("conv2d", y, out, x, w, *(() if b is None else (b,)))


def conv2d_backward(
    dy: Array, x: Array, w: Array, *, stride: Size = 1, padding: Padding = 0
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv2d` for x, w and b, given dy (N, C_out, OH, OW)."""
    conv2d_windows("conv2d_backward", x.shape, w.shape, stride, padding, dy_shape=dy.shape)
    dx = conv2d_backward_input(dy, w, x.shape, stride=stride, padding=padding)
    dw = conv2d_backward_weight(dy, x, w.shape, stride=stride, padding=padding)
    return dx, dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)


def conv2d_backward_input(
    dy: Array, w: Array, x_shape: tuple[int, ...], *, stride: Size = 1, padding: Padding = 0
) -> Array:
    """Return dx (N, C_in, H, W): each dy goes back through every kernel element to the pixel it met."""
    n, c, height, width = options.shape("conv2d_backward_input: x_shape", x_shape, 4)
    windows = conv2d_windows(
        "conv2d_backward_input", (n, c, height, width), w.shape, stride, padding, dy_shape=dy.shape
    )
    top, bottom, left, right = windows.pads
    padded = np.zeros((n, c, top + height + bottom, left + width + right), dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            tap(padded, windows, i, j)[...] += np.einsum("nohw,oc->nchw", dy, w[:, :, i, j], optimize=True)
    return np.ascontiguousarray(crop(padded, windows.pads))


def conv2d_backward_weight(
    dy: Array, x: Array, w_shape: tuple[int, ...], *, stride: Size = 1, padding: Padding = 0
) -> Array:
    """Return dw (C_out, C_in, KH, KW): for each kernel element, the sum of dy times the pixel it met."""
    shape = options.shape("conv2d_backward_weight: w_shape", w_shape, 4)
    windows = conv2d_windows("conv2d_backward_weight", x.shape, shape, stride, padding, dy_shape=dy.shape)
    padded = pad(x, windows.pads)
    dw = np.empty(shape, dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            dw[:, :, i, j] = np.einsum("nohw,nchw->oc", dy, tap(padded, windows, i, j), optimize=True)
    return dw
