"""Pooling of plain images, one plane (H, W) after the other, with the lanes along the width.

A window that hangs over the left or right edge is computed alone; for the others, a vector holds the same element of
neighbouring windows.

Against plain scalar loops over the windows, in milliseconds, one thread, float32 with AVX-512 (Zen 4): maxima of
128x32x28x28 by 2 17.7 -> 2.2, of 64x64x32x32 by 3 with stride 2 35.6 -> 4.9, of 64x64x8x8 by 2 1.6 -> 0.5; averages
4.8 -> 1.2, 8.8 -> 1.7, 0.38 -> 0.34, and their gradients 7.1 -> 3.2, 12.7 -> 6.3, 0.54 -> 0.43; averages of
64x512x7x7 as a whole 0.46 -> 0.22.
"""

import numpy as np

from ._jit import inline, kernel
from .pool_pairs import in_pairs, max_pairs_plane
from .simd import lanes, vbeats, vload_first, vstore, vstore_first, vsum, vwhere
from .strided import vload_strided, vstore_places
from .vmath import vset

# Offsets into a plane travel in the lanes of float32 vectors, which count exactly up to here.
EXACT = 2**24


@inline
def elements_inside(start, k, gap, size):
    """Range of a window's elements i whose pixel ``start + i * gap`` is inside an image of `size`."""
    return max(0, -(start // gap)), min(k, (size - 1 - start) // gap + 1)


@inline
def windows_inside(places, step, before, span, size):
    """Range of the windows along a side that lie inside the image as a whole."""
    first = min(places, -(-before // step))
    return first, max(first, min(places, (size - span + before) // step + 1))


@inline
def _first_maximum(x, xo, width, i0, i1, j0, j1, dh, dw):
    """Maximum of one window and its offset from the window's start, `xo`."""
    where = i0 * dh * width + j0 * dw
    best = x[xo + where]
    for i in range(i0, i1):
        for j in range(j0, j1):
            value = x[xo + i * dh * width + j * dw]
            # The first maximum wins, and the first NaN wins over everything.
            if value > best or (value != value and best == best):
                best = value
                where = i * dh * width + j * dw
    return best, where


@kernel
def max_pool2d_plane(x, xo, y, argmax, yo, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    """Maximum of each window of one plane, and its index in the plane: as int64, or as floats up to `EXACT`."""
    if (dh == 1 and dw == 1 and height * width <= EXACT
            and in_pairs(kh, kw, oh, ow, sh, sw, top, left, height, width)):  # fmt: skip
        max_pairs_plane(x, xo, y, argmax, yo, width, oh, ow)
        return
    L = lanes(x)
    first, last = windows_inside(ow, sw, left, (kw - 1) * dw + 1, width)
    if height * width > EXACT:
        last = first
    across = vset(x, float(dw))
    for p in range(oh):
        r = p * sh - top
        i0, i1 = elements_inside(r, kh, dh, height)
        to = yo + p * ow
        for q in range(ow - (last - first)):  # those in front of `first`, then those from `last` on
            q += (last - first) * (q >= first)
            s = q * sw - left
            j0, j1 = elements_inside(s, kw, dw, width)
            start = r * width + s
            best, where = _first_maximum(x, xo + start, width, i0, i1, j0, j1, dh, dw)
            y[to + q] = best
            argmax[to + q] = start + where
        for q in range(first, last, L):
            n = min(L, last - q)
            start = r * width + q * sw - left
            row = i0 * dh * width
            best = vload_strided(x, xo + start + row, sw, n)
            where = vset(x, float(row))
            for i in range(i0, i1):
                row = i * dh * width
                here = vset(x, float(row))
                for j in range(kw):
                    new = vload_strided(x, xo + start + row + j * dw, sw, n)
                    beats = vbeats(new, best)
                    best = vwhere(beats, new, best)
                    where = vwhere(beats, here, where)
                    here = here + across
            store_first(y, to + q, best, n)
            vstore_places(argmax, to + q, where, start, sw, n)


@kernel
def max_pool2d_backward_plane(dy, do, argmax, ao, dx, xo, size, outputs):
    """Add each output's gradient to the pixel that won, in the order of the windows."""
    L = lanes(dx)
    zero = vset(dx, 0.0)
    for k in range(0, size, L):
        store_first(dx, xo + k, zero, min(L, size - k))
    for k in range(outputs):
        dx[xo + np.int64(argmax[ao + k])] += dy[do + k]


@kernel
def places_inside(argmax, ao, size, outputs):
    """Whether all of a plane's indices are inside the plane."""
    least, most = 0, 0
    for k in range(ao, ao + outputs):
        least, most = min(least, argmax[k]), max(most, argmax[k])
    return least >= 0 and most < size


@inline
def store_first(y, at, value, n):
    """Store `n` lanes: masked stores are slow on some machines, so only where they must be."""
    if n == lanes(y):
        vstore(y, at, value)
    else:
        vstore_first(y, at, value, n)


@kernel
def fill_window_table(table, size, places, k, step, before, after, include_pad):
    """Start, end and divisor of each window of an average along a side, one behind the other.

    Without a kernel (k = 0) they are those of an adaptive average: ``floor(p * size / places)`` to
    ``ceil((p + 1) * size / places)``.
    """
    for p in range(places):
        if k == 0:
            start, end = p * size // places, -(-(p + 1) * size // places)
        else:
            start, end = p * step - before, min(p * step - before + k, size + after)
        divisor = end - start
        start, end = max(start, 0), min(end, size)
        table[p] = start
        table[places + p] = end
        table[2 * places + p] = divisor if include_pad else end - start


@kernel
def window_table(size, places, k, step, before, after, include_pad):
    """Return a new table of windows."""
    table = np.empty(3 * places, np.int64)
    fill_window_table(table, size, places, k, step, before, after, include_pad)
    return table


@kernel
def average_plane(x, xo, y, yo, width, oh, ow, rows, cols, first, last, step, before, k, sums):
    """Average of each window of one plane, first down its columns into `sums`, then along the row.

    Windows `first` to `last` are `k` wide and start at ``q * step - before``.
    """
    L = lanes(x)
    for p in range(oh):
        for w in range(0, width, L):
            n = min(L, width - w)
            total = vload_first(x, xo + rows[p] * width + w, n)
            for h in range(rows[p] + 1, rows[oh + p]):
                total = total + vload_first(x, xo + h * width + w, n)
            vstore(sums, w, total)
        high, to = rows[2 * oh + p], yo + p * ow
        for q in range(ow - (last - first)):
            q += (last - first) * (q >= first)
            total = sums[cols[q]]
            for w in range(cols[q] + 1, cols[ow + q]):
                total += sums[w]
            y[to + q] = total / (high * cols[2 * ow + q])
        divisor = vset(x, float(high * k))
        for q in range(first, last, L):
            n = min(L, last - q)
            start = q * step - before
            total = vload_strided(sums, start, step, n)
            for j in range(1, k):
                total = total + vload_strided(sums, start + j, step, n)
            store_first(y, to + q, total / divisor, n)


@kernel
def average_backward_plane(dy, do, dx, xo, height, width, oh, ow, rows, cols, spread):
    """Gradient of `average_plane`: along the row into `spread`, then up and down to the window's rows."""
    L = lanes(dx)
    done = 0  # rows written so far: what comes later is stored the first time, and added then
    zero = vset(dx, 0.0)
    for p in range(oh + 1):
        start, end = (rows[p], rows[oh + p]) if p < oh else (height, height)
        for w in range(done * width, start * width, L):
            store_first(dx, xo + w, zero, min(L, start * width - w))
        if p == oh:
            break
        for w in range(0, width, L):
            vstore(spread, w, zero)
        for q in range(ow):
            share = dy[do + p * ow + q] / (rows[2 * oh + p] * cols[2 * ow + q])
            for w in range(cols[q], cols[ow + q]):
                spread[w] += share
        for h in range(start, end):
            for w in range(0, width, L):
                n = min(L, width - w)
                at = xo + h * width + w
                row = vload_first(spread, w, n)
                store_first(dx, at, row if h >= done else vload_first(dx, at, n) + row, n)
        done = max(done, end)


@kernel
def plane_average(x, xo, size):
    """Average of a plane's `size` elements, summed lane by lane."""
    L = lanes(x)
    total = vset(x, 0.0)
    for k in range(0, size, L):
        total = total + vload_first(x, xo + k, min(L, size - k))
    return vsum(total) / size
