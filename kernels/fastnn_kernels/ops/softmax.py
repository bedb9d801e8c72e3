"""Softmax over the channels, on the tape."""

from ..reference.twins import softmax as twins
from ..registry import Kernel, Op
from ..softmax_block import softmax_backward_block, softmax_block
from ..stage import Axis, Call, Stage
from .activation import same_shape


def softmax_forward(t):
    """Softmax of one block."""
    m, at, o = t.arena, t.at, t.options
    softmax_block(m, at[0], o[0], m, at[1], o[1], o[2], o[3])
    return 0


def softmax_backward(t):
    """Gradient of the softmax of one block."""
    m, at, o = t.arena, t.at, t.options
    softmax_backward_block(m, at[0], o[0], m, at[1], o[1], m, at[2], o[2], o[3], o[4])
    return 0


def _pixels(*places):
    """Return the channel stride of each place, the channels and the pixels; softmax sees maps without halos."""
    c, h, w = places[0].shape
    return (*(h * w * p.lanes for p in places), c, h * w)


SOFTMAX = Op(
    "softmax",
    same_shape,
    Kernel("forward", ("x",), ("y",), twins.softmax_forward, (
        Stage(Axis.BLOCK, ("x",), ("y",),
              lambda row, places, machine: Call(softmax_forward, _pixels(places["x"], places["y"])), plain=True),
    )),
    (Kernel("backward", ("dy", "y"), ("dx",), twins.softmax_backward, (
        Stage(Axis.BLOCK, ("dy", "y"), ("dx",),
              lambda row, places, machine: Call(
                  softmax_backward, _pixels(places["dy"], places["y"], places["dx"])), plain=True),
    )),),
)
