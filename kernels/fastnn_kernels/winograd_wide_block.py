"""3x3 convolution of one image by Winograd's F(2x2, 3x3), with the lanes along the width: a tile of outputs in each.

The algorithm and its rounding are those of `winograd_block.py`, where a lane is a sample. Here the inputs of the tiles
of a vector are the even and the odd columns of image rows, so that nothing has to be turned round on the way from
images to maps: reading and writing the lane blocks of 16 images of 32 x 32 took as long as the products in between.
Where a row has half a vector of tiles only, the vector has the row below as its second half.
"""

from ._jit import inline, kernel
from .conv_block import product
from .simd import lanes, vload, vstore
from .strided import vevens, vodds, vzip_high, vzip_low
from .tile import tile_cols, tile_like, tile_load, tile_rows, tile_square, tile_store, tile_transpose, tile_zero
from .vmath import vset
from .winograd_block import POINTS, points_into, tile_outputs


@inline
def tile_vectors(rows, cols, L):
    """Count the vectors of tiles of a map of `rows` x `cols` outputs."""
    return rows // 2 * (cols // (2 * L)) if cols >= 2 * L else -(-rows // 4)


@inline
def _place(vector, rows, cols, L):
    """Row and column of the first output of a vector of tiles; a last one of half as many rows overlaps."""
    if cols >= 2 * L:
        across = cols // (2 * L)
        return vector // across * 2, vector % across * 2 * L
    return min(vector * 4, rows - 4), 0


@inline
def _row(x, p, beyond):
    """Load the inputs of columns 0 to 3 of all tiles of a row, times ``B``; the second half is `beyond` elements on."""
    a, b, c, d = vload(x, p), vload(x, p + beyond), vload(x, p + 2), vload(x, p + 2 + beyond)
    return points_into(vevens(a, b), vodds(a, b), vevens(c, d), vodds(c, d))


@inline
def _store_points(v, to, step, a, b, c, d):
    e, f, g, h = points_into(a, b, c, d)
    vstore(v, to, e)
    vstore(v, to + 4 * step, f)
    vstore(v, to + 8 * step, g)
    vstore(v, to + 12 * step, h)


@kernel
def transform_rows(x, xo, channel, pitch, channels, first, span, rows, cols, v, vo, v_point):
    """Transform the inputs of `span` vectors of tiles from `first` on: v is [point][channel][vector]."""
    L = lanes(x)
    beyond = L if cols >= 2 * L else 2 * pitch
    for i in range(span):
        p, q = _place(first + i, rows, cols, L)
        for c in range(channels):
            at = xo + c * channel + p * pitch + q
            to = vo + (c * span + i) * L
            a0, a1, a2, a3 = _row(x, at, beyond)
            b0, b1, b2, b3 = _row(x, at + pitch, beyond)
            c0, c1, c2, c3 = _row(x, at + 2 * pitch, beyond)
            d0, d1, d2, d3 = _row(x, at + 3 * pitch, beyond)
            _store_points(v, to, v_point, a0, b0, c0, d0)
            _store_points(v, to + v_point, v_point, a1, b1, c1, d1)
            _store_points(v, to + 2 * v_point, v_point, a2, b2, c2, d2)
            _store_points(v, to + 3 * v_point, v_point, a3, b3, c3, d3)


@kernel
def place_outputs(m, mo, m_point, filters, first, span, rows, cols, bias, bo, y, yo, plane):
    """Write the outputs of m, [point][filter][vector of tiles], with the bias, to maps that are `plane` apart."""
    L = lanes(m)
    beyond = L if cols >= 2 * L else 2 * cols
    for k in range(filters):
        b = vset(m, bias[bo + k])
        for i in range(span):
            p, q = _place(first + i, rows, cols, L)
            to = yo + k * plane + p * cols + q
            e, f, g, h = tile_outputs(m, mo + (k * span + i) * L, m_point, b)
            vstore(y, to, vzip_low(e, f))
            vstore(y, to + beyond, vzip_high(e, f))
            vstore(y, to + cols, vzip_low(g, h))
            vstore(y, to + cols + beyond, vzip_high(g, h))


@kernel
def winograd_wide_block(form, x, xo, channel, pitch, channels, u, uo, bias, bo, y, yo, plane, filters, rows, cols,
                        v, vo, v_point, m, mo, m_point):
    """Convolve one image; `form` has the sizes of a register tile of (filters, vectors of tiles).

    `u` has the transformed weights as `transform_weights` writes them; x starts at the first input of the first tile.
    `v` and `m` are scratch for a span, of its inputs and of the sums of a register tile's filters.
    """
    L = lanes(x)
    t = tile_like(form)
    kb, span = tile_rows(t), tile_cols(t)
    vectors = tile_vectors(rows, cols, L)
    for s in range(-(-vectors // span)):
        first = min(s * span, vectors - span)
        transform_rows(x, xo, channel, pitch, channels, first, span, rows, cols, v, vo, v_point)
        for f in range(-(-filters // kb)):
            k = min(f * kb, filters - kb)
            for e in range(POINTS):
                tile_zero(t)
                product(t, v, vo + e * v_point, L, 0, 0, span * L, u, uo + e * channels * filters + k, 1, 0, 0, filters,
                        1, 1, channels)
                tile_store(t, m, mo + e * m_point, span * L, L)
            place_outputs(m, mo, m_point, kb, first, span, rows, cols, bias, bo + k, y, yo + k * plane, plane)


@inline
def _weigh(a, b, c, half):
    """Multiply a column of three by G."""
    even, odd = (a + c) * half, b * half
    return a, even + odd, even - odd, c


@kernel
def transform_weights(m, wo, filters, channels, f_stride, c_stride, flip, to, uo):
    """Transform the weights of at least a vector of filters to [point][channel][filter].

    Filter and channel are `f_stride` and `c_stride` apart from `wo` on, and a vector behind them is read; `flip` turns
    the kernels by half a turn. From `to` on there is room for 21 + L vectors. One by one the weights took 58 us for 64
    filters of 64 channels, longer than the products of an image of 16 x 16.
    """
    L = lanes(m)
    t = tile_square(m)
    half, step = vset(m, 0.5), channels * filters
    first, turn = (8 * L, -L) if flip else (0, L)
    for q in range(-(-filters // L)):
        k = min(q * L, filters - L)
        for c in range(channels):
            for tap in range(0, 9, L):
                tile_load(t, m, wo + k * f_stride + c * c_stride + tap, f_stride, 0)
                tile_transpose(t)
                tile_store(t, m, to + tap * L, L, 0)
            at = uo + c * filters + k
            for j in range(3):
                # Column j of the kernel times G; then the rows of that.
                p = to + first + j * turn
                a, b, d = vload(m, p), vload(m, p + 3 * turn), vload(m, p + 6 * turn)
                e, f, g, h = _weigh(a, b, d, half)
                vstore(m, to + (9 + L) * L + j * L, e)
                vstore(m, to + (12 + L) * L + j * L, f)
                vstore(m, to + (15 + L) * L + j * L, g)
                vstore(m, to + (18 + L) * L + j * L, h)
            for i in range(4):
                p = to + (9 + L + 3 * i) * L
                e, f, g, h = _weigh(vload(m, p), vload(m, p + L), vload(m, p + 2 * L), half)
                vstore(m, at + 4 * i * step, e)
                vstore(m, at + (4 * i + 1) * step, f)
                vstore(m, at + (4 * i + 2) * step, g)
                vstore(m, at + (4 * i + 3) * step, h)
