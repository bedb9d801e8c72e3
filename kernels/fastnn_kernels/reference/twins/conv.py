"""Convolution on the tape, in terms of the public twins.

`options` are those that a row may leave out: dilation, groups.
"""

from typing import Any

from ... import reference
from ..._checks import Array
from ..._options import sides
from . import Pads, Shapes


def conv2d_forward(
    x: Array, w: Array, b: Array | None, *, shapes: Shapes, padding: Pads, **options: Any
) -> Array:
    """Return y (N, C_out, OH, OW)."""
    return reference.conv2d(x, w, b, padding=sides(padding), **options)


def conv2d_backward_input(dy: Array, w: Array, *, shapes: Shapes, padding: Pads, **options: Any) -> Array:
    """Return dx (N, C_in, H, W)."""
    x_shape = (len(dy), *shapes["x_shape"])
    return reference.conv2d_backward_input(dy, w, x_shape, padding=sides(padding), **options)


def conv2d_backward_weight(
    dy: Array, x: Array, *, shapes: Shapes, padding: Pads, **options: Any
) -> tuple[Array, Array]:
    """Return dw (C_out, C_in / groups, KH, KW) and db (C_out,)."""
    dw = reference.conv2d_backward_weight(dy, x, shapes["w_shape"], padding=sides(padding), **options)
    return dw, dy.sum(axis=(0, 2, 3), dtype=dy.dtype)
