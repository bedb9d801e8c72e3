"""Dropout, with the random numbers of `random.py`."""

import numpy as np

from .. import _options as options
from .._checks import Array, batch, same_shape
from . import random
from ._result import result


def dropout(
    x: Array, rate: float, *, seed: int, step: int, op: int = 0, sample_offset: int = 0
) -> tuple[Array, Array]:
    """Return x * mask and the mask: 0 with probability `rate`, else 1 / (1 - rate).

    The word of element e of a sample is word e % 4 of the counter (e // 4, position of the sample, step, op).

    Raises
    ------
    TypeError, ValueError
        If `x` has an axis of size 0 behind the first, `rate` is not from 0 to 1, or a number of the stream is out of
        its range.
    """
    batch("dropout", "x", x.shape, 1)
    options.dropout_rate("dropout", rate)
    key0, key1, op, step, first = options.stream(
        "dropout", seed, step, op, sample_offset, len(x), options.LAYER_OP_BITS
    )
    size = int(np.prod(x.shape[1:]))
    position, group = first + np.arange(len(x)), np.arange(-(-size // 4))
    words = random.draw(key0, key1, op, step, position[:, None], group[None, :])
    word = np.stack(words, axis=-1).reshape(len(x), 4 * len(group))[:, :size].reshape(x.shape)
    kept = word >= round(rate * 2**32)
    mask = np.where(kept, 1 / (1 - rate) if rate < 1 else 0, 0).astype(x.dtype)
    with np.errstate(invalid="ignore"):  # inf * 0, which is not taken
        return np.where(kept, x * mask, 0).astype(x.dtype), mask


def dropout_backward(dy: Array, mask: Array, *, out: Array | None = None) -> Array:
    """Return dy * mask; 0 where the mask is 0.

    Raises
    ------
    TypeError, ValueError
        If the shapes of `dy` and `mask` differ, an axis behind the first has size 0, or `out` does not fit.
    """
    batch("dropout_backward", "dy", dy.shape, 1)
    same_shape("dropout_backward", dy=dy.shape, mask=mask.shape)
    with np.errstate(invalid="ignore"):
        dx = np.where(mask == 0, 0, dy * mask).astype(dy.dtype)
    return result("dropout_backward", dx, out, dy, mask, in_place=True)
