"""Ops that only move data on the tape, in terms of the public twins."""

from typing import Any

import numpy as np

from ..._checks import Array
from . import Shapes


def reshape_forward(x: Array, *, shape: tuple[int, ...], **attrs: Any) -> Array:
    """Return y (N, *shape)."""
    return x.reshape(len(x), *shape)


def reshape_backward(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx, shaped as x was."""
    return dy.reshape(len(dy), *shapes["x_shape"])


def add_forward(x: Array, z: Array, **attrs: Any) -> Array:
    """Return x + z."""
    return x + z


def add_backward(dy: Array, **attrs: Any) -> Array:
    """Return the gradient of each term of a sum: a copy of dy."""
    return dy.copy()


def concat_forward(x: Array, z: Array, **attrs: Any) -> Array:
    """Return x and z (N, channels, ...) one behind the other along the channels."""
    return np.concatenate([x, z], axis=1)


def concat_backward_x(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dx: the first channels of dy."""
    return dy[:, : shapes["x_shape"][0]].copy()


def concat_backward_z(dy: Array, *, shapes: Shapes, **attrs: Any) -> Array:
    """Return dz: the other channels of dy."""
    return dy[:, shapes["x_shape"][0] :].copy()
