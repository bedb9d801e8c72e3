"""Options of augmentation -> plain numbers, for kernels and twins alike, and which random numbers each one draws.

Shapes and options only; each check names the function, what came and what is needed.
"""

import sys
from typing import Any, NamedTuple

from . import _options as options
from ._checks import Shape, batch, rank
from ._options import Pair

# Every augmentation has its own random numbers: the `op` of the generator (`random.py`) is
# FIRST_OP + OPS * (place in this list) + the caller's op. Dropout layers count from 0, up to FIRST_OP - 1.
KINDS = ("flip", "crop", "shift", "rotate", "cutout", "mixup")
FIRST_OP, OPS = 2**options.LAYER_OP_BITS, 2**16
# `random.below` draws from at most so many places.
PLACES = 2**31


class Stream(NamedTuple):
    """What random numbers depend on; `position` is that of the batch's first sample."""

    key0: int
    key1: int
    op: int
    step: int
    position: int


class Window(NamedTuple):
    """A window of `size` pixels that starts `before` pixels outside the image, or up to ``places - 1`` further on."""

    size: Pair
    places: Pair
    before: Pair


def stream(function: str, seed: Any, step: Any, op: Any, sample_offset: Any, n: int) -> Stream:
    """Check what the random numbers of `n` samples depend on."""
    use = options.integer(f"{function}: op", op, 0)
    if use >= OPS:
        raise ValueError(f"{function}: op is {use}, below 2**16 is needed")
    number = FIRST_OP + OPS * KINDS.index(function) + use
    return Stream(*options.stream(function, seed, step, number, sample_offset, n))


def images(function: str, shape: Shape) -> None:
    """Check for (N, C, H, W), of which only N may be 0."""
    rank(function, "x", shape, 4)
    batch(function, "x", shape, 4)
    if max(shape[2:]) > PLACES:
        raise ValueError(f"{function}: the images are {shape[2]}x{shape[3]}, at most 2**31 pixels a side are needed")


def window(function: str, option: str, shape: Shape, padding: Any, size: Any = None) -> Window:
    """Check a window into images padded by `padding`, which `option` is the name of; without a size it is theirs."""
    images(function, shape)
    name = f"{function}: {option}"
    before = options.pair(name, padding, 0)
    if max(before) >= PLACES // 2:
        raise ValueError(f"{name} is {max(before)}, below 2**30 is needed")
    out = (shape[2], shape[3]) if size is None else options.pair(f"{function}: size", size, 1)
    padded = shape[2] + 2 * before[0], shape[3] + 2 * before[1]
    if out[0] > padded[0] or out[1] > padded[1]:
        raise ValueError(
            f"{function}: size is {out}, at most the size of the padded images is needed, {padded} "
            f"(x.shape = {shape}, {option} = {before})"
        )
    places = padded[0] - out[0] + 1, padded[1] - out[1] + 1
    if max(places) > PLACES:
        raise ValueError(f"{function}: a window of {out} has {places} places in x, at most 2**31 are needed")
    return Window(out, places, before)


def angles(function: str, degrees: Any) -> tuple[float, float]:
    """Make (low, high) of an angle or a pair of angles, none beyond a full turn."""
    name = f"{function}: degrees"
    if isinstance(degrees, (tuple, list)):
        if len(degrees) != 2:
            raise ValueError(f"{name} is {degrees!r}, a number or (low, high) is needed")
        low, high = (float(options.number(name, value, -360.0)) for value in degrees)
    else:
        high = float(options.number(name, degrees))
        low = -high
    if low > high or max(-low, high) > 360:
        raise ValueError(f"{name} is {degrees!r}, needed: -360 <= low <= high <= 360")
    return low, high


def fill_value(function: str, fill: Any) -> float:
    """Check the value of pixels that come from outside the image: any finite number."""
    return float(options.number(f"{function}: fill", fill, -sys.float_info.max))


def beta_parameter(function: str, alpha: Any) -> float:
    """Check the parameter of Beta(alpha, alpha)."""
    number = float(options.number(f"{function}: alpha", alpha))
    if number == 0:
        raise ValueError(f"{function}: alpha is {number}, more than 0 is needed")
    return number


def targets(function: str, x_shape: Shape, target_shape: Shape) -> None:
    """Check images and (N, classes) shares of each class, for as many samples."""
    batch(function, "x", x_shape, 2)
    rank(function, "target", target_shape, 2)
    batch(function, "target", target_shape, 2)
    if target_shape[0] != x_shape[0]:
        raise ValueError(f"{function}: target has {target_shape[0]} samples, as many as in x are needed, {x_shape[0]}")
    if x_shape[0] > PLACES:
        raise ValueError(f"{function}: x has {x_shape[0]} samples, at most 2**31 are needed")
