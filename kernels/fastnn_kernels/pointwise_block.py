"""1x1 convolution of one lane block: a product of weights and pixels, for outputs and input gradients."""

from ._jit import kernel
from .conv_block import product, start_tile
from .layout import copy_elements
from .simd import lanes
from .tile import tile_cols, tile_like, tile_rows, tile_store


@kernel
def pointwise_block(form, x, xo, x_channel, x_row, packed, po, bias, bo, y, yo, y_channel, y_row, channels, filters,
                    rows, cols, has_bias, strip, so):
    """``y[k] = bias[k] + sum over c of w[k, c] * x[c]`` at `rows` x `cols` pixels, by tiles of (filters, pixels).

    The pixels of a tile are first copied to `strip`, of all channels: they are used for every tile of filters, and in
    their places, a map apart, they would drive each other out of the cache. 128 -> 128 channels of 16x16 ran at 45
    GFLOP/s without.
    """
    L = lanes(x)
    t = tile_like(form)
    kb = tile_rows(t)
    xb = tile_cols(t)
    for h in range(rows):
        for q in range(-(-cols // xb)):
            col = min(q * xb, cols - xb) * L
            for c in range(channels):
                copy_elements(x, xo + c * x_channel + h * x_row + col, strip, so + c * xb * L, xb * L)
            for f in range(-(-filters // kb)):
                k = min(f * kb, filters - kb)
                start_tile(t, bias, bo + k, has_bias)
                product(t, strip, so, L, 0, 0, xb * L, packed, po + f * channels * kb, 1, 0, 0, kb, 1, 1, channels)
                tile_store(t, y, yo + k * y_channel + h * y_row + col, y_channel, L)
