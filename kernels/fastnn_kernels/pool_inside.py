"""Pooling for compiled callers: the entries, without a team, behind the public names."""

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from . import _options as options
from . import _windows as geometry
from . import adaptive_pool, avg_pool, max_pool, pool_im2col
from ._jit import inner_overload, kernel
from ._public import (
    ALONE,
    NO,
    NONE,
    ONE,
    check_flags,
    check_floats,
    element_count,
    flat,
    inside,
    is_missing,
    output,
    read_pads,
    read_pair,
)

_max, _max_backward = max_pool.FORWARD, max_pool.BACKWARD
_average, _average_backward = avg_pool.FORWARD, avg_pool.BACKWARD
_global, _global_backward = adaptive_pool.GLOBAL, adaptive_pool.GLOBAL_BACKWARD
_max_im2col, _average_im2col = pool_im2col.MAX_IM2COL, pool_im2col.AVERAGE_IM2COL
_LIMIT = options.SIZE_LIMIT
# What an adaptive window has for the options of `avg_pool`: as `adaptive_pool.NO_OPTIONS`.
_NO_OPTIONS = (ONE, ONE, NONE, NONE, NONE, NONE, NO)
_count_places, _empty_place = kernel(geometry.pool_places), kernel(geometry.empty_place)


@kernel
def _places(size, before, after, k, step, gap, ceil_mode):
    """Check the windows along a side, and count them."""
    if min(k, step, gap) < 1 or min(before, after) < 0:
        raise ValueError("pooling: kernel size, stride and dilation must be at least 1, padding at least 0")
    if max(k, step, gap, before, after) > _LIMIT:
        raise ValueError("pooling: kernel size, stride, dilation or padding is too large")
    span = gap * (k - 1) + 1
    if max(before, after) > span // 2:
        raise ValueError("pooling: the padding is larger than half of what the kernel spans")
    if size < 1 or size + before + after < span:
        raise ValueError("pooling: the kernel is larger than the padded image")
    count = _count_places(size + before + after, span, step, after, ceil_mode)
    if _empty_place(size, before, count, k, step, gap) >= 0:
        raise ValueError("pooling: all of a window lies on the padding")
    return count


