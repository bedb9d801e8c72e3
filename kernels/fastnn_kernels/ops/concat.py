"""Two maps, or two runs of features, one behind the other along the channels."""

from .._jit import kernel
from ..layout import copy_elements
from ..reference.twins import shape as twins
from ..registry import Kernel, Op
from ..simd import lanes, whole
from ..stage import Axis, Call, Stage
from .activation import common_rows


def shape(shapes, **attrs):
    """Shape of one sample of the output."""
    x, z = shapes["x"], shapes["z"]
    if len(x) != len(z) or x[1:] != z[1:]:
        raise ValueError(f"concat: the samples have shapes {x} and {z}, they may differ in their channels only")
    return {"y": (x[0] + z[0], *x[1:])}


@kernel
def copy_part(t, first, source, source_channel, source_row, target, target_channel, target_row):
    """Copy the map whose sizes are the options from `first` on."""
    m, o = whole(t.arena), t.options
    count = o[first + 2] * lanes(t.arena)
    for c in range(o[first]):
        for h in range(o[first + 1]):
            copy_elements(m, source + c * source_channel + h * source_row,
                          m, target + c * target_channel + h * target_row, count)


def concat_op(t):
    """Copy both maps."""
    at, o = t.at, t.options
    copy_part(t, 1, at[0], o[4], o[5], at[2], o[6], o[7])
    copy_part(t, 8, at[1], o[11], o[12], at[2] + o[0], o[13], o[14])
    return 0


def part_op(t):
    """Copy the channels of one of both from the gradient."""
    at, o = t.at, t.options
    copy_part(t, 1, at[0] + o[0], o[6], o[7], at[1], o[4], o[5])
    return 0


def _sizes(part, both):
    """Return channels, rows, vectors of a row, and the strides of the part and of both."""
    sizes, strides = common_rows(part, both)
    return sizes + strides


def _forward(row, places, machine):
    x, z, y = places["x"], places["z"], places["y"]
    return Call(concat_op, (x.shape[0] * y.channel, *_sizes(x, y), *_sizes(z, y)))


def _backward(name, twin):
    def call(row, places, machine):
        dy, part = places["dy"], places[name]
        first = 0 if name == "dx" else row.attrs["shapes"]["x_shape"][0]
        return Call(part_op, (first * dy.channel, *_sizes(part, dy)))

    return Kernel(f"backward_{name[1:]}", ("dy",), (name,), twin, (Stage(Axis.BLOCK, ("dy",), (name,), call),))


CONCAT = Op(
    "concat",
    shape,
    Kernel("forward", ("x", "z"), ("y",), twins.concat_forward, (Stage(Axis.BLOCK, ("x", "z"), ("y",), _forward),)),
    (_backward("dx", twins.concat_backward_x), _backward("dz", twins.concat_backward_z)),
)
