"""Group and layer normalisation on the tape: each sample by itself."""

from math import prod

from .. import _options as options
from ..group_norm_block import group_norm_backward_block, group_norm_block
from ..reference.twins import group_norm as twins
from ..registry import Kernel, Op
from ..stage import Axis, Call, Stage


def group_norm_forward(t):
    """Normalise one block."""
    m, at, o = t.arena, t.at, t.options
    group_norm_block(m, at[0], o[0], o[1], o[2], o[3], t.params, at[1], t.params, at[2], t.scalars[0], m, at[3],
                     m, at[4])
    return 0


def group_norm_backward(t):
    """Gradients of one block."""
    m, at, o = t.arena, t.at, t.options
    group_norm_backward_block(m, at[0], m, at[1], o[0], o[1], o[2], o[3], t.params, at[2], m, at[3], m, at[4],
                              o[4] != 0, m, at[5], o[5] != 0, m, at[6], o[6] != 0)
    return 0


def _group_sizes(row):
    """Return groups, channels of a group, pixels, and the step from a group's scale to that of the next."""
    x, groups = row.values["x"].shape, row.attrs["groups"]
    return groups, x[0] // groups, prod(x[1:]), x[0] // groups


def _layer_sizes(row):
    """Return rows of a sample, values of a row, one pixel, and step 0: all rows share scale and shift."""
    size = prod(row.params["gamma"].shape)
    return prod(row.values["x"].shape) // size, size, 1, 0


def _check_operands(op, shapes, eps):
    """Refuse a row without scale or shift, and an eps that is no number or below 0."""
    options.number(f"{op}: eps", eps)
    for name in ("gamma", "beta"):
        if name not in shapes:
            raise ValueError(f"{op}: {name} is missing, a parameter is needed")


def _group_shape(shapes, *, groups, eps):
    channels = shapes["x"][0]
    _check_operands("group_norm", shapes, eps)
    groups = options.integer("group_norm: groups", groups, 1)
    if channels % groups:
        raise ValueError(f"group_norm: groups is {groups}, a divisor of the {channels} channels of x is needed")
    for name in ("gamma", "beta"):
        if shapes[name] != (channels,):
            raise ValueError(f"group_norm: {name} has shape {shapes[name]}, one value for each channel of x is needed: "
                             f"{(channels,)}")
    return {"y": shapes["x"], "stats": (2 * groups,)}


def _layer_shape(shapes, *, eps):
    _check_operands("layer_norm", shapes, eps)
    x, own = shapes["x"], shapes["gamma"]
    if not own or x[-len(own):] != own or shapes["beta"] != own:
        raise ValueError(f"layer_norm: gamma has shape {own} and beta {shapes['beta']}, the last axes of a sample are "
                         f"needed: {x}")
    return {"y": x, "stats": (2 * (prod(x) // prod(own)),)}


def _norm(name, shape, sizes, forward_twin, backward_twin):
    def forward(row, places, machine):
        return Call(group_norm_forward, sizes(row), (float(row.attrs["eps"]),))

    def backward(row, places, machine):
        wanted = (int("dx" in row.values), int("dgamma" in row.grads), int("dbeta" in row.grads))
        return Call(group_norm_backward, (*sizes(row), *wanted))

    return Op(
        name,
        shape,
        Kernel("forward", ("x", "gamma", "beta"), ("y", "stats"), forward_twin,
               (Stage(Axis.BLOCK, ("x", "gamma", "beta"), ("y", "stats"), forward, plain=True),)),
        (Kernel("backward", ("dy", "x", "gamma", "stats"), ("dx", "dgamma", "dbeta"), backward_twin,
                (Stage(Axis.BLOCK, ("dy", "x", "gamma", "stats"), ("dx", "dgamma", "dbeta"), backward, plain=True),)),),
    )


GROUP_NORM = _norm("group_norm", _group_shape, _group_sizes, twins.group_norm_forward, twins.group_norm_backward)
LAYER_NORM = _norm("layer_norm", _layer_shape, _layer_sizes, twins.layer_norm_forward, twins.layer_norm_backward)
