"""3x3 convolution of one lane block by Winograd's F(2x2, 3x3): 16 products for 4 outputs instead of 36.

After A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016. A tile of 2 x 2 outputs takes from
4 x 4 inputs d: ``A' [(G g G') * (B' d B)] A``. With a sample in each lane all elements of a tile are whole vectors, and
the transforms are additions. Tiles are gone through by spans, as many as a register tile is wide, whose transformed
inputs stay in the second-level cache.

The sums have other roundings than direct ones: in float32, on normal random numbers, the two differ by up to 1.4e-6 of
the largest output (32 to 128 channels). An infinite or NaN input makes all outputs of its tiles NaN, of that image
alone.
"""

from ._jit import inline, kernel
from .conv_block import product
from .elementwise_block import vrelu
from .simd import lanes, vbeats, vload, vnot_below, vstore, vwhere
from .tile import tile_cols, tile_like, tile_rows, tile_store, tile_zero
from .vmath import vset

# Elements of a transformed tile.
POINTS = 16


@inline
def points_into(a, b, c, d):
    """Multiply a column of four by ``B'``."""
    return a - c, b + c, c - b, b - d


@inline
def _out_of(a, b, c, d):
    """Multiply a column of four by ``A'``."""
    return a + b + c, b - c - d


@inline
def _column(x, p0, p1, p2, p3):
    return points_into(vload(x, p0), vload(x, p1), vload(x, p2), vload(x, p3))


@inline
def _store_row(v, p, step, a, b, c, d):
    e, f, g, h = points_into(a, b, c, d)
    vstore(v, p, e)
    vstore(v, p + step, f)
    vstore(v, p + 2 * step, g)
    vstore(v, p + 3 * step, h)


@inline
def transform_tile(x, p0, p1, p2, p3, col, v, to, v_point):
    """Transform one tile, whose rows start at `p0` to `p3`: point i is stored at ``v[to + i * v_point]``."""
    a0, a1, a2, a3 = _column(x, p0, p1, p2, p3)
    b0, b1, b2, b3 = _column(x, p0 + col, p1 + col, p2 + col, p3 + col)
    c0, c1, c2, c3 = _column(x, p0 + 2 * col, p1 + 2 * col, p2 + 2 * col, p3 + 2 * col)
    d0, d1, d2, d3 = _column(x, p0 + 3 * col, p1 + 3 * col, p2 + 3 * col, p3 + 3 * col)
    _store_row(v, to, v_point, a0, b0, c0, d0)
    _store_row(v, to + 4 * v_point, v_point, a1, b1, c1, d1)
    _store_row(v, to + 8 * v_point, v_point, a2, b2, c2, d2)
    _store_row(v, to + 12 * v_point, v_point, a3, b3, c3, d3)


@kernel
def transform_inputs(x, xo, x_channel, x_row, channels, first, span, wide, v, vo, v_point):
    """Transform `span` tiles from tile `first` on, `wide` of them in a row: v is [point][channel][tile]."""
    L = lanes(x)
    for c in range(channels):
        for i in range(span):
            tile = first + i
            p = xo + c * x_channel + tile // wide * 2 * x_row + tile % wide * 2 * L
            transform_tile(x, p, p + x_row, p + 2 * x_row, p + 3 * x_row, L, v, vo + (c * span + i) * L, v_point)


@inline
def _sums(m, p, step):
    return _out_of(vload(m, p), vload(m, p + 4 * step), vload(m, p + 8 * step), vload(m, p + 12 * step))


@inline
def tile_outputs(m, p, m_point, b):
    """Make the four outputs of a tile, whose points start at `p`: upper left and right, lower left and right."""
    # Columns of the points first: point i * 4 + j is row i, column j.
    a0, a1 = _sums(m, p, m_point)
    b0, b1 = _sums(m, p + m_point, m_point)
    c0, c1 = _sums(m, p + 2 * m_point, m_point)
    d0, d1 = _sums(m, p + 3 * m_point, m_point)
    e, f = _out_of(a0, b0, c0, d0)
    g, h = _out_of(a1, b1, c1, d1)
    return e + b, f + b, g + b, h + b


@kernel
def transform_outputs(m, mo, m_point, filters, first, span, wide, bias, bo, has_bias, relu, y, yo, y_channel, y_row):
    """Make the outputs of m, [point][filter][tile], with the bias and, where wanted, of those the relu."""
    L = lanes(m)
    for k in range(filters):
        b = vset(m, bias[bo + k] if has_bias else 0.0)
        for i in range(span):
            tile = first + i
            to = yo + k * y_channel + tile // wide * 2 * y_row + tile % wide * 2 * L
            e, f, g, h = tile_outputs(m, mo + (k * span + i) * L, m_point, b)
            if relu:
                e, f, g, h = vrelu(e), vrelu(f), vrelu(g), vrelu(h)
            vstore(y, to, e)
            vstore(y, to + L, f)
            vstore(y, to + y_row, g)
            vstore(y, to + y_row + L, h)


@inline
def _beaten(best, where, new, number):
    beats = vbeats(new, best)
    return vwhere(beats, new, best), vwhere(beats, vset(best, number), where)


