"""Max pooling on the tape."""

import functools

from .._windows import pool_windows
from ..max_pool_block import max_pool2d_backward_block, max_pool2d_block
from ..reference.twins import pool as twins
from ..registry import Kernel, Op
from ..simd import lanes
from ..stage import Call
from ..task import TRAINING
from .pool_narrow import max_stages

# The number of an element within its window is kept as a float, which counts exactly up to here.
_MOST_ELEMENTS = 2**24


def windows_of(op, shape, *, kernel_size, stride, padding, dilation=1, ceil_mode=False, **attrs):
    """Windows of pooling maps of one sample; `padding` is (h, w) or (top, bottom, left, right)."""
    return pool_windows(op, (1, *shape), kernel_size, stride, twins.sides(padding), dilation, ceil_mode)


def shape(shapes, **attrs):
    """Shapes of one sample of the output and of the winners' numbers."""
    windows = windows_of("max_pool2d", shapes["x"], **attrs)
    if windows.kernel[0] * windows.kernel[1] > _MOST_ELEMENTS:
        raise ValueError(f"max_pool2d: kernel_size is {windows.kernel}, at most {_MOST_ELEMENTS} elements are needed")
    out = (shapes["x"][0], *windows.out)
    return {"y": out, "argmax": out}


@functools.cache
def make_forward(kh, kw, relu):
    """Forward op for a window of this size; `relu` where it takes in the relu behind it (see `rewrite.py`)."""

    def max_pool2d_forward(t):
        m, at, o = t.arena, t.at, t.options
        max_pool2d_block(kh, kw, m, at[0], o[0], o[1], m, at[1], o[2], o[3], m, at[2], o[7] * o[8] * lanes(m),
                         o[4], o[5], o[6], o[7], o[8],
                         o[9], o[10], o[11], o[12], o[13], o[14], t.info[TRAINING] != 0, relu)
        return 0

    return max_pool2d_forward


@functools.cache
def make_backward(kh, kw):
    """Gradient for a window of this size."""

    def max_pool2d_backward(t):
        m, at, o = t.arena, t.at, t.options
        max_pool2d_backward_block(kh, kw, m, at[0], o[0], o[1], m, at[1], o[7] * o[8] * lanes(m),
                                  m, at[2], o[2], o[3], o[4], o[5], o[6],
                                  o[7], o[8], o[9], o[10], o[11], o[12], o[13], o[14])
        return 0

    return max_pool2d_backward


def _options(row, x_shape):
    """Return the window's size, and the integers behind the strides of the places."""
    w = windows_of(row.op, x_shape, **row.attrs)
    return w.kernel, (*x_shape, *w.out, *w.stride, *w.dilation, w.pads[0], w.pads[2])


def _forward(row, places, machine):
    x, y = places["x"], places["y"]
    kernel, options = _options(row, x.shape)
    return Call(make_forward(*kernel, row.attrs.get("relu", False)), (x.channel, x.row, y.channel, y.row, *options))


def _backward(row, places, machine):
    dy, dx = places["dy"], places["dx"]
    kernel, options = _options(row, dx.shape)
    return Call(make_backward(*kernel), (dy.channel, dy.row, dx.channel, dx.row, *options))


MAX_POOL2D = Op(
    "max_pool2d",
    shape,
    Kernel("forward", ("x",), ("y", "argmax"), twins.max_pool2d_forward,
           max_stages(("x",), ("y", "argmax"), _forward, _options)),
    (Kernel("backward", ("dy", "argmax"), ("dx",), twins.max_pool2d_backward,
            max_stages(("dy", "argmax"), ("dx",), _backward, _options)),),
)
