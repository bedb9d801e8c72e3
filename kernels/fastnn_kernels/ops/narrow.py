"""What ops share that have a form of their own for blocks of one sample."""

from .._jit import kernel
from ..simd import lanes, pointer_at, whole
from ..task import cast_pointer


def is_narrow(row, machine):
    """Whether blocks are single samples."""
    return machine.narrow


def is_wide(row, machine):
    """Whether blocks have a sample in each lane."""
    return not machine.narrow


def table_elements(count):
    """Elements of the arena that hold `count` int64: each at most two, and one more to start at a multiple of it."""
    return 2 * count + 1


@kernel
def table_at(t, offset):
    """Return the table of int64 that lies in the arena from `offset` on."""
    elements = lanes(whole(t.arena)) // lanes(t.out)
    return pointer_at(cast_pointer(t.arena, t.order), (offset + elements - 1) // elements)