@kernel
def transform_pooled(m, mo, m_point, filters, first, span, wide, bias, bo, has_bias, relu, y, yo, y_channel, y_row,
                     index, io, i_channel, want_index):
    """Make the maxima of the outputs of each tile, and their numbers as `max_pool2d_block` has them."""
    L = lanes(m)
    zero = vset(m, 0.0)
    for k in range(filters):
        b = vset(m, bias[bo + k] if has_bias else 0.0)
        for i in range(span):
            tile = first + i
            e, f, g, h = tile_outputs(m, mo + (k * span + i) * L, m_point, b)
            best, where = _beaten(e, zero, f, 1.0)
            best, where = _beaten(best, where, g, 2.0)
            best, where = _beaten(best, where, h, 3.0)
            if relu:
                where = vwhere(vnot_below(best, zero), where, vset(m, -1.0))
                best = vrelu(best)
            vstore(y, yo + k * y_channel + tile // wide * y_row + tile % wide * L, best)
            if want_index:
                vstore(index, io + k * i_channel + tile * L, where)


@inline
def _products(t, v, vo, v_point, channels, span, u, uo, m, mo, m_point):
    """Multiply the points of a span by those of the weights of a register tile's filters."""
    L = lanes(v)
    kb = tile_rows(t)
    for e in range(POINTS):
        tile_zero(t)
        product(t, v, vo + e * v_point, L, 0, 0, span * L, u, uo + e * channels * kb, 1, 0, 0, kb, 1, 1, channels)
        tile_store(t, m, mo + e * m_point, span * L, L)


@kernel
def winograd_block(form, x, xo, x_channel, x_row, u, uo, bias, bo, y, yo, y_channel, y_row, channels, filters,
                   tiles, wide, has_bias, relu, v, vo, v_point, m, mo, m_point):
    """Convolve one lane block; `form` has the sizes of a register tile of (filters, tiles of outputs).

    `u` has the transformed weights as `winograd_weights` packs them; x starts at the first input of the first tile.
    `v` and `m` are scratch for a span, of its inputs and of the sums of a register tile's filters; from one point to
    the next there are `v_point` and `m_point` elements.
    """
    t = tile_like(form)
    kb = tile_rows(t)
    span = tile_cols(t)
    for s in range(-(-tiles // span)):
        first = min(s * span, tiles - span)
        transform_inputs(x, xo, x_channel, x_row, channels, first, span, wide, v, vo, v_point)
        for f in range(-(-filters // kb)):
            k = min(f * kb, filters - kb)
            _products(t, v, vo, v_point, channels, span, u, uo + f * POINTS * channels * kb, m, mo, m_point)
            transform_outputs(m, mo, m_point, kb, first, span, wide, bias, bo + k, has_bias, relu,
                              y, yo + k * y_channel, y_channel, y_row)


@kernel
def winograd_pool_block(form, x, xo, x_channel, x_row, u, uo, bias, bo, y, yo, y_channel, y_row, index, io, i_channel,
                        channels, filters, tiles, wide, has_bias, relu, want_index, v, vo, v_point, m, mo, m_point):
    """Convolve one lane block and take the maxima of windows of 2 x 2, which are the tiles.

    The arguments are those of `winograd_block` and, for the maxima, of `max_pool2d_block`.
    """
    t = tile_like(form)
    kb = tile_rows(t)
    span = tile_cols(t)
    for s in range(-(-tiles // span)):
        first = min(s * span, tiles - span)
        transform_inputs(x, xo, x_channel, x_row, channels, first, span, wide, v, vo, v_point)
        for f in range(-(-filters // kb)):
            k = min(f * kb, filters - kb)
            _products(t, v, vo, v_point, channels, span, u, uo + f * POINTS * channels * kb, m, mo, m_point)
            transform_pooled(m, mo, m_point, kb, first, span, wide, bias, bo + k, has_bias, relu,
                             y, yo + k * y_channel, y_channel, y_row, index, io + k * i_channel, i_channel, want_index)


@kernel
def winograd_weights(w, wo, f, filters, channels, f_stride, c_stride, flip, kb, u, uo):
    """Transform the weights of part `f` of the filters, packed as [part][point][channel][filter of the part].

    Filter and channel are `f_stride` and `c_stride` apart in w; `flip` turns the kernels by half a turn.
    """
    k0 = min(f * kb, filters - kb)
    for c in range(channels):
        for k in range(kb):
            p = wo + (k0 + k) * f_stride + c * c_stride
            to = uo + (f * POINTS * channels + c) * kb + k
            first, step = (8, -1) if flip else (0, 1)
            for i in range(4):
                # Row i of G times the kernel, then each column of that times the rows of G.
                r0 = _weighed(i, w, p + first, 3 * step)
                r1 = _weighed(i, w, p + first + step, 3 * step)
                r2 = _weighed(i, w, p + first + 2 * step, 3 * step)
                even, odd = (r0 + r2) * 0.5, r1 * 0.5
                u[to + (4 * i) * channels * kb] = r0
                u[to + (4 * i + 1) * channels * kb] = even + odd
                u[to + (4 * i + 2) * channels * kb] = even - odd
                u[to + (4 * i + 3) * channels * kb] = r2


@inline
def _weighed(i, w, p, step):
    """Multiply three weights by row i of G."""
    if i == 0:
        return w[p]
    if i == 3:
        return w[p + 2 * step]
    even, odd = (w[p] + w[p + 2 * step]) * 0.5, w[p + step] * 0.5
    return even + odd if i == 1 else even - odd
