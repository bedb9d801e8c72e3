"""Small parts of the works, for loops in plain Python: of them the time of the whole is extrapolated.

The loops do the same for each sample, filter, channel or parameter, so that their time goes with the number of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import loops, loops_backward
from .work import Call

Part = tuple[Call, float]
FILTERS, SAMPLES, OUTPUTS, IMAGES, CHANNELS, ROWS, PARAMETERS = 1, 2, 8, 4, 2, 64, 5000


def smaller(kernel: str, call: Call) -> Part:
    """Cut the arguments of a call down; return them and what share of the work is left."""
    args, given = call
    return _CUTS[kernel](args, given)


def _filters(w: Any, channels: int) -> int:
    # Filters of a grouped convolution read channels of their own: all of them stay.
    return len(w) if w.shape[1] != channels else min(len(w), FILTERS)


def _conv(args: Any, given: Any) -> Part:
    x, w, b = args
    count = _filters(w, x.shape[1])
    return ((x[:1].copy(), w[:count].copy(), b[:count].copy()), given), count / (len(x) * len(w))


def _conv_input(args: Any, given: Any) -> Part:
    dy, w, x_shape = args
    count = _filters(w, x_shape[1])
    return ((dy[:1, :count].copy(), w[:count].copy(), (1, *x_shape[1:])), given), count / (len(dy) * len(w))


def _conv_weight(args: Any, given: Any) -> Part:
    dy, x, w_shape = args
    count = w_shape[0] if w_shape[1] != x.shape[1] else min(w_shape[0], FILTERS)
    return ((dy[:1, :count].copy(), x[:1].copy(), (count, *w_shape[1:])), given), count / (len(x) * w_shape[0])


def _image(args: Any, given: Any) -> Part:
    """One image, of the first argument."""
    return ((args[0][:1].copy(), *args[1:]), given), 1 / len(args[0])


def _columns(args: Any, given: Any) -> Part:
    cols, shape, size = args
    windows = cols.shape[1] // shape[0]
    return ((cols[:, :windows].copy(), (1, *shape[1:]), size), given), 1 / shape[0]


def _max_pool_backward(args: Any, given: Any) -> Part:
    dy, argmax, shape = args
    return ((dy[:1].copy(), argmax[:1].copy(), (1, *shape[1:])), given), 1 / len(dy)


def _avg_pool_backward(args: Any, given: Any) -> Part:
    dy, shape, size = args
    return ((dy[:1].copy(), (1, *shape[1:]), size), given), 1 / len(dy)


def _dense(args: Any, given: Any) -> Part:
    x, w, b = args
    n, count = min(SAMPLES, len(x)), min(OUTPUTS, len(b))
    return ((x[:n].copy(), w[:, :count].copy(), b[:count].copy()), given), n * count / (len(x) * len(b))


def _dense_backward(args: Any, given: Any) -> Part:
    dy, x, w = args
    n, count = min(SAMPLES, len(x)), min(OUTPUTS, w.shape[1])
    parts = (dy[:n, :count].copy(), x[:n].copy(), w[:, :count].copy())
    return (parts, given), n * count / (len(x) * w.shape[1])


def _norm(args: Any, given: Any) -> Part:
    """Take some images and channels, of arrays with four axes and with one."""
    parts = tuple(a[:IMAGES, :CHANNELS].copy() if a.ndim == 4 else a[:CHANNELS].copy() for a in args)
    states = {name: a if isinstance(a, bool) else a[:CHANNELS].copy() for name, a in given.items()}
    return (parts, states), parts[0].size / args[0].size


def _first(count: int) -> Callable[[Any, Any], Part]:
    def cut(args: Any, given: Any) -> Part:
        parts = tuple(a[:count].copy() for a in args)
        return (parts, given), len(parts[0]) / len(args[0])

    return cut


LOOPS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        loops.conv2d,
        loops_backward.conv2d_backward_input,
        loops_backward.conv2d_backward_weight,
        loops.im2col,
        loops.col2im,
        loops.max_pool2d,
        loops_backward.max_pool2d_backward,
        loops.avg_pool2d,
        loops_backward.avg_pool2d_backward,
        loops.dense,
        loops_backward.dense_backward,
        loops.relu,
        loops_backward.relu_backward,
        loops.batch_norm,
        loops_backward.batch_norm_backward,
        loops.softmax_cross_entropy,
        loops.adam_update,
    )
}
_CUTS: dict[str, Callable[[Any, Any], Part]] = {
    "conv2d": _conv,
    "conv2d_backward_input": _conv_input,
    "conv2d_backward_weight": _conv_weight,
    "im2col": _image,
    "col2im": _columns,
    "max_pool2d": _image,
    "max_pool2d_backward": _max_pool_backward,
    "avg_pool2d": _image,
    "avg_pool2d_backward": _avg_pool_backward,
    "dense": _dense,
    "dense_backward": _dense_backward,
    "relu": _first(1),
    "relu_backward": _first(1),
    "batch_norm": _norm,
    "batch_norm_backward": _norm,
    "softmax_cross_entropy": _first(ROWS),
    "adam_update": _first(PARAMETERS),
}
