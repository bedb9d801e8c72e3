"""The last phases of a step: sum the blocks' gradients, clip them, update the parameters, keep them in their balls.

The update table has a row a chunk: (offset, elements, offset of its gradient in a block's slots or -1 where the
gradient is complete, whether weight decay applies, whether it is trained).
"""

from math import sqrt

from .._jit import kernel
from .._update_checks import unit_layout
from ..clip_block import UNITS, clip_block, clip_factor, max_norm_block, scale_block, sum_of_squares
from ..layout import copy_elements
from ..optimizer_block import ADAM, ADAMW, NADAM, adam_block, adam_rates, momentum_block, sgd_block, square_block
from ..reduction import tree_sum
from ..simd import lanes, whole
from ..stage import Axis, Call, Space
from ..task import INDEX, SLOT_STRIDE, STEP_BLOCKS, cast_pointer

CHUNK_COLUMNS = 5
OFFSET, SIZE, SLOT, DECAY, TRAINED = range(CHUNK_COLUMNS)
# Elements of a chunk: its gradients from eight blocks fit the first-level cache. Where nothing is left to be summed
# chunks are longer, since each costs some 0.1 us to hand out.
CHUNK_SIZE = 512
COMPLETE_CHUNK_SIZE = 2048


def reduce_op(t):
    """Sum this chunk's gradient over the blocks by the tree."""
    g, chunk = t.grads, t.info[INDEX] * CHUNK_COLUMNS
    size, slot = t.chunks[chunk + SIZE], t.chunks[chunk + SLOT]
    if slot >= 0:
        m, source = whole(t.arena), t.at[0] + slot
        tree_sum(m, source, t.info[SLOT_STRIDE], t.info[STEP_BLOCKS], size)
        copy_elements(m, source, g, t.chunks[chunk + OFFSET], size)
    return 0


@kernel
def trained_chunk(t):
    """Return the offset and the elements of this chunk, none where it is frozen."""
    chunk = t.info[INDEX] * CHUNK_COLUMNS
    return t.chunks[chunk + OFFSET], t.chunks[chunk + SIZE] * t.chunks[chunk + TRAINED]


@kernel
def chunk_decay(t):
    """Return the weight decay of this chunk."""
    return t.scalars[0] * t.chunks[t.info[INDEX] * CHUNK_COLUMNS + DECAY]


def clip_op(t):
    """Clip this chunk's gradient by value."""
    i, n = trained_chunk(t)
    clip_block(t.grads, i, n, t.scalars[0])
    return 0


@kernel
def first_sum(t):
    """Return where the chunks' sums of squares start; they are float64 in an arena of any dtype."""
    return t.at[0] * lanes(t.out) // lanes(whole(t.arena))


def squares_op(t):
    """Sum the squares of this chunk's gradient, in float64: the square of a large float32 is none."""
    sums = cast_pointer(t.arena, t.out)
    i, n = trained_chunk(t)
    sums[first_sum(t) + t.info[INDEX]] = sum_of_squares(t.grads, i, n)
    return 0


def factor_op(t):
    """Add the chunks' sums by the tree, and leave behind them the factor that clips the norm."""
    sums, first, chunks = cast_pointer(t.arena, t.out), first_sum(t), t.options[0]
    tree_sum(sums, first, 1, chunks, 1)
    sums[first + chunks] = clip_factor(sqrt(sums[first]), t.scalars[0])
    return 0


def scale_op(t):
    """Scale this chunk's gradient by the factor."""
    sums = cast_pointer(t.arena, t.out)
    factor = sums[first_sum(t) + t.options[0]]
    if factor != 1.0:
        i, n = trained_chunk(t)
        scale_block(t.grads, i, n, factor)
    return 0


def sgd_op(t):
    """Update this chunk."""
    i, n = trained_chunk(t)
    sgd_block(t.params, i, t.grads, i, n, t.hyper[0], chunk_decay(t))
    return 0


def momentum_op(t):
    """Update this chunk by momentum or Nesterov's momentum."""
    i, n = trained_chunk(t)
    momentum_block(t.params, i, t.grads, i, t.slots, i, n, t.options[1], t.hyper[0], t.scalars[1], chunk_decay(t))
    return 0


