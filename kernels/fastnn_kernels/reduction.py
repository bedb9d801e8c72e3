"""The balanced binary tree over the lane blocks: the one order in which anything is summed across them.

Sums in the order of the index would change with the way blocks are shared out; in this tree, ranks or threads that
hold aligned halves add up to the same bits.
"""

from ._jit import kernel
from .simd import lanes, vload, vstore


@kernel
def tree_sum(m, offset, stride, count, size):
    """Sum `count` vectors of `size` elements, `stride` apart, into the first of them.

    ``((0 + 1) + (2 + 3)) + ((4 + 5) + 6)``: at each level every second partial sum takes in its neighbour.
    """
    L = lanes(m)
    step = 1
    while step < count:
        for b in range(0, count - step, 2 * step):
            to = offset + b * stride
            other = to + step * stride
            i = 0
            while i + L <= size:
                vstore(m, to + i, vload(m, to + i) + vload(m, other + i))
                i += L
            while i < size:
                m[to + i] += m[other + i]
                i += 1
        step *= 2


@kernel
def tree_push(m, top, index, stack, size):
    """Take what lies at `top`, the sum of block `index`, into the tree as far as it is complete.

    The stack holds at level l the sum of 2**l blocks: the bits of `index` say which levels are occupied. `size` is
    a multiple of the lanes.
    """
    L = lanes(m)
    level = 0
    while (index >> level) & 1:
        for i in range(0, size, L):
            vstore(m, top + i, vload(m, stack + level * size + i) + vload(m, top + i))
        level += 1
    for i in range(0, size, L):
        vstore(m, stack + level * size + i, vload(m, top + i))


@kernel
def tree_total(m, top, count, stack, size):
    """Set what lies at `top` to the sum of all `count` blocks pushed; at least one."""
    L = lanes(m)
    level = 0
    while (count >> level) & 1 == 0:
        level += 1
    for i in range(0, size, L):
        vstore(m, top + i, vload(m, stack + level * size + i))
    level += 1
    while count >> level:
        if (count >> level) & 1:
            for i in range(0, size, L):
                vstore(m, top + i, vload(m, stack + level * size + i) + vload(m, top + i))
        level += 1
