"""Products of the dense layer on lane blocks: forward, input gradient, weight gradient."""

from ._jit import kernel
from .conv_block import product, start_tile
from .layout import copy_elements
from .reduction import tree_push, tree_total
from .simd import lanes, vstore
from .tile import (
    tile_add,
    tile_cols,
    tile_column,
    tile_like,
    tile_load,
    tile_rows,
    tile_square,
    tile_store,
    tile_transpose,
    tile_zero,
)
from .tile_taps import fixed, number, tile_steps
from .vmath import vset


@kernel
def dense_block(form, x, xo, x_block, w, wo, w_tile, w_step, bias, bo, y, yo, y_block, n_in, n_out, blocks, has_bias):
    """``y[o] = bias[o] + sum over i of w[o * w_tile + i * w_step] * x[i]`` for `blocks` lane blocks.

    `form` has the sizes of a tile of (outputs, lane blocks). The weights of the layer itself (n_in, n_out) give the
    forward pass with strides (1, n_out), the input gradient with (n_out, 1).
    """
    L = lanes(x)
    t = tile_like(form)
    single = tile_column(form)
    ob = tile_rows(t)
    xb = tile_cols(t)
    for q in range(-(-n_out // ob)):
        o = min(q * ob, n_out - ob)
        b = 0
        while b + xb <= blocks:
            start_tile(t, bias, bo + o, has_bias)
            product(t, x, xo + b * x_block, x_block, 0, 0, L, w, wo + o * w_tile, w_tile, 0, 0, w_step, 1, 1, n_in)
            tile_store(t, y, yo + b * y_block + o * L, L, y_block)
            b += xb
        while b < blocks:
            start_tile(single, bias, bo + o, has_bias)
            product(single, x, xo + b * x_block, 0, 0, 0, L, w, wo + o * w_tile, w_tile, 0, 0, w_step, 1, 1, n_in)
            tile_store(single, y, yo + b * y_block + o * L, L, 0)
            b += 1


@kernel
def dense_column_block(form, along, x, xo, w, wo, stride, bias, bo, y, yo, n_in, n_out, has_bias):
    """``y[o] = bias[o] + sum over i of w[o, i] * x[i]`` for one lane block; `form` is a tile of one column.

    The weights of the layer itself (n_in, n_out) with their `stride` n_out give the forward pass with `along` 0, where
    the outputs are next to each other, and the input gradient with `along` 1. Four terms are unrolled: 256 x 120 ran
    at 105 GFLOP/s with both strides variables and one term at a time, and runs at 155.
    """
    L = lanes(x)
    t = tile_like(form)
    ob = tile_rows(t)
    row, step = (stride, 1) if number(along) else (1, stride)
    for q in range(-(-n_out // ob)):
        o = min(q * ob, n_out - ob)
        start_tile(t, bias, bo + o, has_bias)
        xp = xo
        wp = wo + o * row
        for _ in range(n_in // 4):
            tile_steps(t, fixed(4), along, x, xp, w, wp, stride)
            xp += 4 * L
            wp += 4 * step
        for _ in range(n_in % 4):
            tile_steps(t, fixed(1), along, x, xp, w, wp, stride)
            xp += L
            wp += step
        tile_store(t, y, yo + o * L, L, 0)


@kernel
def transpose_block(x, xo, features, y, yo, stride):
    """``y[lane * stride + feature] = x[feature, lane]``; zeros from `features` to `stride`, a multiple of lanes."""
    L = lanes(x)
    t = tile_square(x)
    f = 0
    while f + L <= features:
        tile_load(t, x, xo + f * L, L, 0)
        tile_transpose(t)
        tile_store(t, y, yo + f, stride, 0)
        f += L
    if f < stride:
        for lane in range(L):
            vstore(y, yo + lane * stride + f, vset(y, 0.0))
            for k in range(f, features):
                y[yo + lane * stride + k] = x[xo + k * L + lane]


@kernel
def dense_backward_weight_tile(form, a, ao, a_block, a_tile, samples, first, last, dyt, do, dyt_block, dyt_row, n_out,
                               m, top, stack, out, oo, blocks):
    """Rows `first` to `last` of ``out[i, o] = sum over samples of a[i] * dy[o]``, by the tree over the blocks.

    `a` is (features, samples) by block, `dyt` the transposed output gradient (samples, dyt_row) by block; `form` has
    the sizes of a tile of (rows, vectors of outputs). `top` and `stack` are scratch in `m`.
    """
    L = lanes(a)
    t = tile_like(form)
    ib = tile_rows(t)
    vb = tile_cols(t)
    width = vb * L
    vectors = dyt_row // L
    for p in range(-(-(last - first) // ib)):
        i = min(first + p * ib, last - ib)
        for q in range(-(-vectors // vb)):
            v = min(q * vb, vectors - vb) * L
            for b in range(blocks):
                tile_zero(t)
                product(t, dyt, do + b * dyt_block + v, L, 0, 0, dyt_row,
                        a, ao + b * a_block + i * a_tile, a_tile, 0, 0, 1, 1, 1, samples)
                # The first level of the tree in registers: through memory it cost a tenth of this kernel.
                if b & 1 == 0:
                    tile_store(t, m, stack, width, L)
                else:
                    tile_add(t, m, stack, width, L)
                    tile_store(t, m, top, width, L)
                    tree_push(m, top, b >> 1, stack + ib * width, ib * width)
            tree_total(m, top, blocks, stack, ib * width)
            for r in range(ib):
                copy_elements(m, top + r * width, out, oo + (i + r) * n_out + v, min(width, n_out - v))
