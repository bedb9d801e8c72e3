"""conv2d on the tape."""

from .._options import sides
from .._windows import conv2d_windows
from ..reference.twins import conv as twins
from ..registry import Kernel, Op
from .conv_stages import read_options, to_images, to_maps, weight_gradient


def shape(shapes, **attrs):
    """Shape of one sample of the output."""
    options = read_options(attrs)
    windows = conv2d_windows("conv2d", (1, *shapes["x"]), shapes["w"], options.stride, sides(options.padding),
                             options.dilation, options.groups, b_shape=shapes.get("b"))
    return {"y": (shapes["w"][0], *windows.out)}


CONV2D = Op(
    "conv2d",
    shape,
    Kernel("forward", ("x", "w", "b"), ("y",), twins.conv2d_forward, to_maps("x", "y", "b")),
    (
        Kernel("backward_weight", ("dy", "x"), ("dw", "db"), twins.conv2d_backward_weight,
               weight_gradient("dy", "x", "dw", "db")),
        Kernel("backward_input", ("dy", "w"), ("dx",), twins.conv2d_backward_input, to_images("dy", "dx")),
    ),
)
