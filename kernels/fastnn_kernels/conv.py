"""Convolution of (N, C, H, W) arrays: pack lane blocks, run the block kernel, unpack."""

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, entries, kernel, lane_count, prange
from ._options import Padding, Size
from .conv_block import (
    channel_sums_block,
    conv2d_backward_input_block,
    conv2d_backward_weight_block,
    conv2d_block,
    pack_weights,
)
from .layout import copy_block, gather_block, lane_samples, scatter_block
from .reduction import tree_sum
from .simd import lanes, vload, vstore
from .tile import tile
from .vmath import vset

# One tile for every shape: maps that are smaller than it are computed with spare rows and columns.
_ROWS = 4
_COLS = min(4, TILE_LIMIT // _ROWS)


@kernel
def _load_padded(x, channels, height, width, samples, staged, so, m, mo, rows, cols, top, left):
    """Load a block's images into maps of (rows, cols), zeros around them."""
    L = lanes(m)
    gather_block(x, channels * height * width, samples, 0, staged, so)
    zero = vset(m, 0.0)
    for c in range(channels):
        for r in range(rows):
            h = r - top
            for q in range(cols):
                w = q - left
                value = zero
                if 0 <= h < height and 0 <= w < width:
                    value = vload(staged, so + ((c * height + h) * width + w) * L)
                vstore(m, mo + ((c * rows + r) * cols + q) * L, value)


@kernel
def _pack(w, filters, inner, f_stride, i_stride, taps):
    """Pack weights for tiles of _ROWS, with zeros for the filters that are missing to one tile."""
    count = max(filters, _ROWS)
    packed = np.zeros(-(-count // _ROWS) * _ROWS * inner * taps, w.dtype)
    if filters >= _ROWS:
        pack_weights(w, 0, 1, filters, inner, f_stride, i_stride, taps, _ROWS, packed, 0)
    else:
        for f in range(filters):
            for c in range(inner):
                for p in range(taps):
                    packed[(c * taps + p) * _ROWS + f] = w[f * f_stride + c * i_stride + p]
    return packed


@kernel
def _conv2d_worker(worker, workers, x, packed, bias, y, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    """Every `workers`-th lane block, from `worker` on."""
    L = lanes(x)
    filters, columns = max(k, _ROWS), max(ow, _COLS)
    rows, cols = (oh - 1) * sh + kh, (columns - 1) * sw + kw
    po = max(c * height * width, k * oh * ow) * L
    ro = po + c * rows * cols * L
    m = np.empty(ro + filters * oh * columns * L, x.dtype)
    samples = np.empty(L, np.int64)
    for block in range(worker, -(-n // L), workers):
        valid = lane_samples(samples, block * L, n)
        _load_padded(x, c, height, width, samples, m, 0, m, po, rows, cols, top, left)
        conv2d_block(tile(x, _ROWS, _COLS), m, po, rows * cols * L, cols * L, packed, 0, bias, 0,
                     m, ro, oh * columns * L, columns * L, c, kh, kw, filters, oh, columns, sh, sw, 1, 1, 1, True)
        copy_block(m, ro, oh * columns * L, columns * L, m, 0, oh * ow * L, ow * L, k, oh, ow)
        scatter_block(m, 0, k * oh * ow, valid, y, block * L * k * oh * ow)


def _conv2d_entry(workers, x, w, b, has_bias, y, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    packed = _pack(w, k, c, c * kh * kw, kh * kw, kh * kw)
    bias = np.zeros(max(k, _ROWS), x.dtype)
    if has_bias:
        bias[:k] = b
    for worker in prange(workers):
        _conv2d_worker(np.int64(worker), workers, x, packed, bias, y,
                       n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left)


@kernel
def _input_worker(worker, workers, dy, packed, dx, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    """Every `workers`-th lane block, from `worker` on."""
    L = lanes(dy)
    channels, columns, halo = max(c, _ROWS), max(width, _COLS * sw), _COLS - 1
    cols = ow + 2 * halo
    po = max(k * oh * ow, c * height * width) * L
    ro = po + k * oh * cols * L
    m = np.empty(ro + channels * height * columns * L, dy.dtype)
    samples = np.empty(L, np.int64)
    for block in range(worker, -(-n // L), workers):
        valid = lane_samples(samples, block * L, n)
        _load_padded(dy, k, oh, ow, samples, m, 0, m, po, oh, cols, 0, halo)
        conv2d_backward_input_block(
            tile(dy, _ROWS, _COLS), m, po + halo * L, oh * cols * L, cols * L, packed, 0, packed, 0,
            m, ro, height * columns * L, columns * L, channels, height, columns, kh, kw, k, oh, ow, sh, sw, top, left,
            1, 1, 1, False)
        copy_block(m, ro, height * columns * L, columns * L, m, 0, height * width * L, width * L, c, height, width)
        scatter_block(m, 0, c * height * width, valid, dx, block * L * c * height * width)


def _backward_input_entry(workers, dy, w, dx, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    packed = _pack(w, c, k, kh * kw, c * kh * kw, kh * kw)
    for worker in prange(workers):
        _input_worker(np.int64(worker), workers, dy, packed, dx,
                      n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left)


@kernel
def _clear_spare_lanes(m, offset, vectors, valid):
    L = lanes(m)
    for p in range(vectors):
        for lane in range(valid, L):
            m[offset + p * L + lane] = 0


@kernel
def _weight_worker(worker, workers, dy, x, sums, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    """Every `workers`-th lane block, from `worker` on: its gradients of weights and bias, to its place in `sums`."""
    L = lanes(x)
    filters = max(k, _ROWS)
    rows, cols = (oh - 1) * sh + kh, (ow - 1) * sw + kw
    po, size = max(c * height * width, k * oh * ow) * L, filters * c * kh * kw
    do = po + c * rows * cols * L
    m = np.zeros(do + filters * oh * ow * L, x.dtype)  # zeros: what dy of missing filters is
    samples = np.empty(L, np.int64)
    for block in range(worker, -(-n // L), workers):
        valid = lane_samples(samples, block * L, n)
        _load_padded(x, c, height, width, samples, m, 0, m, po, rows, cols, top, left)
        gather_block(dy, k * oh * ow, samples, 0, m, do)
        # Spare lanes repeat sample 0, which must not count twice, nor its inf become NaN.
        _clear_spare_lanes(m, po, c * rows * cols, valid)
        _clear_spare_lanes(m, do, k * oh * ow, valid)
        at = block * (size + filters)
        if kw >= 3 or c >= 3:
            conv2d_backward_weight_block(tile(x, _ROWS, 3), m, do, oh * ow * L, ow * L, m, po, rows * cols * L,
                                         cols * L, sums, at, c, kh, kw, filters, oh, ow, sh, sw, 1, 1, 1, kw < 3)
        else:
            conv2d_backward_weight_block(tile(x, _ROWS, 1), m, do, oh * ow * L, ow * L, m, po, rows * cols * L,
                                         cols * L, sums, at, c, kh, kw, filters, oh, ow, sh, sw, 1, 1, 1, False)
        channel_sums_block(m, do, oh * ow * L, ow * L, k, oh, ow, sums, at + size)


def _backward_weight_entry(workers, dy, x, dw, db, n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left):
    filters = max(k, _ROWS)
    size, blocks = filters * c * kh * kw, -(-n // lanes(x))
    sums = np.zeros(max(1, blocks) * (size + filters), x.dtype)
    for worker in prange(workers):
        _weight_worker(np.int64(worker), workers, dy, x, sums,
                       n, c, height, width, k, kh, kw, oh, ow, sh, sw, top, left)
    tree_sum(sums, 0, size + filters, blocks, size + filters)
    dw[:] = sums[: dw.size]
    db[:] = sums[size : size + k]


FORWARD, INPUT, WEIGHT = entries(_conv2d_entry), entries(_backward_input_entry), entries(_backward_weight_entry)


def _launch(compiled, windows, n, c, height, width, k, *arrays):
    (kh, kw), (oh, ow), (top, _, left, _) = windows.kernel, windows.out, windows.pads
    blocks = -(-n // lane_count(arrays[0].itemsize * 8))
    workers = _threads.workers_for(blocks, n * k * c * kh * kw * oh * ow)
    _threads.launch(compiled, workers, *arrays, n, c, height, width, k, kh, kw, oh, ow, *windows.stride, top, left)


def conv2d(
    x: Array, w: Array, b: Array | None = None, *, stride: Size = 1, padding: Padding = 0, out: Array | None = None
) -> Array:
    """Convolve images with a bank of kernels (cross-correlation, as in PyTorch).

    ``y[n, o, p, q] = b[o] + sum over c, i, j of w[o, c, i, j] * x[n, c, p * sh + i - top, q * sw + j - left]``

    Parameters
    ----------
    x : (N, C_in, H, W) float32 or float64
    w : (C_out, C_in, KH, KW), dtype of x
    b : (C_out,), dtype of x, optional
    stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        "same" needs stride 1; where k - 1 is odd, the larger part is at the bottom and the right.
    out : (N, C_out, OH, OW), dtype of x, optional

    Returns
    -------
    (N, C_out, OH, OW), dtype of x
        ``OH = (H + top + bottom - KH) // sh + 1``, OW likewise.

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit; for channels last the message has the transpose.
    """
    images, weights = check.float_array("conv2d", "x", x), check.float_array("conv2d", "w", w)
    bias = None if b is None else check.float_array("conv2d", "b", b)
    check.same_dtype("conv2d", x=images, w=weights, b=bias)
    windows = geometry.conv2d_windows("conv2d", images.shape, weights.shape, stride, padding,
                                   b_shape=None if bias is None else bias.shape)
    n, c, height, width = images.shape
    k = len(weights)
    given = tuple(a for a in (x, w, b) if a is not None)
    y = check.out_array("conv2d", out, (n, k, *windows.out), images.dtype, inputs=given)
    start = weights if bias is None else bias
    arrays = (flat_alias(images), flat_alias(weights), flat_alias(start), bias is not None, y.reshape(-1))
    _launch(FORWARD, windows, n, c, height, width, k, *arrays)
    return y


def conv2d_backward_input(
    dy: Array, w: Array, x_shape: tuple[int, int, int, int], *, stride: Size = 1, padding: Padding = 0
) -> Array:
    """Gradient of `conv2d` for its input.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    w : (C_out, C_in, KH, KW), dtype of dy
    x_shape : (N, C_in, H, W)
    stride, padding
        As in `conv2d`.

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
    n, c, height, width = options.shape(f"{name}: x_shape", x_shape, 4)
    shape = (n, c, height, width)
    windows = geometry.conv2d_windows(name, shape, weights.shape, stride, padding, dy_shape=gradient.shape)
    dx = np.empty(shape, gradient.dtype)
    arrays = (flat_alias(gradient), flat_alias(weights), dx.reshape(-1))
    _launch(INPUT, windows, n, c, height, width, len(weights), *arrays)
    return dx


def _weight_and_bias(name, dy, x, w_shape, stride, padding):
    gradient, images = check.float_array(name, "dy", dy), check.float_array(name, "x", x)
    check.same_dtype(name, dy=gradient, x=images)
    shape = options.shape(f"{name}: w_shape", w_shape, 4)
    windows = geometry.conv2d_windows(name, images.shape, shape, stride, padding, dy_shape=gradient.shape)
    dw, db = np.empty(shape, images.dtype), np.empty(shape[0], images.dtype)
    _launch(WEIGHT, windows, *images.shape, shape[0], flat_alias(gradient), flat_alias(images), dw.reshape(-1), db)
    return dw, db


def conv2d_backward_weight(
    dy: Array, x: Array, w_shape: tuple[int, int, int, int], *, stride: Size = 1, padding: Padding = 0
) -> Array:
    """Gradient of `conv2d` for its weights.

    Parameters
    ----------
    dy : (N, C_out, OH, OW) float32 or float64
    x : (N, C_in, H, W), dtype of dy
    w_shape : (C_out, C_in, KH, KW)
    stride, padding
        As in `conv2d`.

    Returns
    -------
    (C_out, C_in, KH, KW), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit.
    """
    dw, _ = _weight_and_bias("conv2d_backward_weight", dy, x, w_shape, stride, padding)
    return dw


def conv2d_backward(
    dy: Array, x: Array, w: Array, *, stride: Size = 1, padding: Padding = 0
) -> tuple[Array, Array, Array]:
    """Gradients of `conv2d` for x, w and b; arguments as in its parts.

    Returns
    -------
    dx : (N, C_in, H, W)
    dw : (C_out, C_in, KH, KW)
    db : (C_out,)
    """
    name = "conv2d_backward"
    weights = check.float_array(name, "w", w, 4)
    check.same_dtype(name, w=weights, dy=check.float_array(name, "dy", dy))
    dw, db = _weight_and_bias(name, dy, x, weights.shape, stride, padding)
    return conv2d_backward_input(dy, w, x.shape, stride=stride, padding=padding), dw, db
