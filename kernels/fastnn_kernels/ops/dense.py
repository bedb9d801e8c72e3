"""dense on the tape: in a block phase while its weights fit the cache, else by groups of lane blocks."""

import functools

from .. import tile_choice
from ..conv_block import channel_sums_block
from ..conv_flat_block import ONE, ZERO
from ..dense_block import PART_VECTORS, dense_backward_weight_tile, dense_block, dense_column_block, transpose_block
from ..dense_narrow_block import dense_narrow_backward_input_block, dense_narrow_block
from ..layout import copy_elements
from ..reference.twins import dense as twins
from ..registry import Kernel, Op
from ..simd import lanes, whole
from ..stage import GROUP_SIZE, Axis, Call, Space, Stage
from ..task import BLOCKS, INDEX, STORE_STRIDE
from ..tile import tile
from ..tile_taps import fixed

# Layers with more weights than this read them once for a group of lane blocks, instead of once for each.
_GROUP_WEIGHTS = 100_000
# Rows of the weight gradient that one task owns, at least.
_TASK_ROWS = 32
_TREE_LEVELS = 40


def shape(shapes, **attrs):
    """Shape of one sample of the output."""
    if len(shapes["x"]) != 1 or shapes["x"][0] != shapes["w"][0]:
        raise ValueError(f"dense: x has shape {shapes['x']} a sample but w expects ({shapes['w'][0]},)"
                         f" (w.shape = {shapes['w']}); a Flatten layer goes before the first Dense")
    return {"y": (shapes["w"][1],)}


def _sizes(row):
    if "w" in row.params:
        return row.params["w"].shape
    return row.attrs["shapes"]["w_shape"]


@functools.cache
def make_product(ob, xb, along):
    """Forward op (`along` 0) or input gradient (1) with a tile of `ob` outputs by `xb` lane blocks.

    Options: row length of the weights, terms, outputs, whether there is a bias, numbers of the operands of the output
    and the scratch.
    """

    def dense_product(t):
        m, at, o = t.arena, t.at, t.options
        stride = t.info[STORE_STRIDE]
        # A branch on a constant is not compiled.
        if xb > 1:
            dense_block(tile(m, ob, xb), fixed(along), m, at[0], stride, t.params, at[1], o[0], t.params, at[2],
                        m, at[o[4]], stride, o[1], o[2], t.info[BLOCKS], o[3] != 0, m, at[o[5]])
        else:
            dense_column_block(tile(m, ob, 1), fixed(along), m, at[0], stride, t.params, at[1], o[0], t.params, at[2],
                               m, at[o[4]], stride, o[1], o[2], t.info[BLOCKS], o[3] != 0, m, at[o[5]])
        return 0

    return dense_product


def grouped(row):
    """Whether the layer runs by groups of lane blocks."""
    n_in, n_out = _sizes(row)
    return n_in * n_out > _GROUP_WEIGHTS


def _product_tile(row, machine, outputs, terms):
    """Register tile of (outputs, lane blocks)."""
    if grouped(row):
        return tile_choice.product_tile(outputs, GROUP_SIZE, terms, machine.tile_limit)
    return tile_choice.column_tile(outputs, machine.tile_limit), 1


def _product(row, machine, outputs, terms, backward):
    """Call of a product on lane blocks: input gradient if `backward`, else forward pass."""
    bias, result = int("b" in row.params and not backward), 2 if backward else 3
    make = make_product(*_product_tile(row, machine, outputs, terms), int(backward))
    return Call(make, (_sizes(row)[1], terms, outputs, bias, result, result + 1))


