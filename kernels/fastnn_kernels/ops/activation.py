"""Activations on the tape."""

import functools

from .. import elementwise_block as kinds
from ..elementwise_block import activation_backward_flat, activation_flat
from ..reference.twins.activation import twin_pair
from ..registry import Kernel, Op
from ..simd import lanes, whole
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
        m, at, o = whole(t.arena), t.at, t.options
        count = o[2] * lanes(t.arena)
        for c in range(o[0]):
            for h in range(o[1]):
                x, y = at[0] + c * o[3] + h * o[4], at[1] + c * o[5] + h * o[6]
                activation_flat(kind, m, x, m, y, count, t.scalars[0])
        return 0

    return activation_forward


@functools.cache
def make_backward(kind):
    """Gradient of the activation numbered `kind`."""

    def activation_backward(t):
        m, at, o = whole(t.arena), t.at, t.options
        count = o[2] * lanes(t.arena)
        for c in range(o[0]):
            for h in range(o[1]):
                dy, v, dx = at[0] + c * o[3] + h * o[4], at[1] + c * o[5] + h * o[6], at[2] + c * o[7] + h * o[8]
                activation_backward_flat(kind, m, dy, m, v, m, dx, count, t.scalars[0])
        return 0

    return activation_backward


def _activation(name, kind, *, source="y", option=None):
    """Row of an activation.

    `kind` is its number, or ``kind(attrs)`` gives it; the gradient is taken from `source`; `option` is the attribute
    that the function takes.
    """

    def scalars(row):
        return (float(row.attrs[option]) if option else 0.0,)

    def number(row):
        return kind if isinstance(kind, int) else kind(row.attrs)

    def forward(row, places, machine):
        sizes, strides = common_rows(places["x"], places["y"])
        return Call(make_forward(number(row)), sizes + strides, scalars(row))

    def backward(row, places, machine):
        sizes, strides = common_rows(places["dy"], places[source], places["dx"])
        return Call(make_backward(number(row)), sizes + strides, scalars(row))

    attribute = option if isinstance(kind, int) else "approximate"
    twin, twin_backward = twin_pair(name, source, attribute)
    return Op(
        name,
        same_shape,
        Kernel("forward", ("x",), ("y",), twin, (Stage(Axis.BLOCK, ("x",), ("y",), forward),)),
        (Kernel("backward", ("dy", source), ("dx",), twin_backward,
                (Stage(Axis.BLOCK, ("dy", source), ("dx",), backward),)),),
    )


ACTIVATIONS = (
    _activation("step", kinds.STEP),
    _activation("identity", kinds.IDENTITY),
    _activation("sigmoid", kinds.SIGMOID),
    _activation("tanh", kinds.TANH),
    _activation("relu", kinds.RELU),
    _activation("leaky_relu", kinds.LEAKY_RELU, option="negative_slope"),
    _activation("elu", kinds.ELU, option="alpha"),
    _activation("gelu", lambda attrs: kinds.GELUS[attrs["approximate"]], source="x"),
    _activation("silu", kinds.SILU, source="x"),
    _activation("softplus", kinds.SOFTPLUS, source="x"),
)
