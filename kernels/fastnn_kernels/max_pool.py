"""Maximum pooling of (N, C, H, W) arrays."""

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._options import ALGORITHMS, Padding, Size
from .pool_im2col import MAX_IM2COL
from .pool_pairs import max_pairs_backward_plane
from .pool_plane import EXACT, max_pool2d_backward_plane, max_pool2d_plane, places_inside
from .team import share_out


@kernel
def _max_plane(plane, x, y, argmax, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    max_pool2d_plane(x, plane * height * width, y, argmax, plane * oh * ow, height, width, kh, kw, oh, ow, sh, sw, dh,
                     dw, top, left)


@kernel
def _backward_plane(plane, dy, argmax, dx, inside, height, width, oh, ow):
    """Make a plane of `dx`: every pixel has one owner, who adds in the order of the windows."""
    size, outputs = height * width, oh * ow
    a, k = plane * size, plane * outputs
    # Of windows that are not such pairs after all, the indices tell.
    pairs = oh == height // 2 and ow == width // 2 and size <= EXACT
    if not pairs or not max_pairs_backward_plane(dy, k, argmax, k, dx, a, height, width, oh, ow):
        inside[plane] = places_inside(argmax, k, size, outputs)
        if inside[plane]:
            max_pool2d_backward_plane(dy, k, argmax, k, dx, a, size, outputs)


def _max_pool2d_entry(team, x, y, argmax, planes, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    share_out(team, planes, _max_plane, (x, y, argmax, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left))


def _max_pool2d_backward_entry(team, dy, argmax, dx, planes, height, width, oh, ow):
    """Return whether all indices are inside their planes; planes where one is not hold anything."""
    inside = np.ones(planes, np.bool_)
    share_out(team, planes, _backward_plane, (dy, argmax, dx, inside, height, width, oh, ow))
    return inside.all()


FORWARD, BACKWARD = entry(_max_pool2d_entry), entry(_max_pool2d_backward_entry)


def max_pool2d(
    x: Array, kernel_size: Size, *, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
    ceil_mode: bool = False, algorithm: str = "direct",
) -> tuple[Array, Array]:
    """Take the maximum of each window.

    ``y[n, c, p, q] = max over i, j of x[n, c, p * stride - top + i * dilation, q * stride - left + j * dilation]``,
    as in PyTorch.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    kernel_size : int or (h, w)
    stride : int or (h, w), optional
        None is the kernel size.
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        At most half of what the kernel spans, ``(dilation * (kernel_size - 1) + 1) // 2``; padding is never a maximum.
    dilation : int or (h, w)
        Pixels from one element of a window to the next.
    ceil_mode : bool
        Whether a last window may hang over the right or bottom edge; it never starts in the padding there.
    algorithm : "direct" or "im2col"
        "im2col" writes each window as a column of a matrix first, as textbooks do (K. Chellapilla et al., "High
        performance convolutional neural networks for document processing", 2006): slower, and the same result.

    Returns
    -------
    y : (N, C, OH, OW), dtype of x
        ``OH = (H + top + bottom - dilation * (kernel_size - 1) - 1) // stride + 1``, rounded up with `ceil_mode`.
    argmax : (N, C, OH, OW) int64
        Where each maximum stood, as ``h * W + w`` in its plane (as PyTorch has it). The first maximum wins a tie,
        the first NaN wins over everything.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or a window is larger than the padded image or lies on the padding as a whole.
    """
    name = "max_pool2d"
    images = check.float_array(name, "x", x, 4)
    windows = geometry.pool_windows(name, images.shape, kernel_size, stride, padding, dilation, ceil_mode)
    textbook = options.choice(f"{name}: algorithm", algorithm, ALGORITHMS) == "im2col"
    n, c, height, width = images.shape
    (kh, kw), (oh, ow), (top, _, left, _) = windows.kernel, windows.out, windows.pads
    y = check.out_array(name, None, (n, c, oh, ow), images.dtype)
    argmax = np.empty(y.shape, np.int64)
    if y.size == 0:
        return y, argmax
    arrays = (flat_alias(images), y.reshape(-1), argmax.reshape(-1))
    sizes = (height, width, kh, kw, oh, ow, *windows.stride, *windows.dilation, top, left)
    work = 2 * y.size * kh * kw
    if textbook:
        cols = check.out_array(name, None, (c * kh * kw, n * oh * ow), images.dtype)
        _threads.launch(MAX_IM2COL, _threads.workers_for(c, work), *arrays, cols.reshape(-1), n, c, *sizes)
    else:
        _threads.launch(FORWARD, _threads.workers_for(n * c, work), *arrays, n * c, *sizes)
    return y, argmax


def max_pool2d_backward(
    dy: Array, argmax: Array, x_shape: tuple[int, int, int, int], *, out: Array | None = None
) -> Array:
    """Gradient of `max_pool2d`: each dy goes to its window's maximum, overlapping windows add.

    Parameters
    ----------
    dy : (N, C, OH, OW) float32 or float64
    argmax : (N, C, OH, OW) of integers
        As `max_pool2d` returned it.
    x_shape : (N, C, H, W)
    out : (N, C, H, W), dtype of dy, optional

    Returns
    -------
    (N, C, H, W), dtype of dy

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or an element of `argmax` is outside the plane.
    """
    name = "max_pool2d_backward"
    gradient = check.float_array(name, "dy", dy, 4)
    # Indices are checked for their range on the way, unless it is memory of the caller's that is written.
    places = check.argmax_indices(name, argmax, gradient.shape, x_shape, in_range=out is not None)
    n, c, height, width = (int(size) for size in x_shape)
    dx = check.out_array(name, out, (n, c, height, width), gradient.dtype, inputs=(dy, argmax))
    if dx.size == 0:
        return dx
    workers = _threads.workers_for(n * c, 2 * dx.size)
    arrays = (flat_alias(gradient), flat_alias(places), dx.reshape(-1))
    if not _threads.launch(BACKWARD, workers, *arrays, n * c, height, width, *gradient.shape[2:]):
        check.argmax_indices(name, argmax, gradient.shape, x_shape)  # raises, and says which one
    return dx
