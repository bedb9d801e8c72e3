"""Transposed convolution on the tape, in terms of the public twins.

`options` are those that a row may leave out: dilation, groups, output_padding.
"""

from typing import Any

from ... import reference
from ..._checks import Array
from ..._options import sides
from . import Pads, Shapes


def conv_transpose2d_forward(
    x: Array, w: Array, b: Array | None, *, shapes: Shapes, padding: Pads, **options: Any
) -> Array:
    """Return y (N, C_out, OH, OW)."""
    return reference.conv_transpose2d(x, w, b, padding=sides(padding), **options)


def conv_transpose2d_backward_input(
    dy: Array, w: Array, *, shapes: Shapes, padding: Pads, **options: Any
) -> Array:
    """Return dx (N, C_in, H, W)."""
    x_shape = (len(dy), *shapes["x_shape"])
    return reference.conv_transpose2d_backward_input(dy, w, x_shape, padding=sides(padding), **options)


def conv_transpose2d_backward_weight(
    dy: Array, x: Array, *, shapes: Shapes, padding: Pads, **options: Any
) -> Array:
    """Return dw (C_in, C_out / groups, KH, KW)."""
    return reference.conv_transpose2d_backward_weight(
        dy, x, shapes["w_shape"], padding=sides(padding), **options
    )


def conv_transpose2d_backward_bias(dy: Array, **attrs: Any) -> Array:
    """Return db (C_out,)."""
    return dy.sum(axis=(0, 2, 3), dtype=dy.dtype)
