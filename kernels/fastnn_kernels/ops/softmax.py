"""Softmax and its logarithm over the channels, on the tape."""

from ..reference.twins.activation import twin_pair
from ..registry import Kernel, Op
from ..softmax_block import log_softmax_backward_block, log_softmax_block, softmax_backward_block, softmax_block
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


def log_softmax_forward(t):
    """Logarithm of the softmax of one block."""
    m, at, o = t.arena, t.at, t.options
    log_softmax_block(m, at[0], o[0], m, at[1], o[1], o[2], o[3])
    return 0


def log_softmax_backward(t):
    """Gradient of the logarithm of the softmax of one block."""
    m, at, o = t.arena, t.at, t.options
    log_softmax_backward_block(m, at[0], o[0], m, at[1], o[1], m, at[2], o[2], o[3], o[4])
    return 0


def _pixels(*places):
    """Return the channel stride of each place, the channels and the pixels; softmax sees maps without halos."""
    c, h, w = places[0].shape
    return (*(h * w * p.lanes for p in places), c, h * w)


def _softmax(name, forward, backward):
    twin, twin_backward = twin_pair(name)
    return Op(
        name,
        same_shape,
        Kernel("forward", ("x",), ("y",), twin, (
            Stage(Axis.BLOCK, ("x",), ("y",),
                  lambda row, places, machine: Call(forward, _pixels(places["x"], places["y"])), plain=True),
        )),
        (Kernel("backward", ("dy", "y"), ("dx",), twin_backward, (
            Stage(Axis.BLOCK, ("dy", "y"), ("dx",),
                  lambda row, places, machine: Call(
                      backward, _pixels(places["dy"], places["y"], places["dx"])), plain=True),
        )),),
    )


SOFTMAX = _softmax("softmax", softmax_forward, softmax_backward)
LOG_SOFTMAX = _softmax("log_softmax", log_softmax_forward, log_softmax_backward)
