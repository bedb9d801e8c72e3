"""Options as users write them -> the plain numbers that kernels and twins work with.

Pure Python: no arrays, no arithmetic of any kernel. `name` in a message is "function: option".
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, bottom, left, right
Size = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str

PADDING_FORMS = 'an int, (h, w), ((top, bottom), (left, right)), "valid" or "same"'


def integer(name: str, value: Any, minimum: int) -> int:
    """Check one whole number that is at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), an int is needed")
    if value < minimum:
        raise ValueError(f"{name} is {value}, at least {minimum} is needed")
    return int(value)


def number(name: str, value: Any, minimum: float = 0.0, below: float = math.inf) -> float:
    """Check one number with ``minimum <= value < below``; NaN is refused. An int stays an int."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), a number is needed")
    plain = int(value) if isinstance(value, Integral) else float(value)
    if not minimum <= plain < below:
        raise ValueError(f"{name} is {plain}, needed: {minimum} <= {name.split()[-1]} < {below}")
    return plain


def fraction(name: str, value: Any) -> float:
    """Check one number from 0 to 1."""
    plain = float(number(name, value))
    if plain > 1:
        raise ValueError(f"{name} is {plain}, needed: 0 <= {name.split()[-1]} <= 1")
    return plain


def switch(name: str, value: Any) -> bool:
    """Check a True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), True or False is needed")
    return bool(value)


def dropout_rate(function: str, rate: Any) -> tuple[int, float]:
    """Check 0 <= rate <= 1; return the first word of 32 bits that is kept, and the factor of what is kept."""
    value = fraction(f"{function}: rate", rate)
    return round(value * 2**32), 1 / (1 - value) if value < 1 else 0.0


def seed_words(function: str, seed: Any) -> Pair:
    """Check a seed, 0 <= seed < 2**64; return its low and high half, the key of the random numbers."""
    value = _below(f"{function}: seed", seed, 64)
    return value % 2**32, value // 2**32


def stream(function: str, seed: Any, step: Any, op: Any, sample_offset: Any, n: int) -> tuple[int, int, int, int, int]:
    """Check what the random numbers of `n` samples depend on; return (key0, key1, op, step, sample_offset)."""
    key = seed_words(function, seed)
    steps, number = _below(f"{function}: step", step, 40), _below(f"{function}: op", op, 24)
    first = integer(f"{function}: sample_offset", sample_offset, 0)
    if first + n > 2**32:
        raise ValueError(f"{function}: sample_offset is {first} with {n} samples, needed: their sum at most 2**32")
    return *key, number, steps, first


def _below(name: str, value: Any, bits: int) -> int:
    number = integer(name, value, 0)
    if number >= 2**bits:
        raise ValueError(f"{name} is {number}, below 2**{bits} is needed")
    return number


def choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Check one word out of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}, needed is one of {', '.join(map(repr, allowed))}")
    return value


def pair(name: str, value: Any, minimum: int) -> Pair:
    """Make (h, w) of an int or of a pair of ints, each at least `minimum`."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} is {value!r}, an int or (h, w) is needed")
        return integer(name, value[0], minimum), integer(name, value[1], minimum)
    both = integer(name, value, minimum)
    return both, both


def shape(name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """Check a shape given as an argument: `ndim` whole numbers, none below 0."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), a tuple of {ndim} ints is needed")
    if len(value) != ndim:
        raise ValueError(f"{name} is {tuple(value)}, {ndim} sizes are needed")
    return tuple(integer(name, size, 0) for size in value)


def pads(function: str, padding: Any, kernel_size: Pair, stride: Pair) -> Pads:
    """Make (top, bottom, left, right) of every way to write `padding`.

    "same" pads k - 1 in all; where that is odd, the larger part goes to the bottom and right, as in PyTorch.
    """
    name = f"{function}: padding"
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0, 0, 0
        if padding != "same":
            raise ValueError(f"{name} is {padding!r}, needed is {PADDING_FORMS}")
        if stride != (1, 1):
            raise ValueError(
                f'{name} is "same" with stride {stride}: "same" needs stride 1; '
                f"write the padding as numbers, for example padding={tuple(k // 2 for k in kernel_size)}"
            )
        top, left = ((k - 1) // 2 for k in kernel_size)
        return top, kernel_size[0] - 1 - top, left, kernel_size[1] - 1 - left
    if isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ValueError(f"{name} is {padding!r}, needed is {PADDING_FORMS}")
        nested = [isinstance(side, (tuple, list)) for side in padding]
        if all(nested):
            return pair(name, padding[0], 0) + pair(name, padding[1], 0)
        if any(nested):
            raise ValueError(f"{name} is {padding!r}, needed is {PADDING_FORMS}")
    elif isinstance(padding, bool) or not isinstance(padding, Integral):
        raise TypeError(f"{name} is {padding!r} ({type(padding).__name__}), needed is {PADDING_FORMS}")
    height, width = pair(name, padding, 0)
    return height, height, width, width


def conv_output_size(function: str, size: Pair, kernel_size: Pair, stride: Pair, pads: Pads) -> Pair:
    """Return floor((size + padding - kernel) / stride) + 1 for height and width; below 1 is an error."""
    top, bottom, left, right = pads
    padded = size[0] + top + bottom, size[1] + left + right
    if min(size) < 1:
        raise ValueError(f"{function}: the images are {size[0]}x{size[1]}, at least 1x1 is needed")
    if padded[0] < kernel_size[0] or padded[1] < kernel_size[1]:
        raise ValueError(
            f"{function}: a {kernel_size[0]}x{kernel_size[1]} kernel does not fit into images of "
            f"{size[0]}x{size[1]}, {padded[0]}x{padded[1]} with padding"
        )
    return (padded[0] - kernel_size[0]) // stride[0] + 1, (padded[1] - kernel_size[1]) // stride[1] + 1


def pool_output_size(function: str, size: Pair, kernel_size: Pair, stride: Pair, pads: Pads) -> Pair:
    """Do as `conv_output_size`; the padding is at most half a kernel, so that no window is all padding."""
    if max(pads[:2]) > kernel_size[0] // 2 or max(pads[2:]) > kernel_size[1] // 2:
        raise ValueError(
            f"{function}: padding (top, bottom, left, right) = {pads} is more than half the kernel size "
            f"{kernel_size}; at most {kernel_size[0] // 2} high and {kernel_size[1] // 2} wide is needed"
        )
    return conv_output_size(function, size, kernel_size, stride, pads)
