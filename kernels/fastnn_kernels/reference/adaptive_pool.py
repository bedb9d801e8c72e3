"""Averages of whole planes, and of as many windows as are asked for."""

import numpy as np

from .. import _options as options
from .._checks import Array, output_gradient, rank
from .._options import Size
from .._windows import adaptive_gradient, image_size
from ._result import result


def global_avg_pool2d(x: Array, *, out: Array | None = None) -> Array:
    """Take the average of each plane: x (N, C, H, W) -> (N, C).

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W) with pixels and channels, or `out` does not fit.
    """
    _, _, height, width = image_size("global_avg_pool2d", x.shape)
    return result("global_avg_pool2d", x.sum(axis=(2, 3)) / (height * width), out, x)


def global_avg_pool2d_backward(
    dy: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Return dx of shape `x_shape`: every pixel of a plane gets dy (N, C) by the number of pixels.

    Raises
    ------
    TypeError, ValueError
        If `x_shape` is no shape of images with pixels and channels, `dy` does not belong to it, or `out` does not fit.
    """
    name = "global_avg_pool2d_backward"
    rank(name, "dy", dy.shape, 2)
    n, c, height, width = image_size(name, options.shape(f"{name}: x_shape", x_shape, 4))
    output_gradient(name, dy.shape, (n, c))
    share = dy / (height * width)
    return result(name, np.tile(share[:, :, None, None], (1, 1, height, width)), out, dy)


def adaptive_avg_pool2d(x: Array, output_size: Size, *, out: Array | None = None) -> Array:
    """Take the averages of OH x OW windows that cover the images.

    Parameters
    ----------
    x : (N, C, H, W)
    output_size : int or (OH, OW)
    out : (N, C, OH, OW), optional

    Returns
    -------
    (N, C, OH, OW)
        Of the rows ``floor(oh * H / OH)`` to ``ceil((oh + 1) * H / OH)``, and the same along the width.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W) with pixels and channels, `output_size` is not made of integers from 1 on, or `out`
        does not fit.
    """
    n, c, height, width = image_size("adaptive_avg_pool2d", x.shape)
    oh, ow = options.pair("adaptive_avg_pool2d: output_size", output_size, 1)
    y = np.empty((n, c, oh, ow), np.result_type(x.dtype, np.float32))
    for p, rows in enumerate(_windows(height, oh)):
        for q, columns in enumerate(_windows(width, ow)):
            count = (rows.stop - rows.start) * (columns.stop - columns.start)
            y[:, :, p, q] = x[:, :, rows, columns].sum(axis=(2, 3)) / count
    return result("adaptive_avg_pool2d", y, out, x)


def adaptive_avg_pool2d_backward(
    dy: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Return dx of shape `x_shape`: each dy, by the size of its window, goes to all pixels of the window.

    Raises
    ------
    TypeError, ValueError
        If `x_shape` is no shape of images with pixels and channels, `dy` does not belong to it, or `out` does not fit.
    """
    name = "adaptive_avg_pool2d_backward"
    n, c, height, width = image_size(name, options.shape(f"{name}: x_shape", x_shape, 4))
    adaptive_gradient(name, dy.shape, (n, c, height, width))
    dx = np.zeros((n, c, height, width), np.result_type(dy.dtype, np.float32))
    for p, rows in enumerate(_windows(height, dy.shape[2])):
        for q, columns in enumerate(_windows(width, dy.shape[3])):
            count = (rows.stop - rows.start) * (columns.stop - columns.start)
            dx[:, :, rows, columns] += (dy[:, :, p, q] / count)[:, :, None, None]
    return result(name, dx, out, dy)


def _windows(size: int, places: int) -> list[slice]:
    """Divide `size` pixels into windows as equal as can be."""
    return [slice(p * size // places, -(-(p + 1) * size // places)) for p in range(places)]