def square_op(t):
    """Update this chunk by Adagrad or RMSprop."""
    i, n = trained_chunk(t)
    s = t.scalars
    square_block(t.params, i, t.grads, i, t.slots, i, n, t.hyper[0], s[1], s[2], s[3], chunk_decay(t))
    return 0


def adam_op(t):
    """Update this chunk by Adam, AdamW or NAdam."""
    i, n = trained_chunk(t)
    s = t.scalars
    rates = adam_rates(t.options[1], t.hyper[1], t.hyper[0], s[1], s[2], chunk_decay(t), s[4])
    adam_block(t.params, i, t.grads, i, t.slots, i, t.slots, t.options[0] + i, n, rates, s[1], s[2], s[3])
    return 0


def max_norm_op(t):
    """Keep some units of a parameter in their ball."""
    o, first = t.options, t.info[INDEX] * UNITS
    max_norm_block(t.params, o[0], o[1], o[2], o[3], first, min(o[2], first + UNITS), t.scalars[0])
    return 0


# Name of the rule -> op, variant, its numbers behind the weight decay.
_RULES = {
    "sgd_update": (sgd_op, 0, lambda o: ()),
    "momentum_update": (momentum_op, 0, lambda o: (o["momentum"],)),
    "nesterov_update": (momentum_op, 1, lambda o: (o["momentum"],)),
    "adagrad_update": (square_op, 0, lambda o: (1, 1, o["eps"])),
    "rmsprop_update": (square_op, 0, lambda o: (o["alpha"], 1 - o["alpha"], o["eps"])),
    "adam_update": (adam_op, ADAM, lambda o: (o["beta1"], o["beta2"], o["eps"], 0)),
    "adamw_update": (adam_op, ADAMW, lambda o: (o["beta1"], o["beta2"], o["eps"], 0)),
    "nadam_update": (adam_op, NADAM, lambda o: (o["beta1"], o["beta2"], o["eps"], o["momentum_decay"])),
}


def _rule_call(update, size):
    """Return the call of an update's rule on `size` parameters."""
    op, variant, numbers = _RULES[update.name]
    return Call(op, (size, variant), (update.weight_decay, *map(float, numbers(update.options))))


def _max_norm_calls(param):
    shape = param.shape[0] // param.unit_groups, *param.shape[1:]
    outer, units, inner = unit_layout(f"max_norm of {param.name}", shape, param.unit_axis)
    return [
        Call(max_norm_op, (offset, outer, units, inner), (param.max_norm,), tasks=-(-units // UNITS))
        for offset in range(param.offset, param.offset + param.size, outer * units * inner)
    ]


def norm_elements(update, chunks):
    """Elements of the arena that clipping by the norm needs: a float64 a chunk, and one for the factor."""
    return 0 if update is None or update.clip_norm is None else 2 * (chunks + 1)


def update_phases(update, params, size, chunks, sums):
    """Return the last phases of a step as (axis, [(call, operands)]).

    `size` and `chunks` count all parameters and the rows of the update table; `sums` is the offset of
    `norm_elements` in the arena. Without clipping by the norm and without max_norm it is one phase: each chunk's
    gradient is used while it is in the cache.
    """
    first = [(Call(reduce_op), [(Space.SLOT, 0)])]
    if update is None:
        return [(Axis.CHUNK, first)]
    if update.clip_value is not None:
        first.append((Call(clip_op, (), (update.clip_value,)), []))
    rule = (_rule_call(update, size), [])
    if update.clip_norm is None:
        phases = [(Axis.CHUNK, [*first, rule])]
    else:
        place = [(Space.FIXED, sums)]
        phases = [
            (Axis.CHUNK, [*first, (Call(squares_op), place)]),
            (Axis.TILE, [(Call(factor_op, (chunks,), (update.clip_norm,)), place)]),
            (Axis.CHUNK, [(Call(scale_op, (chunks,)), place), rule]),
        ]
    bounded = [p for p in params if p.trainable and p.max_norm is not None]
    balls = [(call, []) for p in bounded for call in _max_norm_calls(p)]
    if balls:
        phases.append((Axis.TILE, balls))
    return phases
