"""im2col and col2im: windows of images as the columns of a matrix."""

from . import _checks as check
from . import _options as options
from . import _threads
from . import _windows as geometry
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._options import Padding, Size
from ._public import ALONE, check_batch, check_floats, element_count, flat, inside, output, read_windows
from .im2col_block import im2col_row, places_inside
from .team import share_out


@kernel
def _row(row, x, cols, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    """Make a row of `cols`: one element of the kernel, in all windows."""
    im2col_row(x, cols, row, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left, 0.0)


@kernel
def _plane(plane, cols, x, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    """Make a plane of `x`: every pixel has one owner, who adds in the order of the kernel."""
    s = plane // channels
    c = plane % channels
    for k in range(height * width):
        x[plane * height * width + k] = 0
    for i in range(kh):
        for j in range(kw):
            first, last = places_inside(j * dw - left, sw, width, ow)
            for p in range(oh):
                h = p * sh + i * dh - top
                if 0 <= h < height:
                    source = ((c * kh + i) * kw + j) * n * oh * ow + (s * oh + p) * ow
                    to = (plane * height + h) * width + j * dw - left
                    for q in range(first, last):
                        x[to + q * sw] += cols[source + q]


def _im2col_entry(team, x, cols, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    share_out(team, channels * kh * kw, _row, (x, cols, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top,
                                               left))


def _col2im_entry(team, cols, x, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    share_out(team, n * channels, _plane, (cols, x, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top,
                                           left))


_im2col, _col2im = entry(_im2col_entry), entry(_col2im_entry)


def im2col(
    x: Array,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """Write each window of the images as a column.

    ``cols[(c * KH + i) * KW + j, (n * OH + p) * OW + q] = x[n, c, p * sh + i * dh - top, q * sw + j * dw - left]``,
    0 outside the images. A convolution is then a product of matrices: ``w.reshape(C_out, -1) @ cols``
    (K. Chellapilla, S. Puri, P. Simard: High performance convolutional neural networks for document processing, 2006).

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    kernel_size, stride : int or (h, w)
    padding : int, (h, w), ((top, bottom), (left, right)), "valid" or "same"
        Zeros around the images. "same" needs stride 1 and pads ``dilation * (K - 1)`` in all, the odd one at the
        bottom and the right.
    dilation : int or (h, w)
        Pixels from one element of the kernel to the next.
    out : (C * KH * KW, N * OH * OW), dtype of x, optional

    Returns
    -------
    (C * KH * KW, N * OH * OW), dtype of x
        Row (c, i, j), column (n, p, q); ``OH = (H + top + bottom - dh * (KH - 1) - 1) // sh + 1``, OW likewise.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or the kernel is larger than the padded image.
    """
    images = check.float_array("im2col", "x", x, 4)
    windows = geometry.image_windows("im2col", images.shape, kernel_size, stride, padding, dilation)
    n, c, height, width = images.shape
    (kh, kw), (oh, ow) = windows.kernel, windows.out
    cols = check.out_array("im2col", out, (c * kh * kw, n * oh * ow), images.dtype, inputs=(x,))
    if cols.size == 0:
        return cols
    workers = _threads.workers_for(c * kh * kw, cols.size)
    _threads.launch(_im2col, workers, flat_alias(images), cols.reshape(-1), n, c, height, width,
                    kh, kw, oh, ow, *windows.stride, *windows.dilation, windows.pads[0], windows.pads[2])
    return cols


def col2im(
    cols: Array,
    x_shape: tuple[int, int, int, int],
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    out: Array | None = None,
) -> Array:
    """Add the columns back to where their windows were: the adjoint (not the inverse) of `im2col`.

    Parameters
    ----------
    cols : (C * KH * KW, N * OH * OW) float32 or float64
    x_shape : (N, C, H, W)
        Shape of the images.
    kernel_size, stride, padding, dilation
        As in `im2col`; what falls on the padding is dropped.
    out : (N, C, H, W), dtype of cols, optional

    Returns
    -------
    (N, C, H, W), dtype of cols

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    columns = check.float_array("col2im", "cols", cols, 2)
    n, c, height, width = options.shape("col2im: x_shape", x_shape, 4)
    windows = geometry.image_windows("col2im", (n, c, height, width), kernel_size, stride, padding, dilation)
    (kh, kw), (oh, ow) = windows.kernel, windows.out
    check.same_shape("col2im", windows=(c * kh * kw, n * oh * ow), cols=columns.shape)
    x = check.out_array("col2im", out, (n, c, height, width), columns.dtype, inputs=(cols,))
    workers = _threads.workers_for(n * c, columns.size)
    _threads.launch(_col2im, workers, flat_alias(columns), x.reshape(-1), n, c, height, width,
                    kh, kw, oh, ow, *windows.stride, *windows.dilation, windows.pads[0], windows.pads[2])
    return x


@inside(im2col)
def _im2col_inside(x, kernel_size, stride=1, padding=0, dilation=1, out=None):
    check_floats("im2col", x)

    def call(x, kernel_size, stride=1, padding=0, dilation=1, out=None):
        check_batch(x.shape)
        n, c, height, width = x.shape
        windows = read_windows(height, width, kernel_size, stride, padding, dilation)
        kh, kw, oh, ow = windows[:4]
        rows, columns = element_count(c, kh, kw), element_count(n, oh, ow)
        cols = output(out, (rows, columns), x)
        _im2col(ALONE, flat(x), cols.reshape(-1), n, c, height, width, *windows)
        return cols

    return call


@inside(col2im)
def _col2im_inside(cols, x_shape, kernel_size, stride=1, padding=0, dilation=1, out=None):
    check_floats("col2im", cols)

    def call(cols, x_shape, kernel_size, stride=1, padding=0, dilation=1, out=None):
        check_batch(x_shape)
        n, c, height, width = x_shape
        windows = read_windows(height, width, kernel_size, stride, padding, dilation)
        kh, kw, oh, ow = windows[:4]
        rows, columns = element_count(c, kh, kw), element_count(n, oh, ow)
        if cols.shape != (rows, columns):
            raise ValueError("col2im: cols does not have the shape of these windows")
        x = output(out, (n, c, height, width), cols)
        _col2im(ALONE, flat(cols), x.reshape(-1), n, c, height, width, *windows)
        return x

    return call
