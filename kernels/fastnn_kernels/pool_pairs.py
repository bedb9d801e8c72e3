"""Pooling of plain images over 2x2 windows side by side: two rows of pixels make one of windows.

Vectors are read whole and told apart into even and odd columns in registers, and gradients are woven together the
same way, each pixel written once. A row of fewer windows than a vector has lanes is one vector with a mask; in a longer
one the last vector starts early enough to be whole. Results equal those of the kernels for any window (`pool_plane`).

Against those, in microseconds, two threads, float32 with AVX-512 (Sapphire Rapids, November 2026), for 128x32x28x28 and
64x64x16x16: maxima 1099 -> 558 and 580 -> 257, their gradient 1491 -> 578 and 466 -> 243, averages 1079 -> 411 and
521 -> 179, their gradient 1930 -> 432 and 795 -> 201. Where a row of windows fills half a vector, maxima take half the
lanes: 185 -> 136 and 155 -> 114 for 64x64x16x16 (Zen 4).
"""

from ._jit import inline, kernel
from .simd import lanes, vbeats, vequal, vload, vload_first, vmax, vstore, vstore_first, vsum, vwhere
from .strided import halved, vevens, vload_offsets, vodds, vstore_places, vzip_high, vzip_low
from .vmath import vset


@inline
def in_pairs(kh, kw, oh, ow, sh, sw, top, left, height, width):
    """Whether windows of a pool without dilation are 2x2, side by side, and inside the image as a whole."""
    return (kh == 2 and kw == 2 and sh == 2 and sw == 2 and top == 0 and left == 0
            and 2 * oh <= height and 2 * ow <= width)


@inline
def _load_pairs(x, a, n):
    """Load the left and the right pixels of `n` windows from the row of pixels at `a`."""
    low, high = vload_first(x, a, 2 * n), vload_first(x, a + lanes(x), 2 * n - lanes(x))
    return vevens(low, high), vodds(low, high)


@inline
def _maxima(x, a, width, y, argmax, to, place, n):
    """Maximum and place of each of `n` windows, whose upper left pixels are at `a`, a + 2, ..."""
    best, other = _load_pairs(x, a, n)
    where = vset(x, 0.0)
    beats = vbeats(other, best)
    best, where = vwhere(beats, other, best), vwhere(beats, vset(x, 1.0), where)
    under, last = _load_pairs(x, a + width, n)
    beats = vbeats(under, best)
    best, where = vwhere(beats, under, best), vwhere(beats, vset(x, float(width)), where)
    beats = vbeats(last, best)
    best, where = vwhere(beats, last, best), vwhere(beats, vset(x, float(width + 1)), where)
    vstore_first(y, to, best, n)
    vstore_places(argmax, to, where, place, 2, n)


@kernel
def max_pairs_plane(x, xo, y, argmax, yo, width, oh, ow):
    """Maximum of each window of one plane, and its index in the plane: of planes that `pool_plane.EXACT` allows."""
    if 2 * ow <= lanes(x):  # whole vectors of half the lanes, without masks
        _max_rows(halved(x), xo, y, argmax, yo, width, oh, ow)
    else:
        _max_rows(x, xo, y, argmax, yo, width, oh, ow)


@inline
def _max_rows(x, xo, y, argmax, yo, width, oh, ow):
    L = lanes(x)
    for p in range(oh):
        start, to = 2 * p * width, yo + p * ow
        if ow < L:
            _maxima(x, xo + start, width, y, argmax, to, start, ow)
        else:
            for q in range(0, ow, L):
                q = min(q, ow - L)
                place = start + 2 * q
                _maxima(x, xo + place, width, y, argmax, to + q, place, L)


@inline
def _hand_back(dy, do, argmax, ao, dx, a, width, place, n):
    """Give `n` gradients to their windows' maxima, zeros to the others; return 1 where a place is outside."""
    L = lanes(dx)
    zero = vset(dx, 0.0)
    g, won = vload_first(dy, do, n), vload_offsets(dx, argmax, ao, place, 2, n)
    first, second = vequal(won, zero), vequal(won, vset(dx, 1.0))
    third, fourth = vequal(won, vset(dx, float(width))), vequal(won, vset(dx, float(width + 1)))
    even, odd = vwhere(first, g, zero), vwhere(second, g, zero)
    vstore_first(dx, a, vzip_low(even, odd), 2 * n)
    vstore_first(dx, a + L, vzip_high(even, odd), 2 * n - L)
    even, odd = vwhere(third, g, zero), vwhere(fourth, g, zero)
    vstore_first(dx, a + width, vzip_low(even, odd), 2 * n)
    vstore_first(dx, a + width + L, vzip_high(even, odd), 2 * n - L)
    strange = vwhere(first, zero, vwhere(second, zero, vset(dx, 1.0)))
    return vwhere(third, zero, vwhere(fourth, zero, strange))


