"""Max pooling on the tape."""

import functools

from ..pool_block import max_pool2d_backward_block, max_pool2d_block
from ..reference.twins import pool as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Stage
from ..task import TRAINING


def shape(shapes, *, kernel_size, stride, padding, **attrs):
    """Shapes of one sample of the output and of the winners' numbers."""
    c, h, w = shapes["x"]
    oh = (h + 2 * padding[0] - kernel_size[0]) // stride[0] + 1
    ow = (w + 2 * padding[1] - kernel_size[1]) // stride[1] + 1
    if padding[0] > kernel_size[0] // 2 or padding[1] > kernel_size[1] // 2:
        raise ValueError(f"max_pool2d: padding {padding} is more than half of kernel_size {kernel_size}")
    if oh < 1 or ow < 1:
        raise ValueError(f"max_pool2d: kernel_size {kernel_size} is larger than the padded input {h}x{w}")
    return {"y": (c, oh, ow), "argmax": (c, oh, ow)}


@functools.cache
def make_forward(kh, kw):
    """Forward op for a window of this size."""

    def max_pool2d_forward(t):
        m, at, o = t.arena, t.at, t.options
        max_pool2d_block(kh, kw, m, at[0], o[0], o[1], m, at[1], o[2], o[3], m, at[2],
                         o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12], t.info[TRAINING] != 0)
        return 0

    return max_pool2d_forward


@functools.cache
def make_backward(kh, kw):
    """Gradient for a window of this size."""

    def max_pool2d_backward(t):
        m, at, o = t.arena, t.at, t.options
        max_pool2d_backward_block(kh, kw, m, at[0], o[0], o[1], m, at[1], m, at[2], o[2], o[3],
                                  o[4], o[5], o[6], o[7], o[8], o[9], o[10], o[11], o[12])
        return 0

    return max_pool2d_backward


def _forward(row, places, machine):
    x, y = places["x"], places["y"]
    options = (x.channel, x.row, y.channel, y.row, *x.shape, *y.shape[1:], *row.attrs["stride"], *row.attrs["padding"])
    return Call(make_forward(*row.attrs["kernel_size"]), options)


def _backward(row, places, machine):
    dy, dx = places["dy"], places["dx"]
    options = (dy.channel, dy.row, dx.channel, dx.row, *dx.shape, *dy.shape[1:],
               *row.attrs["stride"], *row.attrs["padding"])
    return Call(make_backward(*row.attrs["kernel_size"]), options)


MAX_POOL2D = Op(
    "max_pool2d",
    shape,
    Kernel("forward", ("x",), ("y", "argmax"), twins.max_pool2d_forward,
           (Stage(Axis.BLOCK, ("x",), ("y", "argmax"), _forward),)),
    (Kernel("backward", ("dy", "argmax"), ("dx",), twins.max_pool2d_backward,
            (Stage(Axis.BLOCK, ("dy", "argmax"), ("dx",), _backward),)),),
)
