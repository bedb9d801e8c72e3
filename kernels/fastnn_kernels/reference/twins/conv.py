"""Convolution on the tape, in terms of the public twins."""

from typing import Any

from ... import reference
from ..._checks import Array
from . import Pads, Shapes


def _sides(padding: Pads) -> tuple[tuple[int, int], tuple[int, int]]:
    """Write (top, bottom, left, right) as the public kernels take it."""
    top, bottom, left, right = padding
    return (top, bottom), (left, right)


def conv2d_forward(x: Array, w: Array, b: Array | None, *, stride: Any, padding: Pads, **attrs: Any) -> Array:
    """Return y (N, C_out, OH, OW)."""
    return reference.conv2d(x, w, b, stride=stride, padding=_sides(padding))


def conv2d_backward_input(
    dy: Array, w: Array, *, shapes: Shapes, stride: Any, padding: Pads, **attrs: Any
) -> Array:
    """Return dx (N, C_in, H, W)."""
    x_shape = (len(dy), *shapes["x_shape"])
    return reference.conv2d_backward_input(dy, w, x_shape, stride=stride, padding=_sides(padding))


def conv2d_backward_weight(
    dy: Array, x: Array, *, shapes: Shapes, stride: Any, padding: Pads, **attrs: Any
) -> tuple[Array, Array]:
    """Return dw (C_out, C_in, KH, KW) and db (C_out,)."""
    dw = reference.conv2d_backward_weight(dy, x, shapes["w_shape"], stride=stride, padding=_sides(padding))
    return dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)
