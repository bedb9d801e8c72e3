"""Average pooling on the tape: over windows of one size, over whole maps, and adaptive."""

import functools

from .._options import pair
from .._windows import image_size
from ..avg_pool_block import (
    adaptive_avg_pool2d_backward_block,
    adaptive_avg_pool2d_block,
    avg_pool2d_backward_block,
    avg_pool2d_block,
)
from ..reference.twins import pool as twins
from ..registry import Kernel, Op
from ..stage import Call
from .pool import windows_of
from .pool_narrow import average_stages


def _average(name, shape, forward, backward, numbers):
    """Return the registry's row of an average; `numbers` as in `average_stages`."""
    return Op(
        name,
        shape,
        Kernel("forward", ("x",), ("y",), getattr(twins, f"{name}_forward"),
               average_stages("x", "y", forward, numbers)),
        (Kernel("backward", ("dy",), ("dx",), getattr(twins, f"{name}_backward"),
                average_stages("dy", "dx", backward, numbers)),),
    )


@functools.cache
def make_forward(kh, kw):
    """Forward op for a window of this size."""

    def avg_pool2d_forward(t):
        m, at, o = t.arena, t.at, t.options
        avg_pool2d_block(kh, kw, m, at[0], o[0], o[1], m, at[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8],
                         o[9], o[10], o[11], o[12], o[13], o[14], o[15] != 0)
        return 0

    return avg_pool2d_forward


@functools.cache
def make_backward(kh, kw):
    """Gradient for a window of this size."""

    def avg_pool2d_backward(t):
        m, at, o = t.arena, t.at, t.options
        avg_pool2d_backward_block(kh, kw, m, at[0], o[0], o[1], m, at[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8],
                                  o[9], o[10], o[11], o[12], o[13], o[14], o[15] != 0)
        return 0

    return avg_pool2d_backward


def _numbers(row, images):
    """Kernel, stride, padding and whether it counts, for images of this shape."""
    w = windows_of(row.op, images, **row.attrs)
    return *w.kernel, *w.stride, *w.pads, int(row.attrs.get("count_include_pad", True))


def _windowed(make, source, target, images):
    def call(row, places, machine):
        a, b, shape = places[source], places[target], places[images].shape
        w = windows_of(row.op, shape, **row.attrs)
        options = (*shape, *w.out, *_numbers(row, shape)[2:])
        return Call(make(*w.kernel), (a.channel, a.row, b.channel, b.row, *options))

    return call


def _windowed_shape(shapes, **attrs):
    return {"y": (shapes["x"][0], *windows_of("avg_pool2d", shapes["x"], **attrs).out)}


AVG_POOL2D = _average(
    "avg_pool2d", _windowed_shape, _windowed(make_forward, "x", "y", "x"), _windowed(make_backward, "dy", "dx", "dx"),
    _numbers,
)


def adaptive_avg_pool2d_forward(t):
    """Averages of as many windows as the output has places."""
    m, at, o = t.arena, t.at, t.options
    adaptive_avg_pool2d_block(m, at[0], o[0], o[1], m, at[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8])
    return 0


def adaptive_avg_pool2d_backward(t):
    """Gradient of averages of as many windows as the output has places."""
    m, at, o = t.arena, t.at, t.options
    adaptive_avg_pool2d_backward_block(m, at[0], o[0], o[1], m, at[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8])
    return 0


def _covering(function, source, target, images, pooled):
    def call(row, places, machine):
        a, b = places[source], places[target]
        return Call(function, (a.channel, a.row, b.channel, b.row, *places[images].shape, *places[pooled].shape[1:]))

    return call


def _adaptive_shape(shapes, *, output_size, **attrs):
    image_size("adaptive_avg_pool2d", (1, *shapes["x"]))
    return {"y": (shapes["x"][0], *pair("adaptive_avg_pool2d: output_size", output_size, 1))}


def _global_shape(shapes, **attrs):
    image_size("global_avg_pool2d", (1, *shapes["x"]))
    return {"y": shapes["x"][:1]}


def _no_window(row, images):
    """Stand in for `_numbers` where the output's size says it all."""
    return (0,) * 8 + (1,)


_COVERING = (
    _covering(adaptive_avg_pool2d_forward, "x", "y", "x", "y"),
    _covering(adaptive_avg_pool2d_backward, "dy", "dx", "dx", "dy"),
    _no_window,
)
ADAPTIVE_AVG_POOL2D = _average("adaptive_avg_pool2d", _adaptive_shape, *_COVERING)
# One window, and (C,) instead of (C, 1, 1): the same elements.
GLOBAL_AVG_POOL2D = _average("global_avg_pool2d", _global_shape, *_COVERING)
