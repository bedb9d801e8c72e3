"""Weight gradient of a 3x3 convolution of one lane block by Winograd's algorithm: 16 products for 36.

The gradient of ``Y = A' [(G g G') * (B' d B)] A`` (see `winograd_block.py`) for g: ``dg = G' [sum of (A dY A') *
(B' d B)] G`` over all tiles of 2 x 2 outputs and 4 x 4 inputs. For each of the 16 points that is a product of two
matrices, (filters, pixels and samples) times (pixels and samples, channels). In that, lanes of samples would have to
be summed across, so the inputs are turned: a vector is 16 channels of one sample, and the gradients of the outputs
are the scalars.

In float32, on normal random numbers, the error is up to 8e-7 of the largest element (16 channels of 32x32; 3e-7 with
32 to 128 channels), that of direct sums 1e-7.
"""

from ._jit import inline, kernel
from .conv_block import product
from .simd import lanes, vload, vstore
from .tile import tile_cols, tile_like, tile_load, tile_rows, tile_square, tile_store, tile_transpose, tile_zero
from .vmath import vset
from .winograd_block import POINTS, transform_tile


@kernel
def _turn_rows(x, xo, x_channel, x_row, channels, first, last, cols, xt, to, turned_row):
    """Turn input rows `first` to `last`: row r of ``xt[pixel, sample, channel]`` takes the place of row r - 4."""
    L = lanes(x)
    t = tile_square(x)
    for r in range(first, last):
        for w in range(cols):
            for c in range(0, channels, L):
                tile_load(t, x, xo + c * x_channel + r * x_row + w * L, x_channel, 0)
                tile_transpose(t)
                tile_store(t, xt, to + r % 4 * turned_row + w * L * channels + c, channels, 0)


@inline
def _spread(a, b, zero):
    """Multiply a column of two by A."""
    return a, a + b, a - b, zero - b


@inline
def _store_points(d, p, step, a, b, zero):
    e, f, g, h = _spread(a, b, zero)
    vstore(d, p, e)
    vstore(d, p + step, f)
    vstore(d, p + 2 * step, g)
    vstore(d, p + 3 * step, h)


@kernel
def _transform_gradients(dy, do, dy_channel, dy_row, filters, span, d, to, d_point):
    """Transform `span` tiles of dy: d is [point][filter][tile], samples in the lanes."""
    L, zero = lanes(dy), vset(dy, 0.0)
    for k in range(filters):
        for i in range(span):
            p = do + k * dy_channel + 2 * i * L
            a0, a1, a2, a3 = _spread(vload(dy, p), vload(dy, p + dy_row), zero)
            b0, b1, b2, b3 = _spread(vload(dy, p + L), vload(dy, p + dy_row + L), zero)
            at = to + (k * span + i) * L
            _store_points(d, at, d_point, a0, b0, zero)
            _store_points(d, at + 4 * d_point, d_point, a1, b1, zero)
            _store_points(d, at + 8 * d_point, d_point, a2, b2, zero)
            _store_points(d, at + 12 * d_point, d_point, a3, b3, zero)


@inline
def _weighed(a, b, c, d, half):
    """Multiply a column of four by ``G'``."""
    even, odd = (b + c) * half, (b - c) * half
    return a + even, odd, even + d


@kernel
def _finish_vector(m, p, point, taps, dw, to):
    """Make nine weights' gradients of each lane of the 16 points at `p`, by way of 12 vectors at `taps`."""
    L, half = lanes(m), vset(m, 0.5)
    for j in range(4):
        q = p + j * point
        a, b, c = _weighed(vload(m, q), vload(m, q + 4 * point), vload(m, q + 8 * point), vload(m, q + 12 * point),
                           half)
        vstore(m, taps + j * L, a)
        vstore(m, taps + (4 + j) * L, b)
        vstore(m, taps + (8 + j) * L, c)
    for i in range(3):
        q = taps + 4 * i * L
        a, b, c = _weighed(vload(m, q), vload(m, q + L), vload(m, q + 2 * L), vload(m, q + 3 * L), half)
        vstore(m, q, a)
        vstore(m, q + L, b)
        vstore(m, q + 2 * L, c)
    for lane in range(L):
        for i in range(3):
            for j in range(3):
                dw[to + lane * 9 + 3 * i + j] = m[taps + (4 * i + j) * L + lane]


@kernel
def winograd_weight_block(form, dy, do, dy_channel, dy_row, x, xo, x_channel, x_row, dw, dwo, channels, filters, high,
                          wide, most, m, turned, v, v_point, d, d_point, sums, point):
    """Write the gradient of the weights (filters, channels, 3, 3) of one lane block.

    `form` has the sizes of a register tile of (filters, vectors of channels), of which there are whole ones. There are
    `high` x `wide` tiles of outputs, taken `most` at a time. In `m` are, from these offsets on: `turned`, four rows of
    inputs; `v` and `d`, transformed inputs and gradients, whose points are `v_point` and `d_point` apart; `sums`, of
    each point its register tiles, `point` elements, and 12 vectors behind all.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    cb = tile_cols(t)
    vectors = channels // L
    parts, sections = -(-filters // kb), -(-vectors // cb)
    turned_row = (2 * wide + 2) * L * channels
    for h in range(high):
        _turn_rows(x, xo, x_channel, x_row, channels, 2 * h + 2 if h else 0, 2 * h + 4, 2 * wide + 2, m, turned,
                   turned_row)
        upper, lower = turned + 2 * h % 4 * turned_row, turned + (2 * h + 2) % 4 * turned_row
        for first in range(0, wide, most):
            span = min(most, wide - first)
            for i in range(span):
                for n in range(0, L * channels, L):
                    p = 2 * (first + i) * L * channels + n
                    transform_tile(m, upper + p, upper + p + turned_row, lower + p, lower + p + turned_row,
                                   L * channels, m, v + i * L * channels + n, v_point)
            _transform_gradients(dy, do + 2 * h * dy_row + 2 * first * L, dy_channel, dy_row, filters, span, m, d,
                                 d_point)
            for e in range(POINTS):
                place = sums + e * point
                for f in range(parts):
                    k = min(f * kb, filters - kb)
                    for q in range(sections):
                        c = min(q * cb, vectors - cb) * L
                        if h == 0 and first == 0:
                            tile_zero(t)
                        else:
                            tile_load(t, m, place, cb * L, L)
                        product(t, m, v + e * v_point + c, L, 0, 0, channels,
                                m, d + e * d_point + k * span * L, span * L, 0, 0, 1, 1, 1, span * L)
                        tile_store(t, m, place, cb * L, L)
                        place += kb * cb * L
    for f in range(parts):
        k = min(f * kb, filters - kb)
        for q in range(sections):
            c = min(q * cb, vectors - cb) * L
            for r in range(kb):
                for b in range(cb):
                    _finish_vector(m, sums + ((f * sections + q) * kb * cb + r * cb + b) * L, point,
                                   sums + POINTS * point, dw, dwo + ((k + r) * channels + c + b * L) * 9)
