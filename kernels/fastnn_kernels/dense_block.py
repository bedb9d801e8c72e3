"""Products of the dense layer on lane blocks: forward, input gradient, weight gradient."""

from ._jit import inline, kernel, tell_apart
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

# Vectors of inputs that a part of the terms goes over again and again: most of a small first-level cache.
PART_VECTORS = 512


@inline
def _steps(t, along, x, xo, x_block, w, wo, stride, step, terms):
    """``t += w * x`` over so many terms, four of them unrolled."""
    L = lanes(x)
    for _ in range(terms // 4):
        tile_steps(t, fixed(4), along, x, xo, x_block, w, wo, stride)
        xo += 4 * L
        wo += 4 * step
    for _ in range(terms % 4):
        tile_steps(t, fixed(1), along, x, xo, x_block, w, wo, stride)
        xo += L
        wo += step


@inline
def _part(t, along, x, xo, x_block, w, wo, stride, step, first, terms, last, bias, bo, has_bias, m, partial, y, yo,
          y_block):
    """Terms of one register tile: from the bias, or from where the part before has left it, to `partial` or to y."""
    L = lanes(x)
    if first:
        start_tile(t, bias, bo, has_bias)
    else:
        tile_load(t, m, partial, tile_cols(t) * L, L)
    _steps(t, along, x, xo, x_block, w, wo, stride, step, terms)
    if last:
        tile_store(t, y, yo, L, y_block)
    else:
        tile_store(t, m, partial, tile_cols(t) * L, L)


def _make_block(groups):
    """Make the product, with tiles of several lane blocks or of one: a branch on a constant is not compiled."""

    def dense_block(form, along, x, xo, x_block, w, wo, stride, bias, bo, y, yo, y_block, n_in, n_out, blocks,
                    has_bias, m, partial):
        """``y[o] = bias[o] + sum over i of w[o, i] * x[i]`` for `blocks` lane blocks.

        `form` has the sizes of a tile of (outputs, lane blocks); without `groups` of one block. The weights of the
        layer itself (n_in, n_out) with their `stride` n_out give the forward pass with `along` 0, where the outputs
        are next to each other, and the input gradient with `along` 1. Terms are unrolled: 256 x 120 ran at 105 GFLOP/s
        with both strides variables and one term at a time, and runs at 155. They are taken in parts whose inputs stay
        in the first-level cache for all outputs; between the parts the tiles wait in `m`, from `partial` on, where
        there is more than one.
        """
        L = lanes(x)
        t = tile_like(form)
        single = tile_column(form)
        ob = tile_rows(t)
        xb = tile_cols(t)
        row, step = (stride, 1) if number(along) else (1, stride)
        most = PART_VECTORS // xb
        for start in range(0, n_in, most):
            terms = min(most, n_in - start)
            first, last = start == 0, start + terms == n_in
            place = partial
            for q in range(-(-n_out // ob)):
                o = min(q * ob, n_out - ob)
                wp = wo + o * row + start * step
                b = 0
                if groups:
                    while b + xb <= blocks:
                        _part(t, along, x, xo + b * x_block + start * L, x_block, w, wp, stride, step, first, terms,
                              last, bias, bo + o, has_bias, m, place, y, yo + b * y_block + o * L, y_block)
                        place += ob * xb * L
                        b += xb
                while b < blocks:
                    _part(single, along, x, xo + b * x_block + start * L, 0, w, wp, stride, step, first, terms, last,
                          bias, bo + o, has_bias, m, place, y, yo + b * y_block + o * L, 0)
                    place += ob * L
                    b += 1

    return kernel(tell_apart(dense_block, "groups" if groups else "column"))


dense_block, dense_column_block = _make_block(True), _make_block(False)


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
