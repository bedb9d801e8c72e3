"""Convolution of (N, C, H, W) arrays."""

import functools
from typing import Any

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads, conv_deep, conv_deep_weight, conv_dots_weight, conv_planes, conv_planes_weight, conv_wide
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import lane_count
from ._options import CONV_ALGORITHMS, Padding, Size
from .conv_flat import PLAN_SUMS, PLAN_WEIGHT, SUMS, WEIGHT
from .conv_plan import Conv

Numbers = tuple[int, ...]
# Plans of convolutions that are kept: to make one takes longer than the sums of a small image.
_KEPT = 256
# Kernels as wide as this save half of their products, or more, by Winograd's algorithm along rows.
_WIDE = 4


def conv_numbers(windows: geometry.Windows, x_shape: tuple[int, ...], filters: int, groups: int) -> Numbers:
    """Fields of `conv_plan.Conv`: the convolution of x with that many filters."""
    n, c, height, width = x_shape
    top, _, left, _ = windows.pads
    return (n, c, filters, groups, height, width, *windows.kernel, *windows.out, *windows.stride, *windows.dilation,
            top, left)


def _workers(numbers: Numbers) -> int:
    n, c, k, groups, _, _, kh, kw, oh, ow = numbers[:10]
    return _threads.workers_for(n * oh, n * k * (c // groups) * kh * kw * oh * ow)


def is_for_blocks(conv: Conv, dtype: np.dtype[Any]) -> bool:
    """Whether lane blocks beat the flat form: images fill most of the lanes, sums run over windows and all channels."""
    lanes = lane_count(dtype.itemsize * 8)
    return conv.groups == 1 and conv.kh * conv.kw > 1 and 4 * conv.n >= 3 * lanes * -(-conv.n // lanes)


def _saves_much(conv: Conv, kernel: str, dtype: np.dtype[Any]) -> bool:
    """Whether lane blocks save so many products, by Winograd's algorithm along wide rows, that they beat "deep".

    us on 2 threads of a Zen 4, in lane blocks and "deep": 128x6x12x12 5x5 to 16 157, 202, its weight gradient 160, 211.
    With 3x3 kernels they are behind: weight gradient of 128x3x32x32 to 32 1924, 1596.
    """
    if conv.kw < _WIDE or conv.n <= lane_count(dtype.itemsize * 8):
        return False
    from . import conv_rows

    return conv_rows.by_points(conv, kernel, dtype)


@functools.lru_cache(_KEPT)
def sums_form(numbers: Numbers, dtype: np.dtype[Any], *, backward: bool, direct: bool) -> str:
    """Choose how outputs or, `backward`, input gradients are made: by "planes", "wide", "deep", in "blocks" or "flat".

    Bits change with it only where the algorithm is Winograd's; neither depends on the number of threads. `direct` is
    for sums that may not be.
    """
    conv = Conv(*numbers)
    if conv_planes.is_for_planes(conv, dtype, backward=backward):
        return "planes"
    if conv_wide.is_wide(conv, dtype, backward=backward):
        form = "wide"
    else:
        form = "blocks" if is_for_blocks(conv, dtype) else "flat"
    if form == "blocks" and not direct and _saves_much(conv, "backward_input" if backward else "forward", dtype):
        return form
    return "deep" if conv_deep.is_deep(conv, dtype, backward=backward, other=form) else form


@functools.lru_cache(_KEPT)
def weight_form(conv: Conv, dtype: np.dtype[Any]) -> str:
    """Choose how the gradients of weights are made: by "planes", "dots", "deep", in "blocks" or "flat"."""
    if conv_planes_weight.is_for_planes(conv, dtype):
        return "planes"
    blocks, dots = is_for_blocks(conv, dtype), conv_dots_weight.is_for_dots(conv, dtype)
    # 128x1x32x32 5x5 to 16 takes 580 us as "dots", and 800 in lane blocks; from two channels 1170 and 1025.
    if blocks and not (dots and conv.c == 1) and _saves_much(conv, "backward_weight", dtype):
        return "blocks"
    if conv_deep_weight.is_deep(conv, dtype, blocks=blocks):
        form = "deep"
    else:
        form = "blocks" if blocks else "flat"
    return "dots" if dots and conv_dots_weight.beats(conv, form) else form


@functools.lru_cache(_KEPT)
def _plan_sums(dtype: np.dtype[Any], workers: int, numbers: Numbers, backward: bool, columns: bool) -> Any:
    return PLAN_SUMS(np.empty(0, dtype), workers, numbers, backward, columns)


@functools.lru_cache(_KEPT)
def _plan_weight(dtype: np.dtype[Any], numbers: Numbers) -> Any:
    return PLAN_WEIGHT(np.empty(0, dtype), numbers)


def launch_sums(
    numbers: Numbers, x: Array, w: Array, b: Array | None, y: Array, *, backward: bool = False, algorithm: str = "auto"
) -> None:
    """Write a convolution of x to y or, `backward`, what the gradient for its input is."""
    if y.size == 0:
        return
    workers = _workers(numbers)
    # Lane blocks have no input gradient with a bias, which a transposed convolution is.
    direct = algorithm == "direct" or (backward and b is not None)
    form = "flat" if algorithm == "im2col" else sums_form(numbers, x.dtype, backward=backward, direct=direct)
    if form == "planes":
        conv_planes.sums(numbers, workers, x, w, b, y, backward=backward)
        return
    if form == "wide":
        conv_wide.sums(numbers, workers, x, w, b, y, backward=backward, exact=algorithm == "direct")
        return
    if form == "deep":
        conv_deep.sums(numbers, workers, x, w, b, y, backward=backward)
        return
    if form == "blocks" and not (backward and b is not None):
        from . import conv_rows

        kernel = conv_rows.INPUT if backward else conv_rows.FORWARD
        conv_rows.sums(Conv(*numbers), kernel, x, w, b, y, exact=algorithm == "direct")
        return
    weights = flat_alias(w)
    bias = weights if b is None else flat_alias(b)
    size, chosen = _plan_sums(x.dtype, workers, numbers, backward, algorithm == "im2col")
    _threads.launch(SUMS, workers, flat_alias(x), y.reshape(-1), weights, bias, b is not None, size, chosen, numbers,
                    backward)


def launch_weight(numbers: Numbers, dy: Array, x: Array, dw: Array, db: Array | None = None) -> None:
    """Write the gradients of a convolution's weights and, where there is a `db`, its bias."""
    if x.size == 0:
        dw[...] = 0
        if db is not None:
            db[...] = 0
        return
    conv = Conv(*numbers)
    form = weight_form(conv, x.dtype)
    if form == "dots":
        conv_dots_weight.gradients(numbers, _workers(numbers), dy, x, dw, db)
        return
    if db is None:  # all others sum dy beside their products
        db = np.empty(conv.k, x.dtype)
    if form == "planes":
        conv_planes_weight.gradients(numbers, _workers(numbers), dy, x, dw, db)
        return
    if form == "deep":
        conv_deep_weight.gradients(numbers, _workers(numbers), dy, x, dw, db)
        return
    # Spare lanes have zeros for dy, and for x the first image: 0 times what is infinite there would be NaN.
    spare = conv.n % lane_count(x.itemsize * 8)
    if form == "blocks" and not (spare and not np.isfinite(x[0]).all()):
        from . import conv_rows

        conv_rows.weight_gradients(conv, dy, x, dw, db)
        return
    scratch, chosen = _plan_weight(x.dtype, numbers)
    _threads.launch(WEIGHT, _workers(numbers), flat_alias(dy), flat_alias(x), dw.reshape(-1), db, scratch, chosen,
                    numbers)


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
    """Convolve images with a bank of kernels (cross-correlation, as in PyTorch).

    ``y[n, o, p, q] = b[o] + sum over c, i, j of w[o, c, i, j] * x[n, c', p * sh + i * dh - top, r]`` with
    ``r = q * sw + j * dw - left`` and c' the c-th channel of the group of o.

    Parameters
    ----------
    x : (N, C_in, H, W) float32 or float64
    w : (C_out, C_in / groups, KH, KW), dtype of x
    b : (C_out,), dtype of x, optional
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        Zeros around the images. "same" needs stride 1; where what the kernel spans is even, the larger part is at the
        bottom and the right.
    dilation : int or (h, w)
        Pixels from one element of the kernel to the next.
    groups : int
        Divides C_in and C_out; each filter sees the channels of its group. groups = C_in is a depthwise convolution.
    algorithm : "auto", "direct" or "im2col"
        "direct" sums over channels, rows and columns of the kernel, in this order. "im2col" writes out every window as
        a column, as the textbook does, and multiplies matrices; the results are the same to the bit. "auto" is
        Winograd's algorithm where that is faster, for kernels of stride 1: 3x3 with 16 to 256 channels and filters, if
        the maps are as wide as whole vectors, or images fill most of the lanes of vectors; and along rows, for kernels
        2 to 7 wide with 4 filters and more, if images fill the lanes so. It needs 16 products for 36, say, or 8 for 20,
        and rounds otherwise, by up to 2e-6 of the largest output in float32. Everywhere else, and where a number is not
        finite, "auto" is "direct".
    out : (N, C_out, OH, OW), dtype of x, optional

    Returns
    -------
    (N, C_out, OH, OW), dtype of x
        ``OH = (H + top + bottom - dh * (KH - 1) - 1) // sh + 1``, OW likewise.

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit; for channels last the message has the transpose.
    """
    images, weights = check.float_array("conv2d", "x", x), check.float_array("conv2d", "w", w)
    bias = None if b is None else check.float_array("conv2d", "b", b)
    check.same_dtype("conv2d", x=images, w=weights, b=bias)
    options.choice("conv2d: algorithm", algorithm, CONV_ALGORITHMS)
    windows = geometry.conv2d_windows("conv2d", images.shape, weights.shape, stride, padding, dilation, groups,
                                      b_shape=None if bias is None else bias.shape)
    k = len(weights)
    given = tuple(a for a in (x, w, b) if a is not None)
    y = check.out_array("conv2d", out, (len(images), k, *windows.out), images.dtype, inputs=given)
    numbers = conv_numbers(windows, images.shape, k, int(groups))
    launch_sums(numbers, images, weights, bias, y, algorithm=algorithm)
    return y


def conv2d_backward_input(
    dy: Array,
    w: Array,
    x_shape: tuple[int, int, int, int],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Gradient of `conv2d` for its input.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    w : (C_out, C_in / groups, KH, KW), dtype of dy
    x_shape : (N, C_in, H, W)
    stride, padding, dilation, groups
        As in `conv2d`.
    out : (N, C_in, H, W), dtype of dy, optional

    Returns
    -------
    (N, C_in, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv2d_backward_input"
    gradient, weights = check.float_array(name, "dy", dy), check.float_array(name, "w", w)
    check.same_dtype(name, dy=gradient, w=weights)
    shape = options.shape(f"{name}: x_shape", x_shape, 4)
    windows = geometry.conv2d_windows(name, shape, weights.shape, stride, padding, dilation, groups,
                                      dy_shape=gradient.shape)
    dx = check.out_array(name, out, shape, gradient.dtype, inputs=(dy, w))
    launch_sums(conv_numbers(windows, shape, len(weights), int(groups)), gradient, weights, None, dx, backward=True)
    return dx


def _weight_and_bias(name, dy, x, w_shape, stride, padding, dilation, groups, out=None, bias=True):
    gradient, images = check.float_array(name, "dy", dy), check.float_array(name, "x", x)
    check.same_dtype(name, dy=gradient, x=images)
    shape = options.shape(f"{name}: w_shape", w_shape, 4)
    windows = geometry.conv2d_windows(name, images.shape, shape, stride, padding, dilation, groups,
                                      dy_shape=gradient.shape)
    dw = check.out_array(name, out, shape, images.dtype, inputs=(dy, x))
    db = np.empty(shape[0], images.dtype) if bias else None
    launch_weight(conv_numbers(windows, images.shape, shape[0], int(groups)), gradient, images, dw, db)
    return dw, db


def conv2d_backward_weight(
    dy: Array,
    x: Array,
    w_shape: tuple[int, int, int, int],
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Gradient of `conv2d` for its weights.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    x : (N, C_in, H, W), dtype of dy
    w_shape : (C_out, C_in / groups, KH, KW)
    stride, padding, dilation, groups
        As in `conv2d`.
    out : (C_out, C_in / groups, KH, KW), dtype of dy, optional

    Returns
    -------
    (C_out, C_in / groups, KH, KW), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv2d_backward_weight"
    dw, _ = _weight_and_bias(name, dy, x, w_shape, stride, padding, dilation, groups, out, bias=False)
    return dw


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
    """Gradients of `conv2d` for x, w and b.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    x : (N, C_in, H, W), dtype of dy
    w : (C_out, C_in / groups, KH, KW), dtype of dy
    stride, padding, dilation, groups
        As in `conv2d`.

    Returns
    -------
    dx : (N, C_in, H, W)
    dw : (C_out, C_in / groups, KH, KW)
    db : (C_out,)

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    name = "conv2d_backward"
    weights = check.float_array(name, "w", w, 4)
    check.same_dtype(name, w=weights, dy=check.float_array(name, "dy", dy))
    dw, db = _weight_and_bias(name, dy, x, weights.shape, stride, padding, dilation, groups)
    arguments = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return conv2d_backward_input(dy, w, x.shape, **arguments), dw, db  # type: ignore[arg-type]
