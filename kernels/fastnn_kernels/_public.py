"""How a public kernel is made usable inside `@njit` code, and how options are read there.

`inside(function)` binds the public Python function, for compiled callers, to an implementation that runs the same
entry without a team: the caller may be one of several threads itself.
Options are keyword-only in Python; in compiled code Numba binds them by position as well. What Python checks by
value is checked here too, but that `out` overlaps no input is the caller's to see to.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from ._checks import MEMORY_LIMIT
from ._jit import inner_overload, kernel, tell_apart
from ._options import SIZE_LIMIT

_LOW, _HALF = np.uint64(2**32 - 1), np.uint64(32)

PUBLIC: dict[str, Callable[..., Any]] = {}
# What entries take for no team. A plain 0 in compiled code is a literal, a type of its own: each entry would be
# compiled once more for it.
ALONE = np.int64(0)
# Numbers and truth values for entries, for the same reason.
NONE, ONE = np.int64(0), np.int64(1)
YES, NO = np.bool_(True), np.bool_(False)


def inside(
    function: Callable[..., Any], *, literal: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Bind a public kernel to the implementation that compiled callers use.

    With `literal` the implementation is given the values of literal arguments, where the type of a result
    depends on them: see `literal_value`.
    """

    def bind(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(implementation)  # with the signature, which Numba reads
        def named(*args, **options):
            found = implementation(*args, **options)
            return None if found is None else tell_apart(found, function.__name__)

        inner_overload(function, strict=False, prefer_literal=literal)(named)
        return implementation

    PUBLIC[function.__name__] = function
    return bind


def is_missing(kind: Any) -> bool:
    """Return whether an option is left out or None; for Numba types."""
    return kind is None or isinstance(kind, (types.NoneType, types.Omitted))


def literal_value(kind):
    """Return the value of an argument that is known while compiling, else None.

    Called in implementations of `inside`, on Numba types.
    """
    if isinstance(kind, types.Omitted):
        return kind.value
    if isinstance(kind, types.Literal):
        return kind.literal_value
    return kind if isinstance(kind, (str, int, float)) else None


def check_floats(function, *arrays, in_place=(), flat=True):
    """Refuse, while compiling, arrays that are not all float32 or all float64.

    Those written in place must be contiguous and writeable, and flat unless told otherwise.

    Called in implementations of `inside`, on Numba types.
    """
    every = (*arrays, *in_place)
    for array in every:
        if not isinstance(array, types.Array) or array.dtype not in (types.float32, types.float64):
            raise TypingError(f"{function}: got {array}, arrays of float32 or float64 are needed")
        if array.dtype != every[0].dtype:
            raise TypingError(f"{function}: arrays of {array.dtype} and {every[0].dtype}, one dtype is needed")
    for array in in_place:
        if (flat and array.ndim != 1) or array.layout != "C" or not array.mutable:
            kind = "flat, " if flat else ""
            raise TypingError(
                f"{function}: {array} is written in place, a {kind}contiguous, writeable array is needed"
            )


def check_ints(function, **given):
    """Refuse, while compiling, options that are no ints.

    Called in implementations of `inside`, on Numba types.
    """
    for name, kind in given.items():
        value = literal_value(kind)
        if isinstance(value, bool) or not isinstance(value if value is not None else kind, (types.Integer, int)):
            raise TypingError(f"{function}: {name} is {kind}, an int is needed")


def check_flags(function, **given):
    """Refuse, while compiling, options that are not True or False.

    Called in implementations of `inside`, on Numba types.
    """
    for name, kind in given.items():
        if not isinstance(kind, (types.Boolean, bool)) and not isinstance(literal_value(kind), bool):
            raise TypingError(f"{function}: {name} is {kind}, True or False is needed")


def check_vector(function, name, kind):
    """Refuse, while compiling, an array of other than one axis.

    Called in implementations of `inside`, on Numba types.
    """
    if not isinstance(kind, types.Array) or kind.ndim != 1:
        raise TypingError(f"{function}: {name} is {kind}, an array of one axis is needed")


def read_pair(value):
    """Return (h, w) of an int or a pair, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(read_pair)
def _read_pair(value):
    if is_int(value):
        return lambda value: (np.int64(value), np.int64(value))
    if isinstance(value, types.BaseTuple) and len(value) == 2 and all(isinstance(v, types.Integer) for v in value):
        return lambda value: (np.int64(value[0]), np.int64(value[1]))
    return None


@kernel
def kernel_span(k, d):
    """Pixels that a kernel of `k` elements, `d` pixels apart, spans along a side, in compiled code."""
    if k < 1 or d < 1:
        raise ValueError("kernel size and dilation must be at least 1")
    if k > SIZE_LIMIT or d > SIZE_LIMIT:
        raise ValueError("kernel size and dilation must be at most 2**31 - 1")
    return d * (k - 1) + 1


def read_pads(padding, kh, kw, sh, sw):
    """Return (top, bottom, left, right) of any form of padding, in compiled code; the kernel spans (kh, kw)."""
    raise NotImplementedError("for compiled code")


@inner_overload(read_pads)
def _read_pads(padding, kh, kw, sh, sw):
    if isinstance(padding, types.Omitted):
        padding = types.literal(padding.value)
    if isinstance(padding, types.Integer):

        def everywhere(padding, kh, kw, sh, sw):
            side = np.int64(padding)
            return (side, side, side, side)

        return everywhere
    if isinstance(padding, types.UnicodeType | types.StringLiteral):

        def named(padding, kh, kw, sh, sw):
            if padding == "valid":
                return (0, 0, 0, 0)
            if padding != "same":
                raise ValueError("padding: a string must be 'valid' or 'same'")
            if sh != 1 or sw != 1:
                raise ValueError("padding: 'same' needs stride 1; give the sides as ((top, bottom), (left, right))")
            return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)

        return named
    if isinstance(padding, types.BaseTuple) and len(padding) == 2:
        if all(isinstance(p, types.Integer) for p in padding):

            def sides(padding, kh, kw, sh, sw):
                high, wide = np.int64(padding[0]), np.int64(padding[1])
                return (high, high, wide, wide)

            return sides
        if all(isinstance(p, types.BaseTuple) and len(p) == 2 for p in padding):

            def each(padding, kh, kw, sh, sw):
                high, wide = padding
                return (np.int64(high[0]), np.int64(high[1]), np.int64(wide[0]), np.int64(wide[1]))

            return each
    return None


@kernel
def window_count(size, before, after, k, s):
    """Count the places of a window that spans `k` along a padded side, in compiled code."""
    if k < 1 or s < 1 or before < 0 or after < 0:
        raise ValueError("kernel size and stride must be at least 1, padding at least 0")
    if s > SIZE_LIMIT or before > SIZE_LIMIT or after > SIZE_LIMIT:
        raise ValueError("stride and padding must be at most 2**31 - 1")
    if size < 1:
        raise ValueError("the images have no pixels")
    if size + before + after < k:
        raise ValueError("the kernel is larger than the padded image")
    return (size + before + after - k) // s + 1


@kernel
def sample_size(shape):
    """Return the elements of a sample; only N may be 0."""
    size = 1
    for k in range(1, len(shape)):
        if shape[k] == 0:
            raise ValueError("x: only N may be 0")
        size *= shape[k]
    return size


@kernel
def read_sizes(shape):
    """Return N, the channels, and the pixels of a map of (N, C, ...), of which only N may be 0."""
    return shape[0], shape[1], sample_size(shape) // shape[1]


def is_int(kind):
    """Return whether an option is an int, given or by default; for Numba types."""
    value = kind.value if isinstance(kind, types.Omitted) else kind
    return isinstance(value, types.Integer | int)


def check_stream(function, seed, step, op, sample_offset):
    """Refuse, while compiling, options of random numbers that are no ints."""
    for option in (seed, step, op, sample_offset):
        if not is_int(option):
            raise TypingError(f"{function}: seed, step, op and sample_offset are ints, not {option}")


@kernel
def read_stream(seed, step, op, sample_offset, n):
    """Return what the random numbers of n samples depend on, (key0, key1, op, step, position), in compiled code."""
    if seed < 0 or step < 0 or step >= 2**40 or op < 0 or op >= 2**24:
        raise ValueError("seed, step or op is out of range")
    if sample_offset < 0 or sample_offset + n > 2**32:
        raise ValueError("sample_offset is out of range")
    key = np.uint64(seed)
    return np.int64(key & _LOW), np.int64(key >> _HALF), np.int64(op), np.int64(step), np.int64(sample_offset)


def read_windows(height, width, kernel_size, stride, padding, dilation):
    """Return (kh, kw, oh, ow, sh, sw, dh, dw, top, left) of convolution's options, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(read_windows)
def _read_windows(height, width, kernel_size, stride, padding, dilation):
    def call(height, width, kernel_size, stride, padding, dilation):
        kh, kw = read_pair(kernel_size)
        sh, sw = read_pair(stride)
        dh, dw = read_pair(dilation)
        high, wide = kernel_span(kh, dh), kernel_span(kw, dw)
        top, bottom, left, right = read_pads(padding, high, wide, sh, sw)
        oh, ow = window_count(height, top, bottom, high, sh), window_count(width, left, right, wide, sw)
        return kh, kw, oh, ow, sh, sw, dh, dw, top, left

    return call


@kernel
def check_batch(shape):
    """Refuse a shape in which another size than the first, N, is 0, in compiled code."""
    for axis in range(1, len(shape)):
        if shape[axis] == 0:
            raise ValueError("only N may be 0")


@kernel
def element_count(a, b, c):
    """Return ``a * b * c``, refused where no memory can hold so many, in compiled code."""
    if float(a) * float(b) * float(c) > MEMORY_LIMIT:
        raise ValueError("the result would have a shape which no memory can hold")
    return a * b * c


def flat(array):
    """Return the elements of an array, flat and C-contiguous: a view where that is possible, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(flat)
def _flat(array):
    return lambda array: np.ascontiguousarray(array).reshape(-1)


def output(out, shape, like):
    """Return `out`, checked for its shape, or a new array, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(output)
def _output(out, shape, like):
    if is_missing(out):
        return lambda out, shape, like: np.empty(shape, like.dtype)
    if not isinstance(out, types.Array) or out.layout != "C" or not out.mutable or out.dtype != like.dtype:
        return None

    def given(out, shape, like):
        if out.shape != shape:
            raise ValueError("out: its shape is not that of the result")
        return out

    return given
