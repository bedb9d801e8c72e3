"""Transposed convolution: the gradient of a convolution for its input, used forward."""

import numpy as np

from .. import _options as options
from .._checks import Array
from .._options import Padding, Size
from .._windows import conv_transpose2d_windows
from ._result import result
from .conv import bank, split
from .im2col import crop, pad, tap


def conv_transpose2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Write each pixel of x times the kernel into y, where neighbours overlap and add.

    Parameters
    ----------
    x : (N, C_in, H, W)
    w : (C_in, C_out / groups, KH, KW)
    b : (C_out,), optional
    stride : int or (h, w)
        Pixels of y from one pixel of x to the next.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        What is cut off around y.
    output_padding : int or (h, w)
        Rows and columns added to y at the bottom and the right: of the sizes of y whose convolution has the size of
        x, the one that is meant. Below stride or dilation.
    dilation : int or (h, w)
    groups : int
    out : (N, C_out, OH, OW), optional

    Returns
    -------
    (N, C_out, OH, OW)
        ``OH = (H - 1) * stride - top - bottom + dilation * (KH - 1) + output_padding + 1``.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `x`, `w` and `b` do not belong together, an option is out of its range or leaves no output, or
        `out` does not fit.
    """
    windows, y_shape = conv_transpose2d_windows(
        "conv_transpose2d", x.shape, w.shape, stride, padding, output_padding, dilation, groups,
        b_shape=None if b is None else b.shape,
    )  # fmt: skip
    (n, c, height, width), (top, bottom, left, right) = y_shape, windows.pads
    padded = np.zeros((n, c, top + height + bottom, left + width + right), x.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            pixels = tap(padded, windows, i, j)
            spread = np.einsum("ngohw,goc->ngchw", split(x, groups), bank(w, groups, i, j), optimize=True)
            pixels += spread.reshape(pixels.shape)
    y = crop(padded, windows.pads)
    if b is not None:
        y += b[:, None, None]
    return result("conv_transpose2d", np.ascontiguousarray(y), out, x, w, *(() if b is None else (b,)))


def conv_transpose2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv_transpose2d` for x, w and b, given dy (N, C_out, OH, OW).

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, or an option is out of its range.
    """
    arguments = {
        "stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip
    dx = conv_transpose2d_backward_input(dy, w, x.shape, **arguments)  # type: ignore[arg-type]
    dw = conv_transpose2d_backward_weight(dy, x, w.shape, **arguments)  # type: ignore[arg-type]
    return dx, dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)


def conv_transpose2d_backward_input(
    dy: Array,
    w: Array,
    x_shape: tuple[int, ...],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Return dx (N, C_in, H, W): the convolution of dy with w.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, an option is out of its range, or `out` does not fit.
    """
    function = "conv_transpose2d_backward_input"
    shape = options.shape(f"{function}: x_shape", x_shape, 4)
    windows, _ = conv_transpose2d_windows(
        function, shape, w.shape, stride, padding, output_padding, dilation, groups, dy_shape=dy.shape
    )
    padded = pad(dy, windows.pads)
    dx = np.zeros(shape, dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            pixels = split(tap(padded, windows, i, j), groups)
            back = np.einsum("ngchw,goc->ngohw", pixels, bank(w, groups, i, j), optimize=True)
            dx += back.reshape(shape)
    return result(function, dx, out, dy, w)


def conv_transpose2d_backward_weight(
    dy: Array,
    x: Array,
    w_shape: tuple[int, ...],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Return dw (C_in, C_out / groups, KH, KW): for each kernel element, the sum of x times the dy it met.

    Raises
    ------
    TypeError, ValueError
        If shapes do not belong together, an option is out of its range, or `out` does not fit.
    """
    function = "conv_transpose2d_backward_weight"
    shape = options.shape(f"{function}: w_shape", w_shape, 4)
    windows, _ = conv_transpose2d_windows(
        function, x.shape, shape, stride, padding, output_padding, dilation, groups, dy_shape=dy.shape
    )
    padded = pad(dy, windows.pads)
    dw = np.empty(shape, dy.dtype)
    for i in range(windows.kernel[0]):
        for j in range(windows.kernel[1]):
            pixels = split(tap(padded, windows, i, j), groups)
            sums = np.einsum("ngohw,ngchw->goc", split(x, groups), pixels, optimize=True)
            dw[:, :, i, j] = sums.reshape(shape[:2])
    return result(function, dw, out, dy, x)
