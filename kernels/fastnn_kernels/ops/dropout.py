"""Dropout on the tape: random numbers by (seed, row, step, position in the batch, element); nothing at inference."""

from math import prod

from .. import _options as options
from ..dropout_block import mask_block, scale_block
from ..random import counter
from ..reference.twins import dropout as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Stage
from ..task import FIRST, START


def dropout_forward(t):
    """Draw the mask of one block, and apply it."""
    m, at, o = t.arena, t.at, t.options
    c2, c3 = counter(o[2], int(t.hyper[1]))
    mask_block(m, at[2], o[6] * o[7] * o[8], o[0], o[1], t.info[FIRST] - t.info[START], c2, c3, o[3], t.scalars[0])
    scale_block(m, at[0], o[4], o[5], m, at[2], m, at[1], o[9], o[10], o[6], o[7], o[8])
    return 0


def dropout_backward(t):
    """Apply the mask to the gradient of one block."""
    m, at, o = t.arena, t.at, t.options
    scale_block(m, at[0], o[0], o[1], m, at[1], m, at[2], o[2], o[3], o[4], o[5], o[6])
    return 0


def shape(shapes, *, rate, seed, **attrs):
    """Shape of one sample of the output and of the mask."""
    options.dropout_rate("dropout", rate)
    options.seed_words("dropout", seed)
    return {"y": shapes["x"], "mask": (prod(shapes["x"]),)}


def _forward(row, places, machine):
    x, y = places["x"], places["y"]
    threshold, scale = options.dropout_rate("dropout", row.attrs["rate"])
    key = options.seed_words("dropout", row.attrs["seed"])
    return Call(dropout_forward, (*key, row.attrs["number"], threshold, x.channel, x.row, *x.shape, y.channel, y.row),
                (scale,))


def _backward(row, places, machine):
    dy, dx = places["dy"], places["dx"]
    return Call(dropout_backward, (dy.channel, dy.row, dx.channel, dx.row, *dy.shape))


DROPOUT = Op(
    "dropout",
    shape,
    Kernel("forward", ("x",), ("y", "mask"), twins.dropout_forward,
           (Stage(Axis.BLOCK, ("x",), ("y", "mask"), _forward),)),
    (Kernel("backward", ("dy", "mask"), ("dx",), twins.dropout_backward,
            (Stage(Axis.BLOCK, ("dy", "mask"), ("dx",), _backward),)),),
    inference=Kernel("inference", ("x",), ("y",), twins.dropout_inference, (), alias=True),
    random=True,
)
