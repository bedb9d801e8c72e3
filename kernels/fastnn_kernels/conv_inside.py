"""Convolution for compiled callers: the serial entries of `conv.py` behind the public names."""

import numpy as np
from numba.extending import overload

from ._public import ALONE, check_floats, flat, inside, output, read_pads, read_pair, window_count
from .conv import FORWARD, INPUT, WEIGHT, conv2d, conv2d_backward, conv2d_backward_input, conv2d_backward_weight

_forward_serial, _input_serial, _weight_serial = FORWARD[0], INPUT[0], WEIGHT[0]



@inside(conv2d)
def _conv2d_inside(x, w, b=None, stride=1, padding=0, out=None):
    check_floats("conv2d", x, w)

    def call(x, w, b=None, stride=1, padding=0, out=None):
        n, c, height, width = x.shape
        k, channels, kh, kw = w.shape
        if channels != c:
            raise ValueError("conv2d: x and w have different numbers of channels")
        sh, sw = read_pair(stride)
        top, bottom, left, right = read_pads(padding, kh, kw, sh, sw)
        oh, ow = window_count(height, top, bottom, kh, sh), window_count(width, left, right, kw, sw)
        y = output(out, (n, k, oh, ow), x)
        weights = flat(w)
        if b is None:
            _forward_serial(ALONE, flat(x), weights, weights, False, y.reshape(-1), n, c, height, width, k, kh, kw,
                            oh, ow, sh, sw, top, left)
        else:
            if b.size != k:
                raise ValueError("conv2d: b does not have one value for each output channel")
            _forward_serial(ALONE, flat(x), weights, flat(b), True, y.reshape(-1), n, c, height, width, k, kh, kw,
                            oh, ow, sh, sw, top, left)
        return y

    return call


@inside(conv2d_backward_input)
def _conv2d_backward_input_inside(dy, w, x_shape, stride=1, padding=0):
    check_floats("conv2d_backward_input", dy, w)

    def call(dy, w, x_shape, stride=1, padding=0):
        n, c, height, width = x_shape
        k, channels, kh, kw = w.shape
        sh, sw = read_pair(stride)
        top, bottom, left, right = read_pads(padding, kh, kw, sh, sw)
        oh, ow = window_count(height, top, bottom, kh, sh), window_count(width, left, right, kw, sw)
        if channels != c or dy.shape != (n, k, oh, ow):
            raise ValueError("conv2d_backward_input: the shapes of dy, w and x_shape do not belong together")
        dx = np.empty((n, c, height, width), dy.dtype)
        _input_serial(ALONE, flat(dy), flat(w), dx.reshape(-1), n, c, height, width, k, kh, kw, oh, ow, sh, sw, top,
                      left)
        return dx

    return call


def _weight_and_bias_inside(dy, x, w_shape, stride, padding):
    """Return dw and db, in compiled code."""
    raise NotImplementedError("for compiled code")


@overload(_weight_and_bias_inside)
def _weight_and_bias_compiled(dy, x, w_shape, stride, padding):
    def call(dy, x, w_shape, stride, padding):
        n, c, height, width = x.shape
        k, channels, kh, kw = w_shape
        sh, sw = read_pair(stride)
        top, bottom, left, right = read_pads(padding, kh, kw, sh, sw)
        oh, ow = window_count(height, top, bottom, kh, sh), window_count(width, left, right, kw, sw)
        if channels != c or dy.shape != (n, k, oh, ow):
            raise ValueError("conv2d_backward_weight: the shapes of dy, x and w_shape do not belong together")
        dw, db = np.empty((k, c, kh, kw), x.dtype), np.empty(k, x.dtype)
        _weight_serial(ALONE, flat(dy), flat(x), dw.reshape(-1), db, n, c, height, width, k, kh, kw, oh, ow, sh, sw,
                       top, left)
        return dw, db

    return call


@inside(conv2d_backward_weight)
def _conv2d_backward_weight_inside(dy, x, w_shape, stride=1, padding=0):
    check_floats("conv2d_backward_weight", dy, x)

    def call(dy, x, w_shape, stride=1, padding=0):
        return _weight_and_bias_inside(dy, x, w_shape, stride, padding)[0]

    return call


@inside(conv2d_backward)
def _conv2d_backward_inside(dy, x, w, stride=1, padding=0):
    check_floats("conv2d_backward", dy, x, w)

    def call(dy, x, w, stride=1, padding=0):
        dx = conv2d_backward_input(dy, w, x.shape, stride, padding)
        dw, db = _weight_and_bias_inside(dy, x, w.shape, stride, padding)
        return dx, dw, db

    return call
