"""Activations of one element: the functions by number, and the kernels that apply them to rows of elements.

A kernel is compiled for one function alone: the number is a constant where the kernel is called, as of a closure.
"""

from numba.core import types

from ._jit import inline, inner_overload
from .simd import lanes, vgreater, vload, vload_first, vnot_below, vstore, vstore_first, vwhere
from .vgate import vgelu, vgelu_slope, vgelu_tanh, vgelu_tanh_slope, vsilu, vsilu_slope
from .vlog import vsoftplus
from .vmath import vexpm1, vset, vsigmoid, vtanh

STEP, IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, GELU_TANH, SILU, SOFTPLUS = range(11)
# Both forms of gelu, by the option `approximate`.
GELUS = {"none": GELU, "tanh": GELU_TANH}


@inline
def _step(x, option):
    zero = vset(x, 0.0)
    return vwhere(vgreater(x, zero), vset(x, 1.0), vwhere(vnot_below(x, zero), x, zero))


@inline
def vrelu(x):
    """Take the relu of a vector; a NaN stays a NaN."""
    return vwhere(vgreater(vset(x, 0.0), x), vset(x, 0.0), x)


@inline
def vrelu_backward(dy, y):
    """Take dy back through the relu that gave y; where y is NaN, dy goes on."""
    zero = vset(y, 0.0)
    return vwhere(vnot_below(y, zero), dy, zero)


@inline
def _relu(x, option):
    return vrelu(x)


@inline
def _relu_backward(dy, y, option):
    return vrelu_backward(dy, y)


@inline
def _leaky_relu(x, negative_slope):
    return vwhere(vgreater(x, vset(x, 0.0)), x, vset(x, negative_slope) * x)


@inline
def _leaky_relu_backward(dy, y, negative_slope):
    return vwhere(vgreater(y, vset(y, 0.0)), dy, vset(y, negative_slope) * dy)


@inline
def _elu(x, alpha):
    return vwhere(vgreater(x, vset(x, 0.0)), x, vset(x, alpha) * vexpm1(x))


@inline
def _elu_backward(dy, y, alpha):
    return vwhere(vgreater(y, vset(y, 0.0)), dy, dy * (y + vset(y, alpha)))


# y = f(x, option); a NaN stays a NaN.
_FORWARD = {
    STEP: _step,
    IDENTITY: inline(lambda x, option: x),
    SIGMOID: inline(lambda x, option: vsigmoid(x)),
    TANH: inline(lambda x, option: vtanh(x)),
    RELU: _relu,
    LEAKY_RELU: _leaky_relu,
    ELU: _elu,
    GELU: inline(lambda x, option: vgelu(x)),
    GELU_TANH: inline(lambda x, option: vgelu_tanh(x)),
    SILU: inline(lambda x, option: vsilu(x)),
    SOFTPLUS: inline(lambda x, option: vsoftplus(x)),
}
# dx = f(dy, y, option), for gelu, silu and softplus f(dy, x, option).
_BACKWARD = {
    STEP: inline(lambda dy, y, option: vset(y, 0.0)),
    IDENTITY: inline(lambda dy, y, option: dy),
    SIGMOID: inline(lambda dy, y, option: dy * (y * (vset(y, 1.0) - y))),
    TANH: inline(lambda dy, y, option: dy * ((vset(y, 1.0) - y) * (vset(y, 1.0) + y))),
    RELU: _relu_backward,
    LEAKY_RELU: _leaky_relu_backward,
    ELU: _elu_backward,
    GELU: inline(lambda dy, x, option: dy * vgelu_slope(x)),
    GELU_TANH: inline(lambda dy, x, option: dy * vgelu_tanh_slope(x)),
    SILU: inline(lambda dy, x, option: dy * vsilu_slope(x)),
    SOFTPLUS: inline(lambda dy, x, option: dy * vsigmoid(x)),
}


def activation_flat(kind, x, xo, y, yo, count, option):
    """Apply the activation numbered `kind`, a constant, to `count` elements."""
    raise NotImplementedError("for compiled code")


@inner_overload(activation_flat, prefer_literal=True)
def _activation_flat(kind, x, xo, y, yo, count, option):
    if not isinstance(kind, types.IntegerLiteral):
        return None
    function = _FORWARD[kind.literal_value]

    def call(kind, x, xo, y, yo, count, option):
        L = lanes(x)
        i = 0
        while i + L <= count:
            vstore(y, yo + i, function(vload(x, xo + i), option))
            i += L
        if i < count:
            vstore_first(y, yo + i, function(vload_first(x, xo + i, count - i), option), count - i)

    return call


def activation_backward_flat(kind, dy, do, v, vo, dx, xo, count, option):
    """Gradient of the activation numbered `kind`, a constant, for `count` elements; v is its output or its input."""
    raise NotImplementedError("for compiled code")


@inner_overload(activation_backward_flat, prefer_literal=True)
def _activation_backward_flat(kind, dy, do, v, vo, dx, xo, count, option):
    if not isinstance(kind, types.IntegerLiteral):
        return None
    function = _BACKWARD[kind.literal_value]

    def call(kind, dy, do, v, vo, dx, xo, count, option):
        L = lanes(v)
        i = 0
        while i + L <= count:
            vstore(dx, xo + i, function(vload(dy, do + i), vload(v, vo + i), option))
            i += L
        if i < count:
            n = count - i
            vstore_first(dx, xo + i, function(vload_first(dy, do + i, n), vload_first(v, vo + i, n), option), n)

    return call