def _partial(row, machine, outputs, terms):
    """Elements of the sums that wait for the next part of the terms."""
    ob, xb = _product_tile(row, machine, outputs, terms)
    blocks = GROUP_SIZE if grouped(row) else 1
    return -(-outputs // ob) * ob * blocks * machine.lanes if terms > PART_VECTORS // xb else 1


@functools.cache
def make_narrow_forward(rows, cols):
    """Forward op on single samples, with a tile of `rows` samples by `cols` vectors of outputs."""

    def dense_narrow_forward(t):
        m, at, o, stride = whole(t.arena), t.at, t.options, t.info[STORE_STRIDE]
        dense_narrow_block(tile(m, rows, cols), m, at[0], stride, t.params, at[1], t.params, at[2], m, at[3], stride,
                           o[0], o[1], t.info[BLOCKS], o[2] != 0)
        return 0

    return dense_narrow_forward


@functools.cache
def make_narrow_backward_input(ib):
    """Input gradient on single samples, with a tile of `ib` inputs."""

    def dense_narrow_backward_input(t):
        m, at, o, stride = whole(t.arena), t.at, t.options, t.info[STORE_STRIDE]
        dense_narrow_backward_input_block(tile(m, ib, 1), m, at[0], stride, t.params, at[1], m, at[2], stride,
                                          o[0], o[1], t.info[BLOCKS], m, at[3])
        return 0

    return dense_narrow_backward_input


def _wide_enough(row, machine):
    """Whether the narrow form can be used: its vectors lie along the outputs."""
    return machine.narrow and _sizes(row)[1] >= machine.vector


def _forward(row, places, machine):
    n_in, n_out = _sizes(row)
    if _wide_enough(row, machine):
        samples = GROUP_SIZE if grouped(row) else 1
        tile_sizes = tile_choice.product_tile(samples, n_out // machine.vector, n_in, machine.tile_limit)
        return Call(make_narrow_forward(*tile_sizes), (n_in, n_out, int("b" in row.params)))
    return _product(row, machine, n_out, n_in, False)


def _backward_input(row, places, machine):
    n_in, n_out = _sizes(row)
    if _wide_enough(row, machine):
        return Call(make_narrow_backward_input(max(r for r in (1, 4, 8) if r <= n_in)), (n_in, n_out))
    return _product(row, machine, n_in, n_out, True)


def _forward_temps(row, machine):
    n_in, n_out = _sizes(row)
    return {"partial": (Space.WORK, _partial(row, machine, n_out, n_in))}


def _backward_input_temps(row, machine):
    n_in, n_out = _sizes(row)
    return {"scratch": (Space.WORK, max(machine.vector, _partial(row, machine, n_in, n_out)))}


def _axis(row, machine):
    return Axis.GROUP if grouped(row) else Axis.BLOCK


# Weight gradient: transpose dy by block, then each tile of rows has one owner that sums all samples.


def _padded(row, machine):
    return -(-_sizes(row)[1] // machine.vector) * machine.vector


def dense_transpose(t):
    """Transpose one block of dy, and sum it over the lanes: this block's gradient of the bias."""
    m, at, o = t.arena, t.at, t.options
    if lanes(m) == 1:
        copy_elements(whole(m), at[0], whole(m), at[1], o[0])
        for k in range(o[0], o[1]):
            m[at[1] + k] = 0.0
    else:
        transpose_block(m, at[0], o[0], m, at[1], o[1])
    if o[2] != 0:
        channel_sums_block(m, at[0], lanes(m), ZERO, o[0], ONE, ONE, m, at[2])
    return 0


def _transpose(row, places, machine):
    return Call(dense_transpose, (_sizes(row)[1], _padded(row, machine), int("db" in row.grads)))


def _transpose_temps(row, machine):
    return {"dyt": (Space.STORE, machine.lanes * _padded(row, machine))}


def _weight_tile(row, machine):
    # Few shapes, so that the layers of a model share one compiled kernel.
    n_in, _ = _sizes(row)
    vectors = min(2, _padded(row, machine) // machine.vector)
    rows = machine.tile_limit // 3 if vectors == 2 else machine.tile_limit // 2
    return max(r for r in (1, 2, 4, 8, 12) if r <= min(rows, n_in)), vectors


@functools.cache
def make_backward_weight(ib, vb):
    """Weight gradient with a tile of `ib` rows by `vb` vectors of outputs."""

    def dense_backward_weight(t):
        m, at, o, samples = whole(t.arena), t.at, t.options, lanes(t.arena)
        stride, blocks, index = t.info[STORE_STRIDE], t.info[BLOCKS], t.info[INDEX]
        n_in, n_out, padded, rows = o[0], o[1], o[2], o[3]
        first = index * rows
        last = n_in if index == o[4] - 1 else first + rows
        dense_backward_weight_tile(tile(m, ib, vb), m, at[0], stride, samples, samples, first, last, m, at[1], stride,
                                   padded, n_out, m, at[2], at[2] + ib * vb * lanes(m), t.grads, at[3], blocks)
        return 0

    return dense_backward_weight


def _backward_weight(row, places, machine):
    n_in, n_out = _sizes(row)
    ib, vb = _weight_tile(row, machine)
    rows = -(-min(_TASK_ROWS, n_in) // ib) * ib
    tasks = max(1, n_in // rows)
    return Call(make_backward_weight(ib, vb), (n_in, n_out, _padded(row, machine), rows, tasks), tasks=tasks)


def _backward_weight_temps(row, machine):
    ib, vb = _weight_tile(row, machine)
    return {"stack": (Space.WORK, (_TREE_LEVELS + 1) * ib * vb * machine.vector)}


DENSE = Op(
    "dense",
    shape,
    Kernel("forward", ("x", "w", "b"), ("y",), twins.dense_forward,
           (Stage(_axis, ("x", "w", "b"), ("y", "partial"), _forward, temps=_forward_temps, plain=True),)),
    (
        Kernel("backward_weight", ("dy", "x"), ("dw", "db"), twins.dense_backward_weight, (
            Stage(Axis.BLOCK, ("dy",), ("dyt", "db"), _transpose, temps=_transpose_temps, plain=True),
            Stage(Axis.TILE, ("x", "dyt", "stack"), ("dw",), _backward_weight, temps=_backward_weight_temps,
                  plain=True),
        )),
        Kernel("backward_input", ("dy", "w"), ("dx",), twins.dense_backward_input,
               (Stage(_axis, ("dy", "w"), ("dx", "scratch"), _backward_input, temps=_backward_input_temps,
                      plain=True),)),
    ),
)
