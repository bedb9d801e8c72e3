"""Options as users write them -> the plain numbers that kernels and twins work with.

Pure Python: no arrays, no arithmetic of any kernel. `name` in a message is "function: option". Values of Python's own
types that fit are returned first: to ask whether a number is `Integral` or `Real` takes 0.26 us, a tenth of what a
small update takes as a whole.
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

# Sizes and steps of windows are kept below this, so that no product of two of them overflows in compiled code.
SIZE_LIMIT = 2**31 - 1
# The `op` of a layer's random numbers is below 2**23; augmentations take those from there on.
LAYER_OP_BITS = 23
# How convolutions and pools are computed.
ALGORITHMS = ("direct", "im2col")
CONV_ALGORITHMS = ("auto", *ALGORITHMS)
PADDING_FORMS = 'an int, (h, w), ((top, bottom), (left, right)), "valid" or "same"'


def integer(name: str, value: Any, minimum: int) -> int:
    """Check one whole number that is at least `minimum`."""
    if type(value) is int and value >= minimum:
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), an int is needed")
    if value < minimum:
        raise ValueError(f"{name} is {value}, at least {minimum} is needed")
    return int(value)


def size(name: str, value: Any, minimum: int) -> int:
    """Check one size or step of a window: a whole number from `minimum` to `SIZE_LIMIT`."""
    checked = integer(name, value, minimum)
    if checked > SIZE_LIMIT:
        raise ValueError(f"{name} is {checked}, at most {SIZE_LIMIT} is needed")
    return checked


def number(name: str, value: Any, minimum: float = 0.0, below: float = math.inf) -> float:
    """Check one number with ``minimum <= value < below``; NaN is refused. An int stays an int."""
    if type(value) is float and minimum <= value < below:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), a number is needed")
    try:
        converted = float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float, needed: {name.split()[-1]} < {below}") from None
    plain = int(value) if isinstance(value, Integral) else converted
    if not minimum <= plain < below:
        raise ValueError(f"{name} is {plain}, needed: {minimum} <= {name.split()[-1]} < {below}")
    return plain


def fraction(name: str, value: Any) -> float:
    """Check one number from 0 to 1."""
    plain = float(number(name, value))
    if plain > 1:
        raise ValueError(f"{name} is {plain}, needed: 0 <= {name.split()[-1]} <= 1")
    return plain


def flag(name: str, value: Any) -> bool:
    """Check True or False."""
    if value is True or value is False:
        return value is True
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


def stream(
    function: str, seed: Any, step: Any, op: Any, sample_offset: Any, n: int, op_bits: int = 24
) -> tuple[int, int, int, int, int]:
    """Check what the random numbers of `n` samples depend on; return (key0, key1, op, step, sample_offset)."""
    key = seed_words(function, seed)
    steps, number = _below(f"{function}: step", step, 40), _below(f"{function}: op", op, op_bits)
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
        return size(name, value[0], minimum), size(name, value[1], minimum)
    both = size(name, value, minimum)
    return both, both


def shape(name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """Check a shape given as an argument: `ndim` whole numbers, none below 0."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}), a tuple of {ndim} ints is needed")
    if len(value) != ndim:
        raise ValueError(f"{name} is {tuple(value)}, {ndim} sizes are needed")
    return tuple(size(name, item, 0) for item in value)


def extent(kernel_size: Pair, dilation: Pair) -> Pair:
    """Return the pixels that a kernel spans in each direction: ``dilation * (kernel_size - 1) + 1``."""
    return dilation[0] * (kernel_size[0] - 1) + 1, dilation[1] * (kernel_size[1] - 1) + 1


def pads(function: str, padding: Any, span: Pair, stride: Pair) -> Pads:
    """Make (top, bottom, left, right) of every way to write `padding`, for kernels that span `span` pixels.

    "same" pads span - 1 in all; where that is odd, the larger part goes to the bottom and right, as in PyTorch.
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
                f"write the padding as numbers, for example padding={tuple(k // 2 for k in span)}"
            )
        top, left = ((k - 1) // 2 for k in span)
        return top, span[0] - 1 - top, left, span[1] - 1 - left
    if isinstance(padding, (tuple, list)):
        if len(padding) != 2:
            raise ValueError(f"{name} is {padding!r}, needed is {PADDING_FORMS}")
        nested = [isinstance(side, (tuple, list)) for side in padding]
        if all(nested):
            return pair(name, padding[0], 0) + pair(name, padding[1], 0)
        if any(nested):
            raise ValueError(f"{name} is {padding!r}, needed is {PADDING_FORMS}")
    elif type(padding) is not int and (isinstance(padding, bool) or not isinstance(padding, Integral)):
        raise TypeError(f"{name} is {padding!r} ({type(padding).__name__}), needed is {PADDING_FORMS}")
    height, width = pair(name, padding, 0)
    return height, height, width, width


def sides(padding: Pads) -> tuple[Pair, Pair]:
    """Write (top, bottom, left, right) as ((top, bottom), (left, right)), a form of padding that users write."""
    top, bottom, left, right = padding
    return (top, bottom), (left, right)
