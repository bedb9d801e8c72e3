"""Softmax and its logarithm over the channels of one lane block."""

from ._jit import kernel
from .simd import lanes, vload, vmax, vstore
from .vlog import vlog
from .vmath import vexp, vset


@kernel
def _largest(x, xo, x_channel, channels):
    largest = vload(x, xo)
    for c in range(1, channels):
        largest = vmax(largest, vload(x, xo + c * x_channel))
    return largest


@kernel
def softmax_block(x, xo, x_channel, y, yo, y_channel, channels, pixels):
    """Softmax over the channels, for each pixel and lane."""
    L = lanes(x)
    for p in range(pixels):
        a = xo + p * L
        b = yo + p * L
        largest = _largest(x, a, x_channel, channels)
        total = vset(x, 0.0)
        for c in range(channels):
            e = vexp(vload(x, a + c * x_channel) - largest)
            total = total + e
            vstore(y, b + c * y_channel, e)
        for c in range(channels):
            vstore(y, b + c * y_channel, vload(y, b + c * y_channel) / total)


@kernel
def log_softmax_block(x, xo, x_channel, y, yo, y_channel, channels, pixels):
    """Logarithm of the softmax over the channels, for each pixel and lane."""
    L = lanes(x)
    for p in range(pixels):
        a = xo + p * L
        b = yo + p * L
        largest = _largest(x, a, x_channel, channels)
        total = vset(x, 0.0)
        for c in range(channels):
            shifted = vload(x, a + c * x_channel) - largest
            total = total + vexp(shifted)
            vstore(y, b + c * y_channel, shifted)
        log_total = vlog(total)
        for c in range(channels):
            vstore(y, b + c * y_channel, vload(y, b + c * y_channel) - log_total)


@kernel
def softmax_backward_block(dy, do, d_channel, y, yo, y_channel, dx, xo, x_channel, channels, pixels):
    """``dx = y * (dy - sum over channels of y * dy)``."""
    L = lanes(y)
    for p in range(pixels):
        total = vset(y, 0.0)
        for c in range(channels):
            total = total + vload(y, yo + c * y_channel + p * L) * vload(dy, do + c * d_channel + p * L)
        for c in range(channels):
            g = vload(dy, do + c * d_channel + p * L) - total
            vstore(dx, xo + c * x_channel + p * L, vload(y, yo + c * y_channel + p * L) * g)


@kernel
def log_softmax_backward_block(dy, do, d_channel, y, yo, y_channel, dx, xo, x_channel, channels, pixels):
    """``dx = dy - exp(y) * sum over channels of dy``."""
    L = lanes(y)
    for p in range(pixels):
        total = vset(y, 0.0)
        for c in range(channels):
            total = total + vload(dy, do + c * d_channel + p * L)
        for c in range(channels):
            share = vexp(vload(y, yo + c * y_channel + p * L)) * total
            vstore(dx, xo + c * x_channel + p * L, vload(dy, do + c * d_channel + p * L) - share)
