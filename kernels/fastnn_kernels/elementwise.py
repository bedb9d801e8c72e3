"""What all activations of one element have in common: their entries, their checks, their form for compiled callers."""

import functools
from math import inf

from . import _checks as check
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel, tell_apart
from ._public import ALONE, check_floats, flat, inside, output
from .elementwise_block import activation_backward_flat, activation_flat
from .team import share_out

# Elements of one parallel task, a multiple of every lane count.
_CHUNK = 16_384


@kernel
def _forward_chunk(c, kind, x, y, option):
    i = c * _CHUNK
    activation_flat(kind, x, i, y, i, min(_CHUNK, x.size - i), option)


@kernel
def _backward_chunk(c, kind, dy, v, dx, option):
    i = c * _CHUNK
    activation_backward_flat(kind, dy, i, v, i, dx, i, min(_CHUNK, v.size - i), option)


@functools.cache
def _forward_entry(kind):
    def activation_entry(team, x, y, option):
        share_out(team, -(-x.size // _CHUNK), _forward_chunk, (kind, x, y, option))

    return entry(activation_entry)


@functools.cache
def _backward_entry(kind):
    def activation_backward_entry(team, dy, v, dx, option):
        share_out(team, -(-v.size // _CHUNK), _backward_chunk, (kind, dy, v, dx, option))

    return entry(activation_backward_entry)


def forward(name: str, kind: int, x: Array, out: Array | None, option: float = 0.0) -> Array:
    """Run the activation called `name`, numbered `kind`, on x."""
    source = check.float_array(name, "x", x)
    y = check.out_array(name, out, source.shape, source.dtype, inputs=(x,), in_place=True)
    workers = _threads.workers_for(-(-source.size // _CHUNK), 8 * source.size)
    _threads.launch(_forward_entry(kind), workers, flat_alias(source), y.reshape(-1), float(option))
    return y


def backward(
    name: str, kind: int, dy: Array, v: Array, out: Array | None, option: float = 0.0, *, v_name: str = "y"
) -> Array:
    """Run its gradient from v, which is the output y, or the input x where `v_name` says so."""
    gradient, value = check.float_array(name, "dy", dy), check.float_array(name, v_name, v)
    check.same_dtype(name, **{"dy": gradient, v_name: value})
    check.same_shape(name, **{"dy": gradient.shape, v_name: value.shape})
    dx = check.out_array(name, out, value.shape, value.dtype, inputs=(dy, v), in_place=True)
    workers = _threads.workers_for(-(-value.size // _CHUNK), 8 * value.size)
    arrays = (flat_alias(gradient), flat_alias(value), dx.reshape(-1))
    _threads.launch(_backward_entry(kind), workers, *arrays, float(option))
    return dx


# For compiled callers: entries are made when one of them is compiled.


@functools.cache
def forward_inside(name, kind, option_name="option"):
    """Return the function (x, out, option) that compiled callers run; the option must be at least 0."""
    compiled = _forward_entry(kind)
    message = f"{name}: {option_name} must be finite and at least 0"

    def call(x, out, option):
        if not 0 <= option < inf:
            raise ValueError(message)
        y = output(out, x.shape, x)
        compiled(ALONE, flat(x), y.reshape(-1), float(option))
        return y

    return kernel(tell_apart(call, name, kind))


@functools.cache
def backward_inside(name, kind, option_name="option"):
    """Return the function (dy, v, out, option) that compiled callers run."""
    compiled = _backward_entry(kind)
    message = f"{name}: {option_name} must be finite and at least 0"
    shapes = f"{name}: dy and the array behind it have different shapes"

    def call(dy, v, out, option):
        if dy.shape != v.shape:
            raise ValueError(shapes)
        if not 0 <= option < inf:
            raise ValueError(message)
        dx = output(out, v.shape, v)
        compiled(ALONE, flat(dy), flat(v), dx.reshape(-1), float(option))
        return dx

    return kernel(tell_apart(call, name, kind))


def bind_forward(function, kind):
    """Bind an activation without options for compiled callers."""
    name = function.__name__

    @inside(function)
    def _(x, out=None):
        check_floats(name, x)
        run = forward_inside(name, kind)
        return lambda x, out=None: run(x, out, 0.0)


def bind_backward(function, kind, v_name="y"):
    """Bind the gradient of an activation without options for compiled callers."""
    name = function.__name__
    if v_name == "y":

        @inside(function)
        def _(dy, y, out=None):
            check_floats(name, dy, y)
            run = backward_inside(name, kind)
            return lambda dy, y, out=None: run(dy, y, out, 0.0)

    else:

        @inside(function)
        def _(dy, x, out=None):
            check_floats(name, dy, x)
            run = backward_inside(name, kind)
            return lambda dy, x, out=None: run(dy, x, out, 0.0)
