"""Max pooling of (N, C, H, W) arrays."""

import numpy as np

from . import _checks as check
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import entries, prange
from ._options import Padding, Size
from ._public import check_floats, flat, inside, output, read_pads, read_pair, window_count


def _max_pool2d_entry(workers, x, y, argmax, planes, height, width, kh, kw, oh, ow, sh, sw, top, left):
    for plane in prange(planes):
        source = plane * height * width
        for p in range(oh):
            for q in range(ow):
                h0, w0 = max(p * sh - top, 0), max(q * sw - left, 0)
                best = x[source + h0 * width + w0]
                where = h0 * width + w0
                for h in range(h0, min(p * sh - top + kh, height)):
                    for w in range(w0, min(q * sw - left + kw, width)):
                        value = x[source + h * width + w]
                        # The first maximum wins, and the first NaN wins over everything.
                        if value > best or (value != value and best == best):
                            best = value
                            where = h * width + w
                y[(plane * oh + p) * ow + q] = best
                argmax[(plane * oh + p) * ow + q] = where


def _max_pool2d_backward_entry(workers, dy, argmax, dx, planes, size, outputs):
    for plane in prange(planes):
        for k in range(size):
            dx[plane * size + k] = 0
        for k in range(outputs):
            dx[plane * size + argmax[plane * outputs + k]] += dy[plane * outputs + k]


_forward, _backward = entries(_max_pool2d_entry), entries(_max_pool2d_backward_entry)


def max_pool2d(
    x: Array, kernel_size: Size, *, stride: Size | None = None, padding: Padding = 0
) -> tuple[Array, Array]:
    """Take the maximum of each window.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half the kernel size; padding is never a maximum.

    Returns
    -------
    y : (N, C, OH, OW), dtype of x
    argmax : (N, C, OH, OW) int64
        Where each maximum stood, as ``h * W + w`` in its plane (as PyTorch has it). The first maximum wins a tie,
        the first NaN wins over everything.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or the window is larger than the padded image.
    """
    images = check.float_array("max_pool2d", "x", x, 4)
    windows = geometry.pool_windows("max_pool2d", images.shape, kernel_size, stride, padding)
    n, c, height, width = images.shape
    y = np.empty((n, c, *windows.out), images.dtype)
    argmax = np.empty(y.shape, np.int64)
    workers = _threads.workers_for(n * c, y.size * windows.kernel[0] * windows.kernel[1])
    _threads.launch(_forward, workers, flat_alias(images), y.reshape(-1), argmax.reshape(-1), n * c,
                    height, width, *windows.kernel, *windows.out, *windows.stride, windows.pads[0], windows.pads[2])
    return y, argmax


def max_pool2d_backward(dy: Array, argmax: Array, x_shape: tuple[int, int, int, int]) -> Array:
    """Gradient of `max_pool2d`: each dy goes to its window's maximum, overlapping windows add.

    Parameters
    ----------
    dy : (N, C, OH, OW) float32 or float64
    argmax : (N, C, OH, OW) of integers
        As `max_pool2d` returned it.
    x_shape : (N, C, H, W)

    Returns
    -------
    (N, C, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or an element of `argmax` is outside the plane.
    """
    gradient = check.float_array("max_pool2d_backward", "dy", dy, 4)
    places = check.argmax_indices("max_pool2d_backward", argmax, gradient.shape, x_shape)
    dx = np.empty(tuple(int(s) for s in x_shape), gradient.dtype)
    n, c, oh, ow = gradient.shape
    workers = _threads.workers_for(n * c, dx.size)
    _threads.launch(_backward, workers, flat_alias(gradient), flat_alias(places),
                    dx.reshape(-1), n * c, dx.shape[2] * dx.shape[3], oh * ow)
    return dx


_forward_serial, _backward_serial = _forward[0], _backward[0]


@inside(max_pool2d)
def _max_pool2d_inside(x, kernel_size, stride=None, padding=0):
    check_floats("max_pool2d", x)

    def call(x, kernel_size, stride=None, padding=0):
        n, c, height, width = x.shape
        kh, kw = read_pair(kernel_size)
        sh, sw = read_pair(kernel_size if stride is None else stride)
        top, bottom, left, right = read_pads(padding, kh, kw, sh, sw)
        oh, ow = window_count(height, top, bottom, kh, sh), window_count(width, left, right, kw, sw)
        if max(top, bottom) > kh // 2 or max(left, right) > kw // 2:
            raise ValueError("max_pool2d: the padding is larger than half the kernel")
        y = np.empty((n, c, oh, ow), x.dtype)
        argmax = np.empty((n, c, oh, ow), np.int64)
        _forward_serial(1, flat(x), y.reshape(-1), argmax.reshape(-1), n * c, height, width, kh, kw, oh, ow, sh, sw,
                        top, left)
        return y, argmax

    return call


@inside(max_pool2d_backward)
def _max_pool2d_backward_inside(dy, argmax, x_shape):
    check_floats("max_pool2d_backward", dy)

    def call(dy, argmax, x_shape):
        n, c, height, width = x_shape
        if dy.shape != argmax.shape or dy.shape[0] != n or dy.shape[1] != c:
            raise ValueError("max_pool2d_backward: the shapes of dy, argmax and x_shape do not belong together")
        for place in argmax.flat:
            if place < 0 or place >= height * width:
                raise ValueError("max_pool2d_backward: an element of argmax is outside the plane")
        dx = output(None, (n, c, height, width), dy)
        _backward_serial(1, flat(dy), flat(argmax), dx.reshape(-1), n * c, height * width, dy.shape[2] * dy.shape[3])
        return dx

    return call