@kernel
def max_pairs_backward_plane(dy, do, argmax, ao, dx, xo, height, width, oh, ow):
    """Gradient of maxima over all 2x2 windows of a plane; False where an index is none of its window's pixels.

    What `dx` holds is wrong then.
    """
    if 2 * ow <= lanes(dx):
        strange = _hand_rows_back(halved(dy), do, argmax, ao, halved(dx), xo, width, oh, ow)
    else:
        strange = _hand_rows_back(dy, do, argmax, ao, dx, xo, width, oh, ow)
    _clear_rest(dx, xo, height, width, oh, ow)
    return strange == 0.0


@inline
def _hand_rows_back(dy, do, argmax, ao, dx, xo, width, oh, ow):
    """Hand the gradients of a plane back; return 0 where all indices are of their windows."""
    L = lanes(dx)
    strange = vset(dx, 0.0)
    for p in range(oh):
        start, k = 2 * p * width, p * ow
        if ow < L:
            new = _hand_back(dy, do + k, argmax, ao + k, dx, xo + start, width, start, ow)
            strange = vmax(strange, new)
        else:
            for q in range(0, ow, L):
                q = min(q, ow - L)
                place = start + 2 * q
                new = _hand_back(dy, do + k + q, argmax, ao + k + q, dx, xo + place, width, place, L)
                strange = vmax(strange, new)
    return vsum(strange)


@inline
def _clear_rest(dx, xo, height, width, oh, ow):
    """Zeros for the last column and row of an odd width or height, which no window reaches."""
    for h in range(2 * oh):
        for w in range(2 * ow, width):
            dx[xo + h * width + w] = 0.0
    for k in range(2 * oh * width, height * width):
        dx[xo + k] = 0.0


@inline
def _averages(x, a, width, y, to, n):
    L = lanes(x)
    low = vload_first(x, a, 2 * n) + vload_first(x, a + width, 2 * n)
    high = vload_first(x, a + L, 2 * n - L) + vload_first(x, a + width + L, 2 * n - L)
    vstore_first(y, to, (vevens(low, high) + vodds(low, high)) * vset(x, 0.25), n)


@kernel
def average_pairs_plane(x, xo, y, yo, width, oh, ow):
    """Average of each window of one plane."""
    L, first = lanes(x), 0
    if width == L and 2 * ow == L:
        # Two rows of windows fill a vector (64x64x16x16: 138 us, now 130; the rest is memory).
        first = oh // 2 * 2
        for p in range(0, first, 2):
            a = xo + 2 * p * L
            low, high = vload(x, a) + vload(x, a + L), vload(x, a + 2 * L) + vload(x, a + 3 * L)
            vstore(y, yo + p * ow, (vevens(low, high) + vodds(low, high)) * vset(x, 0.25))
    for p in range(first, oh):
        a, to = xo + 2 * p * width, yo + p * ow
        if ow < L:
            _averages(x, a, width, y, to, ow)
        else:
            for q in range(0, ow, L):
                q = min(q, ow - L)
                _averages(x, a + 2 * q, width, y, to + q, L)


@inline
def _shares(dy, k, dx, a, width, n):
    L = lanes(dx)
    share = vload_first(dy, k, n) * vset(dx, 0.25)
    low, high = vzip_low(share, share), vzip_high(share, share)
    for to in (a, a + width):
        vstore_first(dx, to, low, 2 * n)
        vstore_first(dx, to + L, high, 2 * n - L)


@kernel
def average_pairs_backward_plane(dy, do, dx, xo, height, width, oh, ow):
    """Gradient of `average_pairs_plane`; two rows of windows at a time won nothing here."""
    L = lanes(dx)
    for p in range(oh):
        k, a = do + p * ow, xo + 2 * p * width
        if ow < L:
            _shares(dy, k, dx, a, width, ow)
        else:
            for q in range(0, ow, L):
                q = min(q, ow - L)
                _shares(dy, k + q, dx, a + 2 * q, width, L)
    _clear_rest(dx, xo, height, width, oh, ow)
