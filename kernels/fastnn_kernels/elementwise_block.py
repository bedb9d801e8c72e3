"""Activations and other functions of one element, on lane blocks and on flat arrays."""

from ._jit import inline, kernel
from .simd import lanes, vgreater, vload, vload_first, vnot_below, vstore, vstore_first, vwhere
from .vmath import vset, vsigmoid, vtanh

# Numbers of the functions: constants of the compiled ops, so that each op holds one branch.
RELU, LEAKY_RELU, SIGMOID, TANH, IDENTITY = range(5)


@inline
def apply(kind, x, slope):
    """``f(x)``; a NaN stays a NaN."""
    if kind == RELU:
        return vwhere(vgreater(vset(x, 0.0), x), vset(x, 0.0), x)
    if kind == LEAKY_RELU:
        return vwhere(vgreater(vset(x, 0.0), x), vset(x, slope) * x, x)
    if kind == SIGMOID:
        return vsigmoid(x)
    if kind == TANH:
        return vtanh(x)
    return x


@inline
def apply_backward(kind, dy, y, slope):
    """``dy * f'(x)``, from the output y."""
    zero = vset(y, 0.0)
    if kind == RELU:
        return vwhere(vnot_below(y, zero), dy, zero)  # where y is NaN, dy goes on
    if kind == LEAKY_RELU:
        return vwhere(vnot_below(y, zero), dy, vset(y, slope) * dy)
    if kind == SIGMOID:
        return dy * (y * (vset(y, 1.0) - y))
    if kind == TANH:
        return dy * (vset(y, 1.0) - y * y)
    return dy


@kernel
def activation_block(kind, x, xo, x_channel, x_row, y, yo, y_channel, y_row, channels, height, width, slope):
    """Apply an activation to `width` vectors of each row."""
    L = lanes(x)
    for c in range(channels):
        for h in range(height):
            a = xo + c * x_channel + h * x_row
            b = yo + c * y_channel + h * y_row
            for w in range(width):
                vstore(y, b + w * L, apply(kind, vload(x, a + w * L), slope))


@kernel
def activation_backward_block(kind, dy, do, d_channel, d_row, y, yo, y_channel, y_row, dx, xo, x_channel, x_row,
                              channels, height, width, slope):
    """Gradient of an activation for `width` vectors of each row."""
    L = lanes(y)
    for c in range(channels):
        for h in range(height):
            a = do + c * d_channel + h * d_row
            b = yo + c * y_channel + h * y_row
            e = xo + c * x_channel + h * x_row
            for w in range(width):
                vstore(dx, e + w * L, apply_backward(kind, vload(dy, a + w * L), vload(y, b + w * L), slope))


@kernel
def activation_flat(kind, x, y, first, last, slope):
    """Apply an activation to elements `first` to `last` of flat arrays."""
    L = lanes(x)
    i = first
    while i + L <= last:
        vstore(y, i, apply(kind, vload(x, i), slope))
        i += L
    if i < last:
        vstore_first(y, i, apply(kind, vload_first(x, i, last - i), slope), last - i)


@kernel
def activation_backward_flat(kind, dy, y, dx, first, last, slope):
    """Gradient of an activation for elements `first` to `last` of flat arrays."""
    L = lanes(y)
    i = first
    while i + L <= last:
        vstore(dx, i, apply_backward(kind, vload(dy, i), vload(y, i), slope))
        i += L
    if i < last:
        n = last - i
        vstore_first(dx, i, apply_backward(kind, vload_first(dy, i, n), vload_first(y, i, n), slope), n)
