"""A check that values are numbers, for ops that would spread what is none further than their definition does."""

from ..finite_block import all_finite
from ..registry import Kernel, Op
from ..stage import Axis, Call, Stage
from .shape import no_twin

# Status of a block with a value that is infinite, NaN, or so large that sums of a few might be.
NOT_FINITE = -3


def finite_op(t):
    """Refuse a block that is not finite."""
    return 0 if all_finite(t.arena, t.at[0] - t.options[0], t.options[1]) else NOT_FINITE


def finite_weights_op(t):
    """Refuse weights that are not finite."""
    return 0 if all_finite(t.params, t.at[0], t.options[0]) else NOT_FINITE


def _finite(row, places, machine):
    x = places["x"]
    return Call(finite_op, (x.origin - x.offset, x.size))


def _finite_weights(row, places, machine):
    return Call(finite_weights_op, (row.params["w"].size,))


FINITE = Op(
    "finite",
    lambda shapes, **attrs: {},
    Kernel("forward", ("x", "w"), (), no_twin, (
        Stage(Axis.BLOCK, ("x",), (), _finite),
        Stage(Axis.TILE, ("w",), (), _finite_weights, wanted=lambda row, machine: "w" in row.params),
    )),
)
