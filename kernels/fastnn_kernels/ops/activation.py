"""Activations on the tape."""

import functools

from ..elementwise_block import (
    IDENTITY,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    TANH,
    activation_backward_block,
    activation_block,
)
from ..reference.twins import activation as twins
from ..registry import Kernel, Op
from ..stage import NO_HALO, Axis, Call, Stage


def same_shape(shapes, **attrs):
    """Shape of one sample of the output: that of x."""
    return {"y": shapes["x"]}


def common_rows(*places):
    """Return (channels, height, vectors a row) and the strides of each place, one long row where none has a halo."""
    if all(p.halo == NO_HALO for p in places):
        c, h, w = places[0].shape
        return (1, 1, c * h * w), (0, 0) * len(places)
    return places[0].shape, tuple(n for p in places for n in (p.channel, p.row))


@functools.cache
def make_forward(kind):
    """Forward op of the activation numbered `kind`."""

    def activation_forward(t):
        m, at, o = t.arena, t.at, t.options
        activation_block(kind, m, at[0], o[3], o[4], m, at[1], o[5], o[6], o[0], o[1], o[2], t.scalars[0])
        return 0

    return activation_forward


@functools.cache
def make_backward(kind):
    """Gradient of the activation numbered `kind`."""

    def activation_backward(t):
        m, at, o = t.arena, t.at, t.options
        activation_backward_block(kind, m, at[0], o[3], o[4], m, at[1], o[5], o[6], m, at[2], o[7], o[8],
                                  o[0], o[1], o[2], t.scalars[0])
        return 0

    return activation_backward


def _activation(name, kind):
    def forward(row, places, machine):
        sizes, strides = common_rows(places["x"], places["y"])
        return Call(make_forward(kind), sizes + strides, (float(row.attrs.get("negative_slope", 0.0)),))

    def backward(row, places, machine):
        sizes, strides = common_rows(places["dy"], places["y"], places["dx"])
        return Call(make_backward(kind), sizes + strides, (float(row.attrs.get("negative_slope", 0.0)),))

    return Op(
        name,
        same_shape,
        Kernel("forward", ("x",), ("y",), getattr(twins, f"{name}_forward"),
               (Stage(Axis.BLOCK, ("x",), ("y",), forward),)),
        (Kernel("backward", ("dy", "y"), ("dx",), getattr(twins, f"{name}_backward"),
                (Stage(Axis.BLOCK, ("dy", "y"), ("dx",), backward),)),),
    )


RELU_OP = _activation("relu", RELU)
LEAKY_RELU_OP = _activation("leaky_relu", LEAKY_RELU)
SIGMOID_OP = _activation("sigmoid", SIGMOID)
TANH_OP = _activation("tanh", TANH)
IDENTITY_OP = _activation("identity", IDENTITY)
