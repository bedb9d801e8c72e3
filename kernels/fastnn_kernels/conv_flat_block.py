"""Convolution with the lanes along the pixels, a few images at a time: the form for any batch and any options.

The images of a task are staged in scratch as maps, so that a sum over kernel elements needs no border and no stride:
the pixel that element (i, j) meets at output (p, q) of image s lies at

    tap_offset(i, j) + s * sample + p * pitch + q

in the staged channel. The output positions are then one line of numbers, which register tiles of (filters x vectors
of pixels) cover whatever the size of the image; what falls between rows (q >= OW) is computed and dropped.

A channel has `high` x `wide` maps. How many there are is a choice, the `fold` in each direction:

- fold = stride: one map for each phase of the stride that occurs (for stride 1, one map: the padded image). Elements
  share maps, and neighbouring rows and images share the zeros between them.
- fold beyond the kernel: one map for each row (column) of the kernel, of just the pixels it meets. More to write, but
  nothing between the rows is computed. Folded in both directions this is im2col.

Every output is the sum bias, then channels, kernel rows, kernel columns, each added in one rounding: the fold does not
change a bit of it. An input gradient is the same sum over dy, with the taps reversed, for each phase of the stride.
"""

from typing import NamedTuple

import numpy as np

from ._jit import apart, inline, kernel
from ._public import NO, YES
from .im2col_block import places_inside
from .simd import lanes, pointer_at, vstore, vstore_first
from .strided import vload_strided, vstore_even
from .tile import tile_cols, tile_like, tile_rows, tile_splat, tile_store, tile_store_sums, tile_zero
from .tile_product import tile_columns, tile_dot_at, tile_fma
from .tile_taps import tile_window
from .vmath import vset

# Numbers of a type of their own: a literal makes an argument or a tuple another type, hence one more function.
ONE, ZERO = np.int64(1), np.int64(0)


class View(NamedTuple):
    """How a kernel looks at images of height x width: element (0, 0) of output (0, 0) is `top`, `left` outside."""

    height: int
    width: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    top: int
    left: int


class Maps(NamedTuple):
    """How a task's images are staged: sizes in elements, as explained at the head of this file."""

    fold_h: int
    fold_w: int
    high: int
    wide: int
    rows: int  # of a map
    pitch: int  # from row to row
    sample: int  # from image to image
    size: int  # from map to map, a multiple of the lanes


@inline
def count_maps(taps, gap, fold):
    """Kernel elements with different places below `fold`: element i has the map i % count."""
    count = 1
    while count < taps and count * gap % fold != 0:
        count += 1
    return count


