"""Averages of whole planes, and of as many windows as are asked for."""

from typing import Any

from . import _checks as check
from . import _options as options
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._options import Size
from .avg_pool import BACKWARD, FORWARD
from .pool_plane import plane_average
from .team import share_out


@kernel
def _average_plane(plane, x, y, size):
    y[plane] = plane_average(x, plane * size, size)


@kernel
def _spread_plane(plane, dy, dx, size):
    share = dy[plane] / size
    for k in range(size):
        dx[plane * size + k] = share


def _global_entry(team, x, y, planes, size):
    share_out(team, planes, _average_plane, (x, y, size))


def _global_backward_entry(team, dy, dx, planes, size):
    share_out(team, planes, _spread_plane, (dy, dx, size))


GLOBAL, GLOBAL_BACKWARD = entry(_global_entry), entry(_global_backward_entry)
# What a window of given size has and an adaptive one does not: stride, padding, count_include_pad.
NO_OPTIONS = (1, 1, 0, 0, 0, 0, False)


def global_avg_pool2d(x: Array, *, out: Array | None = None) -> Array:
    """Take the average of each plane: ``x.mean(axis=(2, 3))`` (M. Lin et al., "Network in network", 2014, section 3.2).

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    out : (N, C), dtype of x, optional

    Returns
    -------
    (N, C), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or the images have no pixels.
    """
    name = "global_avg_pool2d"
    images = check.float_array(name, "x", x, 4)
    geometry.image_size(name, images.shape)
    n, c, height, width = images.shape
    y = check.out_array(name, out, (n, c), images.dtype, inputs=(x,))
    if y.size == 0:
        return y
    workers = _threads.workers_for(n * c, images.size)
    _threads.launch(GLOBAL, workers, flat_alias(images), y.reshape(-1), n * c, height * width)
    return y


def global_avg_pool2d_backward(
    dy: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Gradient of `global_avg_pool2d`: ``dy / (H * W)`` for every pixel of the plane.

    Parameters
    ----------
    dy : (N, C) float32 or float64
    x_shape : (N, C, H, W)
    out : (N, C, H, W), dtype of dy, optional

    Returns
    -------
    (N, C, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    name = "global_avg_pool2d_backward"
    gradient = check.float_array(name, "dy", dy, 2)
    shape = options.shape(f"{name}: x_shape", x_shape, 4)
    n, c, height, width = geometry.image_size(name, shape)
    check.output_gradient(name, gradient.shape, (n, c))
    dx = check.out_array(name, out, shape, gradient.dtype, inputs=(dy,))
    if dx.size == 0:
        return dx
    workers = _threads.workers_for(n * c, dx.size)
    _threads.launch(GLOBAL_BACKWARD, workers, flat_alias(gradient), dx.reshape(-1), n * c, height * width)
    return dx


def adaptive_avg_pool2d(x: Array, output_size: Size, *, out: Array | None = None) -> Array:
    """Take the averages of OH x OW windows that cover the images, as in PyTorch.

    Window p goes from ``floor(p * H / OH)`` to ``ceil((p + 1) * H / OH)``; the same along the width. Windows overlap
    where the sizes do not divide.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    output_size : int or (OH, OW)
    out : (N, C, OH, OW), dtype of x, optional

    Returns
    -------
    (N, C, OH, OW), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or the images have no pixels.
    """
    name = "adaptive_avg_pool2d"
    images = check.float_array(name, "x", x, 4)
    n, c, height, width = geometry.image_size(name, images.shape)
    oh, ow = options.pair(f"{name}: output_size", output_size, 1)
    y = check.out_array(name, out, (n, c, oh, ow), images.dtype, inputs=(x,))
    _launch(FORWARD, images, y, n * c, height, width, oh, ow)
    return y


def adaptive_avg_pool2d_backward(
    dy: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Gradient of `adaptive_avg_pool2d`: each dy, by the size of its window, goes to its pixels; overlaps add.

    Parameters
    ----------
    dy : (N, C, OH, OW) float32 or float64
    x_shape : (N, C, H, W)
    out : (N, C, H, W), dtype of dy, optional

    Returns
    -------
    (N, C, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    name = "adaptive_avg_pool2d_backward"
    gradient = check.float_array(name, "dy", dy, 4)
    shape = options.shape(f"{name}: x_shape", x_shape, 4)
    n, c, height, width = geometry.image_size(name, shape)
    geometry.adaptive_gradient(name, gradient.shape, shape)
    dx = check.out_array(name, out, shape, gradient.dtype, inputs=(dy,))
    _launch(BACKWARD, gradient, dx, n * c, height, width, *gradient.shape[2:])
    return dx


def _launch(compiled: Any, given: Array, result: Array, planes: int, height: int, width: int, oh: int, ow: int) -> None:
    if result.size == 0:
        return
    workers = _threads.workers_for(planes, planes * height * width)
    arrays = (flat_alias(given), result.reshape(-1))
    _threads.launch(compiled, workers, *arrays, planes, height, width, 0, 0, oh, ow, *NO_OPTIONS)
