"""Softmax over the channels of one lane block."""

from ._jit import kernel
from .simd import lanes, vload, vmax, vstore
from .vmath import vexp, vset


@kernel
def softmax_block(x, xo, x_channel, y, yo, y_channel, channels, pixels):
    """Softmax over the channels, for each pixel and lane."""
    L = lanes(x)
    for p in range(pixels):
        a = xo + p * L
        b = yo + p * L
        largest = vload(x, a)
        for c in range(1, channels):
            largest = vmax(largest, vload(x, a + c * x_channel))
        total = vset(x, 0.0)
        for c in range(channels):
            e = vexp(vload(x, a + c * x_channel) - largest)
            total = total + e
            vstore(y, b + c * y_channel, e)
        for c in range(channels):
            vstore(y, b + c * y_channel, vload(y, b + c * y_channel) / total)


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