@inline
def _shared(before, size, count, step, last, most):
    """Zeros at the end of a line of `count` which can be the zeros at the start of the next one."""
    return max(0, min(most, -((last - before) // step), count + (-before - size) // step))


@kernel
def plan_maps(view, rows, cols, samples, fold_h, fold_w, lanes_):
    """Work out the maps for `rows` x `cols` outputs of each of `samples` images."""
    high, wide = count_maps(view.kh, view.dh, fold_h), count_maps(view.kw, view.dw, fold_w)
    last_h, last_w = (view.kh - 1) * view.dh, (view.kw - 1) * view.dw
    reach_h, reach_w = last_h // fold_h, last_w // fold_w
    shared = _shared(view.left, view.width, cols + reach_w, view.sw, min(last_w, fold_w - 1), reach_w)
    pitch = cols + reach_w - shared
    shared_rows = _shared(view.top, view.height, rows + reach_h, view.sh, min(last_h, fold_h - 1), reach_h)
    sample = (rows + reach_h - shared_rows) * pitch
    # A vector more than its elements, since zeros are written behind them.
    size = (samples - 1) * sample + (rows + reach_h) * pitch + shared + 2 * lanes_ - 1
    return Maps(fold_h, fold_w, high, wide, rows + reach_h, pitch, sample, size // lanes_ * lanes_)


@kernel
def tap_offset(view, maps, i, j):
    """Where element (i, j) meets its first pixel, in a staged channel."""
    apart()
    place = (i % maps.high) * maps.wide + j % maps.wide
    return place * maps.size + i * view.dh // maps.fold_h * maps.pitch + j * view.dw // maps.fold_w


@kernel
def _copy_rows(x, xo, x_row, x_step, y, yo, y_row, y_step, rows, count, beyond):
    """Copy `rows` rows of `count` pixels; with `beyond`, zeros may be written up to a vector behind each."""
    apart()
    L = lanes(y)
    for r in range(rows):
        source, to = xo + r * x_row, yo + r * y_row
        if x_step > 2 or y_step > 2:
            for k in range(count):
                y[to + k * y_step] = x[source + k * x_step]
        else:
            for k in range(0, count, L):
                value = vload_strided(x, source + k * x_step, x_step, min(L, count - k))
                if beyond:
                    vstore(y, to + k, value)
                elif y_step == 1:
                    vstore_first(y, to + k, value, count - k)
                else:
                    vstore_even(y, to + 2 * k, value, count - k)


@kernel
def stage_block(x, xo, samples, channels, plane_samples, view, m, mo, maps, rows):
    """Stage `samples` images, `plane_samples` elements apart, as maps of `rows` rows."""
    L = lanes(m)
    plane, channel = view.height * view.width, maps.high * maps.wide * maps.size
    for place in range(maps.high * maps.wide):
        down = place // maps.wide * view.dh % maps.fold_h - view.top
        right = place % maps.wide * view.dw % maps.fold_w - view.left
        # Rows and columns of the map that lie on the image; zeros around them, unless they are all of it.
        first, last = places_inside(down, view.sh, view.height, rows)
        begin, end = places_inside(right, view.sw, view.width, maps.pitch)
        source = xo + (down + first * view.sh) * view.width + right + begin * view.sw
        to = mo + place * maps.size
        covered = begin == 0 and end == maps.pitch and (samples == 1 or last * maps.pitch == maps.sample)
        clear = ((samples - 1) * maps.sample + last * maps.pitch) // L * L if covered and first == 0 else 0
        for c in range(channels):
            for k in range(to + c * channel + clear, to + c * channel + maps.size, L):
                vstore(m, k, vset(m, 0.0))
            for s in range(samples):
                _copy_rows(x, source + s * plane_samples + c * plane, view.sh * view.width, view.sw, m,
                           to + c * channel + s * maps.sample + first * maps.pitch + begin, maps.pitch, ONE,
                           last - first, end - begin, YES)


class Taps(NamedTuple):
    """Kernel elements that a sum runs over: rows first, first + step, ..., columns likewise."""

    first_h: int
    step_h: int
    count_h: int
    first_w: int
    step_w: int
    count_w: int


@kernel
def tap_table(view, maps, taps, channels, table, to):
    """Write the offset of each term of a sum over (channel, kernel row, kernel column); return their number."""
    k = to
    for c in range(channels):
        for i in range(taps.count_h):
            for j in range(taps.count_w):
                row, col = taps.first_h + i * taps.step_h, taps.first_w + j * taps.step_w
                table[k] = c * maps.high * maps.wide * maps.size + tap_offset(view, maps, row, col)
                k += 1
    return k - to


@kernel
def pack_taps(form, w, wo, rows, row_stride, channels, channel_stride, kw, taps, packed, po):
    """Pack weights as [tile][term][row of the tile], terms as in `tap_table`; the last tile overlaps.

    `form` has the rows of a tile.
    """
    width = tile_rows(form)
    # Indices of pointers cannot be negative, of which those of arrays are asked each time.
    source_of, packed_to, to = pointer_at(w, wo), pointer_at(packed, po), 0
    for f in range(-(-rows // width)):
        first = min(f * width, rows - width) * row_stride
        for c in range(channels):
            for i in range(taps.count_h):
                source = first + c * channel_stride + (taps.first_h + i * taps.step_h) * kw + taps.first_w
                for _ in range(taps.count_w):
                    for r in range(width):
                        packed_to[to + r] = source_of[source + r * row_stride]
                    source += taps.step_w
                    to += width


@kernel
def correlate_block(form, x, xo, table, to, terms, packed, po, bias, bo, y, yo, y_row, rows, vectors):
    """``y[r] = bias[r] + sum over terms k of packed[r, k] * x[table[k]]``, for a line of `vectors`.

    `form` has the sizes of a tile of (rows, vectors); there are at least as many of both. The tiles of a few vectors
    go through all rows before the next ones, so that their pixels stay in the cache.
    """
    L = lanes(x)
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    for q in range(-(-vectors // width)):
        v = min(q * width, vectors - width) * L
        for f in range(-(-rows // height)):
            r = min(f * height, rows - height)
            w = po + f * terms * height
            tile_splat(t, bias, bo + r, 1)
            for k in range(to, to + terms):
                tile_fma(t, x, xo + v + table[k], L, packed, w, 1)
                w += height
            tile_store(t, y, yo + r * y_row + v, y_row, L)


@kernel
def windows_block(form, x, xo, pitch, table, to, terms, w, wo, bias, bo, y, yo, rows, cols):
    """``y[p, q] = bias + sum over terms k of w[k] * x[table[k]]`` for one channel of one image, written in its place.

    `form` has the sizes of a tile of (rows, vectors of a row), of which there are at least as many. A depthwise
    convolution by `correlate_block` spends more on sums between the rows and on moving them than on products. What
    is left waits for memory; to fetch the next plane ahead won nothing.
    """
    L = lanes(x)
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t) * L
    for r in range(-(-rows // height)):
        p = min(r * height, rows - height)
        for c in range(-(-cols // width)):
            q = min(c * width, cols - width)
            tile_splat(t, bias, bo, 0)
            for k in range(terms):
                tile_window(t, x, xo + p * pitch + q + table[to + k], pitch, w, wo + k)
            tile_store(t, y, yo + p * cols + q, cols, L)


@kernel
def dots_block(form, dy, do, dy_row, x, xo, table, terms, rows, vectors, sums, so):
    """``sums[r, k] = sum over the line of dy[r] * x[table[k]]``; at least as many rows and terms as in a tile."""
    L = lanes(x)
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    for f in range(-(-rows // height)):
        r = min(f * height, rows - height)
        for q in range(-(-terms // width)):
            k = min(q * width, terms - width)
            columns = tile_columns(t, table, k)
            tile_zero(t)
            for v in range(0, vectors * L, L):
                tile_dot_at(t, dy, do + r * dy_row + v, dy_row, x, xo + v, columns)
            tile_store_sums(t, sums, so + r * terms + k, terms, 1)


@kernel
def _row_dot(x, xo, y, yo, count):
    apart()
    total = x[xo] * y[yo]
    for k in range(1, count):
        total += x[xo + k] * y[yo + k]
    return total


@kernel
def mend_dots_block(dy, do, dy_row, x, xo, table, terms, rows, samples, height, width, maps, sums, so):
    """Repeat the sums of `dots_block` that are NaN with the pixels alone.

    Between the rows dy is 0, but what is beside it in x may be infinite or NaN.
    """
    for r in range(rows):
        for k in range(terms):
            to = so + r * terms + k
            if sums[to] == sums[to]:
                continue
            sums[to] = 0
            for s in range(samples):
                for p in range(height):
                    line = s * maps.sample + p * maps.pitch
                    sums[to] += _row_dot(dy, do + r * dy_row + line, x, xo + table[k] + line, width)


@kernel
def place_block(m, mo, channel, sample, pitch, samples, channels, rows, cols, y, yo, plane_samples, plane, row, step):
    """Write what was computed to images: (channels, samples, rows, cols) with the pixels of a row `step` apart.

    `plane_samples`, `plane` and `row` are the elements of `y` from image to image, channel to channel, row to row.
    """
    for s in range(samples):
        for c in range(channels):
            _copy_rows(m, mo + c * channel + s * sample, pitch, ONE, y, yo + s * plane_samples + c * plane, row, step,
                       rows, cols, NO)
