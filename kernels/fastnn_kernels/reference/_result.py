"""What all twins do at their end."""

import numpy as np

from .._checks import Array, out_array


def result(function: str, value: Array, out: Array | None, *inputs: Array, in_place: bool = False) -> Array:
    """Return `value`, or copy it into `out` where that was given."""
    if out is None:
        return np.asarray(value)
    out_array(function, out, value.shape, value.dtype, inputs=inputs, in_place=in_place)
    out[...] = value
    return out
