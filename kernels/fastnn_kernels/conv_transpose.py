"""Transposed convolution of (N, C, H, W) arrays: the input gradient of a convolution from y to x, used forward."""

import numpy as np

from . import _checks as check
from . import _options as options
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._options import Padding, Size
from .conv import conv_numbers, launch_sums, launch_weight
from .conv_flat import CHANNEL_SUMS


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
    """Write each pixel of x times the kernel into y, where neighbours overlap and add (as PyTorch's).

    ``y[n, o, p * sh + i * dh - top, q * sw + j * dw - left] += w[c, o', i, j] * x[n, c, p, q]``, from b[o] on, with o'
    the number of o within its group. It is the gradient of the convolution from y to x for its input (Dumoulin and
    Visin, 2016, "A guide to convolution arithmetic for deep learning", section 4).

    Parameters
    ----------
    x : (N, C_in, H, W) float32 or float64
    w : (C_in, C_out / groups, KH, KW), dtype of x
    b : (C_out,), dtype of x, optional
    stride : int or (h, w)
        Pixels of y from one pixel of x to the next.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        What is cut off around y.
    output_padding : int or (h, w)
        Rows and columns added to y at the bottom and the right; below the stride or the dilation.
    dilation : int or (h, w)
        Pixels of y from one element of the kernel to the next.
    groups : int
        Divides C_in and C_out.
    out : (N, C_out, OH, OW), dtype of x, optional

    Returns
    -------
    (N, C_out, OH, OW), dtype of x
        ``OH = (H - 1) * sh - top - bottom + dh * (KH - 1) + output_padding + 1``, OW likewise.

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv_transpose2d"
    images, weights = check.float_array(name, "x", x), check.float_array(name, "w", w)
    bias = None if b is None else check.float_array(name, "b", b)
    check.same_dtype(name, x=images, w=weights, b=bias)
    windows, y_shape = geometry.conv_transpose2d_windows(
        name, images.shape, weights.shape, stride, padding, output_padding, dilation, groups,
        b_shape=None if bias is None else bias.shape)
    given = tuple(a for a in (x, w, b) if a is not None)
    y = check.out_array(name, out, y_shape, images.dtype, inputs=given)
    launch_sums(conv_numbers(windows, y_shape, len(weights), int(groups)), images, weights, bias, y, backward=True)
    return y


def conv_transpose2d_backward_input(
    dy: Array,
    w: Array,
    x_shape: tuple[int, int, int, int],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Gradient of `conv_transpose2d` for its input: a convolution of dy.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    w : (C_in, C_out / groups, KH, KW), dtype of dy
    x_shape : (N, C_in, H, W)
    stride, padding, output_padding, dilation, groups
        As in `conv_transpose2d`.
    out : (N, C_in, H, W), dtype of dy, optional

    Returns
    -------
    (N, C_in, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv_transpose2d_backward_input"
    gradient, weights = check.float_array(name, "dy", dy), check.float_array(name, "w", w)
    check.same_dtype(name, dy=gradient, w=weights)
    shape = options.shape(f"{name}: x_shape", x_shape, 4)
    windows, y_shape = geometry.conv_transpose2d_windows(
        name, shape, weights.shape, stride, padding, output_padding, dilation, groups, dy_shape=gradient.shape)
    dx = check.out_array(name, out, shape, gradient.dtype, inputs=(dy, w))
    launch_sums(conv_numbers(windows, y_shape, len(weights), int(groups)), gradient, weights, None, dx)
    return dx


def _weight_and_bias(name, dy, x, w_shape, stride, padding, output_padding, dilation, groups, out=None):
    gradient, images = check.float_array(name, "dy", dy), check.float_array(name, "x", x)
    check.same_dtype(name, dy=gradient, x=images)
    shape = options.shape(f"{name}: w_shape", w_shape, 4)
    windows, y_shape = geometry.conv_transpose2d_windows(
        name, images.shape, shape, stride, padding, output_padding, dilation, groups, dy_shape=gradient.shape)
    dw = check.out_array(name, out, shape, images.dtype, inputs=(dy, x))
    # The roles are swapped: x has the place of a convolution's output gradient, whose sums nobody needs.
    launch_weight(conv_numbers(windows, y_shape, shape[0], int(groups)), images, gradient, dw)
    return dw, gradient


def conv_transpose2d_backward_weight(
    dy: Array,
    x: Array,
    w_shape: tuple[int, int, int, int],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Gradient of `conv_transpose2d` for its weights.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    x : (N, C_in, H, W), dtype of dy
    w_shape : (C_in, C_out / groups, KH, KW)
    stride, padding, output_padding, dilation, groups
        As in `conv_transpose2d`.
    out : (C_in, C_out / groups, KH, KW), dtype of dy, optional

    Returns
    -------
    (C_in, C_out / groups, KH, KW), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv_transpose2d_backward_weight"
    dw, _ = _weight_and_bias(name, dy, x, w_shape, stride, padding, output_padding, dilation, groups, out)
    return dw


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
    """Gradients of `conv_transpose2d` for x, w and b.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    x : (N, C_in, H, W), dtype of dy
    w : (C_in, C_out / groups, KH, KW), dtype of dy
    stride, padding, output_padding, dilation, groups
        As in `conv_transpose2d`.

    Returns
    -------
    dx : (N, C_in, H, W)
    dw : (C_in, C_out / groups, KH, KW)
    db : (C_out,)

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv_transpose2d_backward"
    weights = check.float_array(name, "w", w, 4)
    check.same_dtype(name, w=weights, dy=check.float_array(name, "dy", dy))
    arguments = (stride, padding, output_padding, dilation, groups)
    dw, gradient = _weight_and_bias(name, dy, x, weights.shape, *arguments)
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    dx = conv_transpose2d_backward_input(dy, w, x.shape, **dict(zip(names, arguments, strict=True)))  # type: ignore
    db = np.empty(gradient.shape[1], gradient.dtype)
    CHANNEL_SUMS(flat_alias(gradient), db, len(gradient), gradient.shape[2] * gradient.shape[3])
    return dx, dw, db
