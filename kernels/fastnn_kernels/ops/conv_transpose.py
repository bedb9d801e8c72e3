"""conv_transpose2d on the tape: the convolution of y to x, run backwards."""

from .._options import sides
from .._windows import conv_transpose2d_windows
from ..conv_block import channel_sums_block
from ..reference.twins import conv_transpose as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Stage
from .conv_stages import read_options, to_images, to_maps, weight_gradient


def shape(shapes, **attrs):
    """Shape of one sample of the output."""
    options = read_options(attrs)
    _, y_shape = conv_transpose2d_windows(
        "conv_transpose2d", (1, *shapes["x"]), shapes["w"], options.stride, sides(options.padding),
        options.output_padding, options.dilation, options.groups, b_shape=shapes.get("b"),
    )  # fmt: skip
    return {"y": y_shape[1:]}


def bias_gradient(t):
    """Sum each channel of dy."""
    m, at, o = t.arena, t.at, t.options
    channel_sums_block(m, at[0], o[0], o[1], o[2], o[3], o[4], m, at[1])
    return 0


def _bias_gradient(row, places, machine):
    dy = places["dy"]
    return Call(bias_gradient, (dy.channel, dy.row, *dy.shape))


CONV_TRANSPOSE2D = Op(
    "conv_transpose2d",
    shape,
    Kernel("forward", ("x", "w", "b"), ("y",), twins.conv_transpose2d_forward, to_images("x", "y", "b")),
    (
        Kernel("backward_weight", ("dy", "x"), ("dw",), twins.conv_transpose2d_backward_weight,
               weight_gradient("x", "dy", "dw")),
        Kernel("backward_bias", ("dy",), ("db",), twins.conv_transpose2d_backward_bias,
               (Stage(Axis.BLOCK, ("dy",), ("db",), _bias_gradient),)),
        Kernel("backward_input", ("dy", "w"), ("dx",), twins.conv_transpose2d_backward_input, to_maps("dy", "dx")),
    ),
)
