"""Direct convolution of maps whose rows are whole vectors: the sums go from registers to where they belong.

An image is staged as rows that start with a vector of zeros, so that the pixels behind lie as the vectors of the maps
do, and the zeros are also those right of the row before. With a stride of 2 a row is two: its even padded columns, its
odd ones.
"""

from typing import NamedTuple

import numpy as np

from ._jit import inline, kernel
from .conv_flat_block import ZERO
from .conv_plan import Conv, phase_taps
from .simd import lanes, vload, vload_first, vstore
from .strided import vevens, vodds
from .tile import tile_cols, tile_like, tile_rows, tile_splat, tile_store
from .tile_taps import number, tile_shifts
from .vmath import vset


def fits_rows(conv: Conv, lanes: int, *, backward: bool) -> bool:
    """Whether images can be staged as rows: strides, and the zeros around them, are small enough."""
    if conv.sw > 2 or (backward and (conv.sh, conv.sw) != (1, 1)):
        return False
    top, left, cols, width = conv.top, conv.left, conv.ow, conv.width
    if backward:
        top, left, cols, width = (conv.kh - 1) * conv.dh - top, (conv.kw - 1) * conv.dw - left, width, cols
    beyond = (cols - 1) * conv.sw + (conv.kw - 1) * conv.dw - left - width + 1
    return cols % lanes == 0 and top >= 0 and 0 <= left <= lanes and beyond <= lanes


class Rows(NamedTuple):
    """Sizes of a staged image in elements: `plane` from phase to phase of the columns, `channel` from each to each."""

    rows: int
    halo: int
    pitch: int
    plane: int
    channel: int


@inline
def plan_rows(view, rows, cols, L):
    """Plan an image for `rows` x `cols` outputs."""
    count = (rows - 1) * view.sh + (view.kh - 1) * view.dh + 1
    beyond = (cols - 1) * view.sw + (view.kw - 1) * view.dw - view.left - view.width + 1
    halo = L if view.left > 0 or beyond > 0 or view.kw > 1 else 0
    pitch = -(-view.width // (view.sw * L)) * L + halo
    plane = count * pitch + L
    return Rows(count, halo, pitch, plane, plane * min(view.sw, (view.kw - 1) * view.dw + 1))


@inline
def tap_place(view, planned, i, j):
    """Where kernel element (i, j) meets its first pixel, in a staged channel."""
    phase = j * view.dw % view.sw
    # Of the padded columns of a phase so many are left of the image.
    padded = max(0, -((phase - view.left) // view.sw))
    return (phase * planned.plane + i * view.dh * planned.pitch + planned.halo - padded + j * view.dw // view.sw)


@kernel
def terms_table(conv, view, target, channels, planned, backward):
    """Return the place of each term of a sum: channels, then the kernel as the weights have it."""
    table, k = np.empty(channels * conv.kh * conv.kw, np.int64), ZERO
    _, taps = phase_taps(conv, view, target, ZERO, backward)
    for c in range(channels):
        for i in range(conv.kh):
            for j in range(conv.kw):
                row, col = taps.first_h + i * taps.step_h, taps.first_w + j * taps.step_w
                table[k] = c * planned.channel + tap_place(view, planned, row, col)
                k += 1
    return table


@kernel
def clear(m, mo, count):
    """Write zeros, whole vectors of them."""
    for k in range(mo, mo + count, lanes(m)):
        vstore(m, k, vset(m, 0.0))


@kernel
def stage_row(x, xo, width, m, mo):
    """Copy a row; the last vector is filled up with zeros."""
    L = lanes(m)
    whole = width // L * L
    for q in range(0, whole, L):
        vstore(m, mo + q, vload(x, xo + q))
    if whole < width:
        vstore(m, mo + whole, vload_first(x, xo + whole, width - whole))


@kernel
def _stage_halves(x, xo, width, m, even, odd, both):
    """Write the even pixels of a row from `even` on and, if `both`, the odd ones from `odd` on."""
    L = lanes(m)
    for q in range(0, width, 2 * L):
        a = vload(x, xo + q) if q + L <= width else vload_first(x, xo + q, width - q)
        b = vload(x, xo + q + L) if q + 2 * L <= width else vload_first(x, xo + q + L, width - q - L)
        vstore(m, even + q // 2, vevens(a, b))
        if both:
            vstore(m, odd + q // 2, vodds(a, b))


@kernel
def stage_rows(x, xo, channels, view, planned, m, mo):
    """Stage an image of stride 1 or 2 in its columns, where there are zeros or an image of the same sizes was."""
    # An even pixel is in the first phase if the padding on the left is even.
    shifted = view.left % 2
    even = planned.plane if shifted else 0
    both, odd = planned.channel > planned.plane, planned.plane - even
    # A row between those that a kernel of one row looks at is left out.
    step = view.sh if view.kh == 1 else 1
    for c in range(channels):
        for r in range(-(-view.top // step) * step, min(planned.rows, view.height + view.top), step):
            to = mo + c * planned.channel + r * planned.pitch + planned.halo
            source = xo + (c * view.height + r - view.top) * view.width
            if view.sw == 1:
                stage_row(x, source, view.width, m, to)
            elif both:
                _stage_halves(x, source, view.width, m, to + even, to + odd, True)
            else:
                # One phase, whose pixels are the even ones from here on.
                _stage_halves(x, source + shifted, view.width - shifted, m, to, to, False)


@kernel
def wide_block(form, taps, back, x, xo, pitch, table, terms, w, wo, bias, bo, y, yo, plane, filters, rows, cols):
    """``y[f, p, q] = bias[f] + sum over terms k of w[f, k] * x[table[k]]`` for one image.

    `form` has the sizes of a tile of (filters, vectors of pixels), `taps` divides the terms: so many follow each other
    in a row of the kernel, with `back` 1 from right to left. `pitch` is from one row of outputs to the next in `x`.
    To fetch the lines of the next image, read or written, won nothing; tiles of 12 x 2 and 6 x 4 were 5% faster, but
    fewer numbers of filters are multiples.
    """
    L = lanes(x)
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    # Vectors of a tile are side by side in a row, or else below each other.
    beside = cols % (width * L) == 0
    x_col, y_col = (L, L) if beside else (pitch, cols)
    down, right = (1, width * L) if beside else (width, L)
    across = cols // right
    for i in range(-(-rows // down) * across):
        p, q = min(i // across * down, rows - down), i % across * right
        source, target = xo + p * pitch + q, yo + p * cols + q
        for f in range(-(-filters // height)):
            r = min(f * height, filters - height)
            tile_splat(t, bias, bo + r, 1)
            at = wo + f * terms * height
            for k in range(0, terms, number(taps)):
                tile_shifts(t, taps, back, x, source + table[k], x_col, w, at)
                at += height * number(taps)
            tile_store(t, y, target + r * plane, plane, y_col)
