"""A check that values are numbers, for ops that would spread what is none further than their definition does."""

from .._jit import kernel
from ..registry import Kernel, Op
from ..simd import lanes, vload, vsum
from ..stage import Axis, Call, Stage
from ..vmath import vset
from .shape import no_twin

# Status of a block with a value that is infinite, NaN, or so large that sums of a few might be.
NOT_FINITE = -3


@kernel
def _is_finite(x, xo, count):
    """Whether `count` elements, of whole vectors, stay finite when they are multiplied by 1e8 and summed."""
    L = lanes(x)
    scale = vset(x, 1e8)
    a, b = vset(x, 0.0), vset(x, 0.0)
    for i in range(0, count, L):
        a, b = b, a + scale * vload(x, xo + i)
    total = vsum(a + b)
    return total - total == 0.0


def finite_op(t):
    """Refuse a block that is not finite."""
    return 0 if _is_finite(t.arena, t.at[0] - t.options[0], t.options[1]) else NOT_FINITE


def _finite(row, places, machine):
    x = places["x"]
    return Call(finite_op, (x.origin - x.offset, x.size))


FINITE = Op(
    "finite",
    lambda shapes, **attrs: {},
    Kernel("forward", ("x",), (), no_twin, (Stage(Axis.BLOCK, ("x",), (), _finite),)),
)
