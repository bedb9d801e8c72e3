"""A check that values are numbers, for sums that would spread what is none further than their definition does."""

from ._jit import kernel
from .simd import lanes, vload, vsum
from .vmath import vset


@kernel
def all_finite(x, xo, count):
    """Whether `count` elements stay finite when they are multiplied by 1e8 and summed."""
    L = lanes(x)
    scale, whole = vset(x, 1e8), xo + count // L * L
    a, b = vset(x, 0.0), vset(x, 0.0)
    for i in range(xo, whole, L):
        a, b = b, a + scale * vload(x, i)
    total = vsum(a + b)
    for i in range(whole, xo + count):
        total += x[i] * 1e8
    return total - total == 0.0
