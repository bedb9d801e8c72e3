"""Pooling the textbook's way: each window as a column of a matrix, then the maximum or sum down the columns."""

import numpy as np

from ._jit import entry, kernel
from .im2col_block import im2col_row
from .pool_plane import elements_inside, window_table
from .team import share_out


@kernel
def _max_channel(c, x, y, argmax, cols, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    places = oh * ow
    for row in range(c * kh * kw, (c + 1) * kh * kw):
        im2col_row(x, cols, row, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh, dw, top, left, -np.inf)
    for s in range(n):
        to = (s * channels + c) * places
        for k in range(places):
            y[to + k] = -np.inf
            argmax[to + k] = 0
        for element in range(kh * kw):
            source = ((c * kh * kw + element) * n + s) * places
            for k in range(places):
                value, best = cols[source + k], y[to + k]
                beats = value > best or (value != value and best == best)
                y[to + k] = value if beats else best
                argmax[to + k] = element if beats else argmax[to + k]
        for k in range(places):
            r, q = k // ow * sh - top, k % ow * sw - left
            i, j = argmax[to + k] // kw, argmax[to + k] % kw
            if y[to + k] == -np.inf:  # the padding is never the maximum: the first pixel is
                i, j = elements_inside(r, kh, dh, height)[0], elements_inside(q, kw, dw, width)[0]
            argmax[to + k] = (r + i * dh) * width + q + j * dw


@kernel
def _average_channel(c, x, y, cols, rows, columns, n, channels, height, width, kh, kw, oh, ow, sh, sw, top, left):
    places = oh * ow
    for row in range(c * kh * kw, (c + 1) * kh * kw):
        im2col_row(x, cols, row, n, channels, height, width, kh, kw, oh, ow, sh, sw, 1, 1, top, left, 0.0)
    for s in range(n):
        to = (s * channels + c) * places
        for k in range(places):
            y[to + k] = 0
        for element in range(kh * kw):
            source = ((c * kh * kw + element) * n + s) * places
            for k in range(places):
                y[to + k] += cols[source + k]
        for k in range(places):
            y[to + k] /= rows[2 * oh + k // ow] * columns[2 * ow + k % ow]


def _max_im2col_entry(team, x, y, argmax, cols, n, channels, height, width,
                      kh, kw, oh, ow, sh, sw, dh, dw, top, left):
    share_out(team, channels, _max_channel, (x, y, argmax, cols, n, channels, height, width, kh, kw, oh, ow, sh, sw, dh,
                                             dw, top, left))


def _average_im2col_entry(team, x, y, cols, n, channels, height, width,
                          kh, kw, oh, ow, sh, sw, top, bottom, left, right, include_pad):
    rows = window_table(height, oh, kh, sh, top, bottom, include_pad)
    columns = window_table(width, ow, kw, sw, left, right, include_pad)
    share_out(team, channels, _average_channel, (x, y, cols, rows, columns, n, channels, height, width, kh, kw, oh, ow,
                                                 sh, sw, top, left))


MAX_IM2COL, AVERAGE_IM2COL = entry(_max_im2col_entry), entry(_average_im2col_entry)
