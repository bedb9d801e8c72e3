"""Products of the dense layer on single samples: lanes along the outputs, not along the samples.

For batches much smaller than a vector. `w` is (n_in, n_out), row by row; both functions need n_out >= lanes.
"""

from ._jit import kernel
from .conv_block import product
from .simd import lanes
from .tile import tile_cols, tile_like, tile_load, tile_row, tile_rows, tile_store, tile_store_sums, tile_zero
from .tile_product import tile_dot


@kernel
def _strip(t, x, xo, x_block, w, wo, bias, bo, y, yo, y_block, n_in, n_out, has_bias):
    """Compute the outputs from `wo` on, as many as the tile is wide, for as many samples as it has rows."""
    L = lanes(w)
    if has_bias:
        tile_load(t, bias, bo, 0, L)
    else:
        tile_zero(t)
    product(t, w, wo, L, 0, 0, n_out, x, xo, x_block, 0, 0, 1, 1, 1, n_in)
    tile_store(t, y, yo, y_block, L)


@kernel
def dense_narrow_block(form, x, xo, x_block, w, wo, bias, bo, y, yo, y_block, n_in, n_out, samples, has_bias):
    """``y[s, o] = bias[o] + sum over i of x[s, i] * w[i, o]``; `form` is a tile of (samples, vectors of outputs)."""
    L = lanes(w)
    t = tile_like(form)
    single = tile_row(form)
    rows = tile_rows(t)
    span = tile_cols(t) * L
    for q in range(-(-n_out // span)):
        o = min(q * span, n_out - span)
        s = 0
        while s + rows <= samples:
            _strip(t, x, xo + s * x_block, x_block, w, wo + o, bias, bo + o, y, yo + s * y_block + o, y_block,
                   n_in, n_out, has_bias)
            s += rows
        while s < samples:
            _strip(single, x, xo + s * x_block, 0, w, wo + o, bias, bo + o, y, yo + s * y_block + o, 0,
                   n_in, n_out, has_bias)
            s += 1


@kernel
def dense_narrow_backward_input_block(form, dy, do, d_block, w, wo, dx, xo, x_block, n_in, n_out, samples, tail, to):
    """``dx[s, i] = sum over o of w[i, o] * dy[s, o]``; `form` is a tile of (inputs, 1), `tail` scratch of a vector.

    Where the lanes do not divide n_out, the last vector overlaps the one before, and its first lanes are zero.
    """
    L = lanes(w)
    t = tile_like(form)
    ib = tile_rows(t)
    rest = n_out % L
    for s in range(samples):
        d = do + s * d_block
        for lane in range(L):
            tail[to + lane] = dy[d + n_out - L + lane] if lane >= L - rest else 0.0
        for p in range(-(-n_in // ib)):
            i = min(p * ib, n_in - ib)
            tile_zero(t)
            for v in range(n_out // L):
                tile_dot(t, w, wo + i * n_out + v * L, n_out, dy, d + v * L, 0)
            if rest > 0:
                tile_dot(t, w, wo + (i + 1) * n_out - L, n_out, tail, to, 0)
            tile_store_sums(t, dx, xo + s * x_block + i, 1, 0)
