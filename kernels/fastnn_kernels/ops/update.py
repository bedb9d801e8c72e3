"""The last phase of a step: sum the blocks' gradients and update the parameters, chunk by chunk.

The update table has a row a chunk: (offset, elements, offset of its gradient in a block's slots or -1 where the
gradient is complete, whether weight decay applies, whether it is trained).
"""

from ..layout import copy_elements
from ..optimizer_block import adam_block, momentum_block, sgd_block
from ..reduction import tree_sum
from ..simd import whole
from ..stage import Call
from ..task import INDEX, SLOT_STRIDE, STEP_BLOCKS

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


def sgd_op(t):
    """Update this chunk."""
    chunk = t.info[INDEX] * CHUNK_COLUMNS
    if t.chunks[chunk + TRAINED] != 0:
        i, n = t.chunks[chunk + OFFSET], t.chunks[chunk + SIZE]
        decay = t.scalars[0] * t.chunks[chunk + DECAY]
        sgd_block(t.params, i, t.grads, i, n, t.hyper[0], decay)
    return 0


def momentum_op(t):
    """Update this chunk."""
    chunk = t.info[INDEX] * CHUNK_COLUMNS
    if t.chunks[chunk + TRAINED] != 0:
        i, n = t.chunks[chunk + OFFSET], t.chunks[chunk + SIZE]
        decay = t.scalars[0] * t.chunks[chunk + DECAY]
        momentum_block(t.params, i, t.grads, i, t.slots, i, n, t.hyper[0], t.scalars[1], decay)
    return 0


def adam_op(t):
    """Update this chunk."""
    chunk = t.info[INDEX] * CHUNK_COLUMNS
    if t.chunks[chunk + TRAINED] != 0:
        i, n = t.chunks[chunk + OFFSET], t.chunks[chunk + SIZE]
        decay = t.scalars[0] * t.chunks[chunk + DECAY]
        adam_block(t.params, i, t.grads, i, t.slots, i, t.slots, t.options[0] + i, n, t.hyper[1], t.hyper[0],
                   t.scalars[1], t.scalars[2], t.scalars[3], decay)
    return 0


_OPS = {
    "sgd_update": (sgd_op, ()),
    "momentum_update": (momentum_op, ("momentum",)),
    "adam_update": (adam_op, ("beta1", "beta2", "eps")),
}


def update_call(update, size):
    """Return the call of an `Update` on `size` parameters."""
    op, names = _OPS[update.name]
    return Call(op, (size,), (update.weight_decay, *(float(update.options[name]) for name in names)))


reduce_call = Call(reduce_op)