def _windows(x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the flat tuple (kh, kw, oh, ow, sh, sw, dh, dw, top, bottom, left, right), checked, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_windows)
def _windows_compiled(x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    default_stride = is_missing(stride)

    def call(x_shape, kernel_size, stride, padding, dilation, ceil_mode):
        kh, kw = read_pair(kernel_size)
        sh, sw = read_pair(kernel_size if default_stride else stride)
        dh, dw = read_pair(dilation)
        top, bottom, left, right = read_pads(padding, dh * (kh - 1) + 1, dw * (kw - 1) + 1, sh, sw)
        oh = _places(x_shape[2], top, bottom, kh, sh, dh, ceil_mode)
        ow = _places(x_shape[3], left, right, kw, sw, dw, ceil_mode)
        return kh, kw, oh, ow, sh, sw, dh, dw, top, bottom, left, right

    return call


@kernel
def _check_images(x_shape):
    if min(x_shape[1], x_shape[2], x_shape[3]) < 1:
        raise ValueError("pooling: images of at least one channel and one pixel are needed")


@kernel
def _max_direct(algorithm, x, y, argmax, x_shape, w):
    n, c, height, width = x_shape
    _max(ALONE, x, y, argmax, n * c, height, width, *w[:9], w[10])


@kernel
def _max_any(algorithm, x, y, argmax, x_shape, w):
    n, c, height, width = x_shape
    if algorithm == "im2col":
        cols = np.empty(element_count(c * n, w[0] * w[1], w[2] * w[3]), x.dtype)
        _max_im2col(ALONE, x, y, argmax, cols, n, c, height, width, *w[:9], w[10])
    elif algorithm == "direct":
        _max_direct(algorithm, x, y, argmax, x_shape, w)
    else:
        raise ValueError("max_pool2d: algorithm must be 'direct' or 'im2col'")


@kernel
def _average_direct(algorithm, x, y, x_shape, w, include_pad):
    n, c, height, width = x_shape
    _average(ALONE, x, y, n * c, height, width, *w[:6], *w[8:], include_pad)


@kernel
def _average_any(algorithm, x, y, x_shape, w, include_pad):
    n, c, height, width = x_shape
    if algorithm == "im2col":
        cols = np.empty(element_count(c * n, w[0] * w[1], w[2] * w[3]), x.dtype)
        _average_im2col(ALONE, x, y, cols, n, c, height, width, *w[:6], *w[8:], include_pad)
    elif algorithm == "direct":
        _average_direct(algorithm, x, y, x_shape, w, include_pad)
    else:
        raise ValueError("avg_pool2d: algorithm must be 'direct' or 'im2col'")


def _chosen(function, algorithm, direct, either):
    """Return what runs, of two kernels: who does not name an algorithm does not compile the other one."""
    if isinstance(algorithm, types.Omitted) or isinstance(algorithm, str):
        return direct
    if not isinstance(algorithm, (types.UnicodeType, types.StringLiteral)):
        raise TypingError(f"{function}: algorithm is {algorithm}, 'direct' or 'im2col' is needed")
    return either


@inside(max_pool.max_pool2d)
def _max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, algorithm="direct"):
    check_floats("max_pool2d", x)
    check_flags("max_pool2d", ceil_mode=ceil_mode)
    run = _chosen("max_pool2d", algorithm, _max_direct, _max_any)

    def call(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, algorithm="direct"):
        _check_images(x.shape)
        w = _windows(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        y = np.empty((x.shape[0], x.shape[1], w[2], w[3]), x.dtype)
        argmax = np.empty(y.shape, np.int64)
        if y.size > 0:
            run(algorithm, flat(x), y.reshape(-1), argmax.reshape(-1), x.shape, w)
        return y, argmax

    return call


@inside(max_pool.max_pool2d_backward)
def _max_pool2d_backward(dy, argmax, x_shape, out=None):
    check_floats("max_pool2d_backward", dy)
    if not isinstance(argmax, types.Array) or not isinstance(argmax.dtype, types.Integer):
        raise TypingError(f"max_pool2d_backward: argmax is {argmax}, an array of an integer dtype is needed")

    def call(dy, argmax, x_shape, out=None):
        n, c, height, width = x_shape
        if dy.shape != argmax.shape or dy.shape[0] != n or dy.shape[1] != c:
            raise ValueError("max_pool2d_backward: the shapes of dy, argmax and x_shape do not belong together")
        for place in argmax.flat:
            if place < 0 or place >= height * width:
                raise ValueError("max_pool2d_backward: an element of argmax is outside the plane")
        dx = output(out, (n, c, height, width), dy)
        if dx.size > 0:
            _max_backward(ALONE, flat(dy), flat(argmax).astype(np.int64), dx.reshape(-1), n * c, height, width,
                          dy.shape[2], dy.shape[3])
        return dx

    return call


@inside(avg_pool.avg_pool2d)
def _avg_pool2d(
    x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, algorithm="direct", out=None
):
    check_floats("avg_pool2d", x)
    check_flags("avg_pool2d", ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    run = _chosen("avg_pool2d", algorithm, _average_direct, _average_any)

    def call(
        x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, algorithm="direct", out=None
    ):
        _check_images(x.shape)
        w = _windows(x.shape, kernel_size, stride, padding, 1, ceil_mode)
        y = output(out, (x.shape[0], x.shape[1], w[2], w[3]), x)
        if y.size > 0:
            run(algorithm, flat(x), y.reshape(-1), x.shape, w, np.bool_(count_include_pad))
        return y

    return call


@inside(avg_pool.avg_pool2d_backward)
def _avg_pool2d_backward(
    dy, x_shape, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, out=None
):
    check_floats("avg_pool2d_backward", dy)
    check_flags("avg_pool2d_backward", ceil_mode=ceil_mode, count_include_pad=count_include_pad)

    def call(dy, x_shape, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, out=None):
        n, c, height, width = x_shape
        w = _windows(x_shape, kernel_size, stride, padding, 1, ceil_mode)
        if dy.shape != (n, c, w[2], w[3]):
            raise ValueError("avg_pool2d_backward: dy does not have the shape of the forward output")
        dx = output(out, (n, c, height, width), dy)
        if dx.size > 0:
            _average_backward(ALONE, flat(dy), dx.reshape(-1), n * c, height, width, *w[:6], *w[8:],
                              np.bool_(count_include_pad))
        return dx

    return call


@inside(adaptive_pool.global_avg_pool2d)
def _global_avg_pool2d(x, out=None):
    check_floats("global_avg_pool2d", x)

    def call(x, out=None):
        _check_images(x.shape)
        n, c, height, width = x.shape
        y = output(out, (n, c), x)
        if y.size > 0:
            _global(ALONE, flat(x), y.reshape(-1), n * c, height * width)
        return y

    return call


@inside(adaptive_pool.global_avg_pool2d_backward)
def _global_avg_pool2d_backward(dy, x_shape, out=None):
    check_floats("global_avg_pool2d_backward", dy)

    def call(dy, x_shape, out=None):
        _check_images(x_shape)
        n, c, height, width = x_shape
        if dy.shape != (n, c):
            raise ValueError("global_avg_pool2d_backward: dy must have the shape (N, C) of x_shape")
        dx = output(out, (n, c, height, width), dy)
        if dx.size > 0:
            _global_backward(ALONE, flat(dy), dx.reshape(-1), n * c, height * width)
        return dx

    return call


@inside(adaptive_pool.adaptive_avg_pool2d)
def _adaptive_avg_pool2d(x, output_size, out=None):
    check_floats("adaptive_avg_pool2d", x)

    def call(x, output_size, out=None):
        _check_images(x.shape)
        n, c, height, width = x.shape
        oh, ow = read_pair(output_size)
        if min(oh, ow) < 1 or max(oh, ow) > _LIMIT:
            raise ValueError("adaptive_avg_pool2d: output_size must be at least 1, and a size that an array can have")
        y = output(out, (n, c, oh, ow), x)
        if y.size > 0:
            _average(ALONE, flat(x), y.reshape(-1), n * c, height, width, NONE, NONE, oh, ow, *_NO_OPTIONS)
        return y

    return call


@inside(adaptive_pool.adaptive_avg_pool2d_backward)
def _adaptive_avg_pool2d_backward(dy, x_shape, out=None):
    check_floats("adaptive_avg_pool2d_backward", dy)

    def call(dy, x_shape, out=None):
        _check_images(x_shape)
        n, c, height, width = x_shape
        if dy.shape[0] != n or dy.shape[1] != c or min(dy.shape[2], dy.shape[3]) < 1:
            raise ValueError("adaptive_avg_pool2d_backward: the shapes of dy and x_shape do not belong together")
        dx = output(out, (n, c, height, width), dy)
        if dx.size > 0:
            _average_backward(ALONE, flat(dy), dx.reshape(-1), n * c, height, width, NONE, NONE, dy.shape[2],
                              dy.shape[3], *_NO_OPTIONS)
        return dx

    return call
