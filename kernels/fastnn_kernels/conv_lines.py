"""Sums of 1x1 kernels over images whose planes are whole vectors: each pixel is for itself, and no image is staged.

Outputs, and input gradients. With a stride of 2 a gradient has sums at every other pixel of every other row alone, and
the bias of a transposed convolution (or zeros) between them: it is woven together from vectors. From 32 maps to 64
images of 16x32x32 that takes 300 us, and took 850 by the general form (Zen 3, two threads).
"""

from ._jit import CPU_NAME, inline, kernel
from .conv_block import product
from .conv_flat_block import ZERO
from .conv_plan import ROW_COLS, ROWS, WIDE_COLS, WIDE_ROWS
from .layout import copy_elements
from .machine_state import prefetch
from .sharing import share_of
from .simd import lanes, vload, vstore
from .strided import vzip_high, vzip_low
from .tile import tile, tile_cols, tile_like, tile_rows, tile_splat, tile_store
from .vmath import vset

# Vectors of pixels that are copied at a time, and of a tile. Where 16 lanes are multiplied in two halves, one vector
# is enough to keep the units busy, and long copies win (2 threads of a Zen 4, us, 2 and 2 before: 64x32x32x32 to 64
# filters 2480, now 1740; to 32 from 64 2630, 2200; 64x128x16x16 to 128 3180, 2780). Zen 3 won nothing by longer copies,
# and Sapphire Rapids lost: 1.18 ms, 1.40 with 8 vectors.
_HALVES = CPU_NAME == "znver4"
_STRIP, _COLS = (16, 1) if _HALVES else (WIDE_COLS, WIDE_COLS)


@inline
def _are_alone(conv, filters, L):
    """Whether pixels of 1x1 kernels without padding can be summed by vectors, and tiles have the filters they need."""
    return (conv.kh == 1 and conv.kw == 1 and conv.top == 0 and conv.left == 0 and conv.groups == 1
            and conv.oh * conv.ow >= ROW_COLS * L and (filters >= WIDE_ROWS or filters < ROWS))


@inline
def has_lines(conv, filters, L):
    """Whether images and maps are matrices of whole vectors as they are: none of the pixels is left out."""
    pixels = conv.height * conv.width
    return (conv.sh == 1 and conv.sw == 1 and conv.oh * conv.ow == pixels and pixels % L == 0
            and _are_alone(conv, filters, L))


@inline
def has_spread_lines(conv, filters, L, backward):
    """Whether gradients of stride 2 can be woven from lines: rows of whole vectors, twice as many pixels each way."""
    return (backward and conv.sh == 2 and conv.sw == 2 and conv.height == 2 * conv.oh and conv.width == 2 * conv.ow
            and conv.ow % L == 0 and _are_alone(conv, filters, L))


@inline
def _strip_size(sums, L):
    """Elements of copied pixels: a strip, or as many as the widest tile has."""
    return sums.channels * max(_STRIP, ROW_COLS) * L


@inline
def lines_scratch(conv, sums, L, spread):
    """Elements of a worker's scratch."""
    strip = _strip_size(sums, L)
    return strip + sums.filters * conv.oh * conv.ow if spread else strip


@kernel
def _line_sums(form, x, xo, y, yo, vectors, first, last, sums, packed, bias, m, mo):
    """Take the sums at vectors `first` to `last` of one image, whose planes are `vectors` each.

    Pixels are copied to `m`, of all channels: in their places, a plane apart, they would drive each other out of the
    cache. Where they are many, the next ones are fetched meanwhile (2 threads of a Zen 4, us: 64x32x32x32 to 64 filters
    1761, now 1558; to 32 from 64 2157, 1732; 64x128x16x16 to 128 2914, 2764). With few it won nothing, nor did four
    channels unrolled; fetching the lines that the next tiles go to lost or won nothing. Tiles of 12 and 16 filters
    take a tenth longer on Zen 4.
    """
    L = lanes(x)
    t = tile_like(form)
    height, width = tile_rows(t), tile_cols(t)
    strip = min(max(_STRIP, width), last - first) // width * width
    strips = -(-(last - first) // strip)
    for q in range(strips):
        v = min(first + q * strip, last - strip) * L
        for c in range(sums.channels):
            copy_elements(x, xo + c * vectors * L + v, m, mo + c * strip * L, strip * L)
        # Pixels of the next strip, of this image or of the next one, some with each tile.
        ahead, at = xo + v + strip * L, ZERO
        if q + 1 == strips:
            ahead = xo + sums.channels * vectors * L + first * L
        left, tiles = sums.channels * strip if _HALVES else ZERO, -(-sums.filters // height)
        some = -(-left * width // (strip * tiles))
        for f in range(tiles):
            r = min(f * height, sums.filters - height)
            for k in range(0, strip * L, width * L):
                for _ in range(min(some, left)):
                    prefetch(x, ahead + at)
                    left, at = left - 1, at + L
                    if at == strip * L:
                        ahead, at = ahead + vectors * L, ZERO
                tile_splat(t, bias, r, 1)
                product(t, m, mo + k, L, 0, 0, strip * L, packed, f * sums.channels * height, 1, 0, 0, height,
                        1, 1, sums.channels)
                tile_store(t, y, yo + r * vectors * L + v + k, vectors * L, L)


@kernel
def _spread(m, mo, rows, cols, y, yo, bias):
    """Write a plane of ``y[2 * p, 2 * q] = m[p, q]``, with the bias everywhere else."""
    L = lanes(m)
    between = vset(m, bias)
    for p in range(rows):
        to = yo + 4 * p * cols
        for q in range(0, cols, L):
            value = vload(m, mo + p * cols + q)
            vstore(y, to + 2 * q, vzip_low(value, between))
            vstore(y, to + 2 * q + L, vzip_high(value, between))
            vstore(y, to + 2 * cols + 2 * q, between)
            vstore(y, to + 2 * cols + 2 * q + L, between)


@kernel
def _lines_tile(form, worker, workers, x, y, n, sums, rows, cols, packed, bias, m, mo, spread):
    """Do a worker's share of the parts, which follow each other."""
    L = lanes(x)
    plane, vectors = rows * cols, rows * cols // L
    if spread:
        staged = mo + _strip_size(sums, L)
        first, end = share_of(worker, workers, n)
        for s in range(first, end):
            _line_sums(form, x, s * sums.channels * plane, m, staged, vectors, ZERO, vectors, sums, packed, bias, m, mo)
            for f in range(sums.filters):
                _spread(m, staged + f * plane, rows, cols, y, (s * sums.filters + f) * 4 * plane, bias[f])
        return
    # So many parts of an image that there is one for each worker.
    parts = max(1, min(-(-workers // n), vectors // tile_cols(form)))
    first, end = share_of(worker, workers, n * parts)
    for unit in range(first, end):
        s, part = unit // parts, unit % parts
        begin, behind = share_of(part, parts, vectors)
        _line_sums(form, x, s * sums.channels * plane, y, s * sums.filters * plane, vectors, begin, behind, sums,
                   packed, bias, m, mo)


@kernel
def lines(worker, workers, x, y, n, sums, rows, cols, packed, bias, m, mo, spread):
    """Do a worker's share of the sums of `n` images of `rows` x `cols` pixels, in scratch at `mo`."""
    if sums.filters >= WIDE_ROWS:
        _lines_tile(tile(x, WIDE_ROWS, _COLS), worker, workers, x, y, n, sums, rows, cols, packed, bias, m, mo,
                    spread)
    else:
        _lines_tile(tile(x, 1, ROW_COLS), worker, workers, x, y, n, sums, rows, cols, packed, bias, m, mo, spread)
