"""Checks of array arguments, made in Python before compiled code runs, which checks no bounds.

Each check names the function, what came and what is needed, and changes nothing.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _options as options
from ._arrays import aligned_empty

Array = NDArray[Any]
Shape = tuple[int, ...]

# Bytes that a result may have: what 47 bits address.
MEMORY_LIMIT = 2**47
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
AXES = {1: "(size,)", 2: "(N, features)", 4: "(N, C, H, W)"}
# What `ndarray.flags.num` has for C-contiguous and aligned arrays, and for those that may also be written: to ask for
# one number takes less time than to ask for each.
_IN_ORDER = 0x1 | 0x100
_PLAIN = _IN_ORDER | 0x400


def _numpy_array(function: str, name: str, value: Any) -> None:
    if type(value) is np.ndarray:
        return
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{function}: {name} is a {type(value).__name__}, a NumPy array is needed: np.asarray({name})"
        )


def _floats(function: str, name: str, value: Array) -> None:
    dtype = value.dtype
    if dtype is not SINGLE and dtype is not DOUBLE and dtype != SINGLE and dtype != DOUBLE:
        raise TypeError(
            f"{function}: {name} has dtype {value.dtype}, float32 or float64 is needed: "
            f"{name}.astype(np.float32)"
        )


def float_array(function: str, name: str, value: Any, ndim: int | None = None) -> Array:
    """Check a float32 or float64 array of `ndim` axes (None: any number); return it C-contiguous and aligned.

    Copied only where the memory is not; a read-only array stays read-only.
    """
    if type(value) is np.ndarray and ndim is None and value.flags.num & _IN_ORDER == _IN_ORDER:
        if value.dtype is SINGLE or value.dtype is DOUBLE:
            return value  # none of what follows is wrong
    _numpy_array(function, name, value)
    _floats(function, name, value)
    if ndim is not None:
        rank(function, name, value.shape, ndim)
    array = np.asarray(value, order="C")  # the array itself where nothing has to be done
    return array if array.flags.aligned else array.copy()


def same_dtype(function: str, **arrays: Array | None) -> None:
    """Check that all arrays given (None: left out) have the dtype of the first."""
    first, dtype = "", None
    for name, array in arrays.items():
        if array is None or array.dtype is dtype:
            continue
        if dtype is None:
            first, dtype = name, array.dtype
        elif array.dtype != dtype:
            raise TypeError(
                f"{function}: {first} is {dtype} but {name} is {array.dtype}, one dtype is needed: "
                f"{name}.astype({first}.dtype)"
            )


def out_array(
    function: str,
    out: Any,
    shape: Shape,
    dtype: DTypeLike,
    *,
    inputs: Sequence[Array] = (),
    in_place: bool = False,
) -> Array:
    """Allocate the output, or check the one given: its shape, dtype, memory, and that it overlaps no input.

    With `in_place` an input may be exactly the same memory as `out`, but not a part of it.
    """
    if prod(shape) * np.dtype(dtype).itemsize > MEMORY_LIMIT:
        raise ValueError(f"{function}: the result would have shape {tuple(shape)}, which no memory can hold")
    if out is None:
        return aligned_empty(tuple(shape), dtype)
    _writeable(function, "out", out, shape, np.dtype(dtype))
    for array in inputs:
        if not np.may_share_memory(out, array):
            continue
        if not (in_place and array.ctypes.data == out.ctypes.data and array.strides == out.strides):
            raise ValueError(f"{function}: out overlaps the memory of an input, memory of its own is needed")
    checked: Array = out
    return checked


def _writeable(function: str, name: str, value: Any, shape: Shape, dtype: np.dtype[Any]) -> None:
    if type(value) is np.ndarray and value.dtype is dtype and value.shape == shape and value.flags.carray:
        return  # none of what follows is wrong: "carray" is contiguous, aligned and writeable
    _numpy_array(function, name, value)
    if value.dtype != dtype:
        raise TypeError(f"{function}: {name} has dtype {value.dtype}, {dtype} is needed")
    if value.shape != tuple(shape):
        raise ValueError(f"{function}: {name} has shape {value.shape}, {tuple(shape)} is needed")
    if not (value.flags.c_contiguous and value.flags.aligned):
        raise ValueError(
            f"{function}: {name} is written in place, a C-contiguous and aligned array is needed"
        )
    if not value.flags.writeable:
        raise ValueError(f"{function}: {name} is read-only, a writeable array is needed")


def update_arrays(function: str, grads: Any, **state: Any) -> Array:
    """Check an optimizer's flat arrays; return the gradients, C-contiguous.

    Parameters and state are written in place: they are never copied, and no two of them share memory.
    """
    grads_array = float_array(function, "grads", grads, 1)
    update_memory(function, grads, **state)
    return grads_array


def are_plain(array: Any, others: tuple[Any, ...]) -> bool:
    """Whether all are arrays of no other class, and the first is neither read-only nor strided."""
    for other in others:
        if type(other) is not np.ndarray:
            return False
    return type(array) is np.ndarray and array.flags.num & _PLAIN == _PLAIN


def update_memory(function: str, grads: Any, **state: Any) -> None:
    """Check an optimizer's flat arrays of any one dtype: those written have memory of their own."""
    _numpy_array(function, "grads", grads)
    rank(function, "grads", grads.shape, 1)
    for name, value in state.items():
        _writeable(function, name, value, grads.shape, grads.dtype)
    arrays = [("grads", grads), *state.items()]
    for k, (name, value) in enumerate(arrays):
        for other, written in arrays[k + 1 :]:
            if np.may_share_memory(value, written):
                raise ValueError(f"{function}: {name} and {other} overlap, memory of their own is needed")


def in_place_array(function: str, name: str, value: Any, ndim: int | None = None, **inputs: Array) -> Array:
    """Check a float array that is written in place: never copied, and sharing no memory with the inputs."""
    _numpy_array(function, name, value)
    _floats(function, name, value)
    return in_place_memory(function, name, value, ndim, **inputs)


def in_place_memory(function: str, name: str, value: Any, ndim: int | None = None, **inputs: Array) -> Array:
    """Check an array of any dtype that is written in place, as `in_place_array` does."""
    _numpy_array(function, name, value)
    if ndim is not None:
        rank(function, name, value.shape, ndim)
    _writeable(function, name, value, value.shape, value.dtype)
    for other, array in inputs.items():
        if np.may_share_memory(value, array):
            raise ValueError(f"{function}: {other} and {name} overlap, memory of their own is needed")
    checked: Array = value
    return checked


# ---- shapes: for kernels and twins alike


def rank(function: str, name: str, shape: Shape, ndim: int) -> None:
    """Check the number of axes."""
    if len(shape) != ndim:
        hint = f": {name}.reshape(len({name}), -1)" if ndim == 2 and len(shape) > 2 else ""
        raise ValueError(
            f"{function}: {name} has {len(shape)} axes ({name}.shape = {shape}), {ndim} are needed"
            f"{', ' + AXES[ndim] if ndim in AXES else ''}{hint}"
        )


def batch(function: str, name: str, shape: Shape, ndim: int) -> None:
    """Check for at least `ndim` axes, of which only the first, N, may have size 0."""
    if len(shape) < ndim:
        raise ValueError(f"{function}: {name} has shape {shape}, at least {ndim} axes are needed, N first")
    if 0 in shape[1:]:
        raise ValueError(f"{function}: {name} has shape {shape}, only N may be 0")


def same_shape(function: str, **shapes: Shape) -> None:
    """Check that all shapes equal the first."""
    (first, shape), *others = shapes.items()
    for name, other in others:
        if other != shape:
            raise ValueError(f"{function}: {name} has shape {other}, the shape of {first} is needed, {shape}")


def output_gradient(function: str, dy_shape: Shape, y_shape: Shape) -> None:
    """Check that dy has the shape of the forward output."""
    if dy_shape != y_shape:
        raise ValueError(f"{function}: dy has shape {dy_shape}, the forward output has shape {y_shape}")


def dense_shapes(
    function: str,
    x_shape: Shape,
    w_shape: Shape,
    *,
    b_shape: Shape | None = None,
    dy_shape: Shape | None = None,
) -> None:
    """Check x (N, n_in), w (n_in, n_out), b (n_out,) and dy (N, n_out) against each other."""
    rank(function, "x", x_shape, 2)
    if len(w_shape) != 2 or 0 in w_shape:
        raise ValueError(f"{function}: w has shape {w_shape}, (n_in, n_out) without a 0 is needed")
    if x_shape[1] != w_shape[0]:
        hint = ": w.T" if x_shape[1] == w_shape[1] else ""
        raise ValueError(
            f"{function}: x has {x_shape[1]} features (x.shape = {x_shape}) but w expects {w_shape[0]} "
            f"(w.shape = {w_shape}), (n_in, n_out) is needed{hint}"
        )
    if b_shape is not None and b_shape != w_shape[1:]:
        raise ValueError(f"{function}: b has shape {b_shape}, one value for each output: {w_shape[1:]}")
    if dy_shape is not None:
        output_gradient(function, dy_shape, (x_shape[0], w_shape[1]))


def batch_norm_shapes(function: str, x_shape: Shape, training: bool, **vectors: Shape) -> None:
    """Check x (N, C, ...) and vectors of one value a channel; statistics need two values of each channel."""
    batch(function, "x", x_shape, 2)
    for name, shape in vectors.items():
        if shape != x_shape[1:2]:
            raise ValueError(
                f"{function}: {name} has shape {shape}, one value for each channel of x is needed: {x_shape[1:2]}"
            )
    if training and x_shape[0] * prod(x_shape[2:]) < 2:
        raise ValueError(
            f"{function}: x has shape {x_shape}, training needs more than one value for each channel; "
            f"leave so small a batch out"
        )


def group_norm_shapes(function: str, x_shape: Shape, groups: Any, **arrays: Shape) -> int:
    """Check x (N, C, ...) and its groups; gamma and beta have C values, statistics (N, groups). Return `groups`."""
    batch(function, "x", x_shape, 2)
    count = options.integer(f"{function}: groups", groups, 1)
    if x_shape[1] % count:
        raise ValueError(f"{function}: groups is {count}, a divisor of the {x_shape[1]} channels of x is needed")
    for name, shape in arrays.items():
        needed = x_shape[1:2] if name in ("gamma", "beta") else (x_shape[0], count)
        if shape != needed:
            raise ValueError(f"{function}: {name} has shape {shape}, {needed} is needed")
    return count


def layer_norm_shapes(function: str, x_shape: Shape, gamma_shape: Shape, **arrays: Shape) -> None:
    """Check that gamma has the shape of x's last axes, beta that of gamma, and statistics that of the others."""
    batch(function, "x", x_shape, 2)
    axes = len(gamma_shape)
    if not 0 < axes < len(x_shape) or x_shape[-axes:] != gamma_shape:
        raise ValueError(
            f"{function}: gamma has shape {gamma_shape}, the last axes of x are needed, all but the first at most: "
            f"x.shape = {x_shape}"
        )
    for name, shape in arrays.items():
        needed = gamma_shape if name == "beta" else x_shape[:-axes]
        if shape != needed:
            raise ValueError(f"{function}: {name} has shape {shape}, {needed} is needed")


# ---- integer arrays


def labels(function: str, target: Any, n: int, classes: int) -> NDArray[np.int64]:
    """Check `n` class labels, each in 0..classes-1; return them as contiguous int64."""
    _numpy_array(function, "target", target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{function}: target has dtype {target.dtype}, labels of an integer dtype are needed")
    if target.shape != (n,):
        raise ValueError(f"{function}: target has shape {target.shape}, one label for each sample: ({n},)")
    _in_range(function, "target", target, classes)
    return np.ascontiguousarray(target, np.int64)


def argmax_indices(
    function: str, argmax: Any, dy_shape: Shape, x_shape: Any, *, in_range: bool = True
) -> NDArray[np.int64]:
    """Check max_pool2d's indices, each inside a plane of `x_shape`; return them as contiguous int64.

    Without `in_range` who reads them checks that: no index out of the plane becomes one inside as int64.
    """
    n, c, height, width = options.shape(f"{function}: x_shape", x_shape, 4)
    rank(function, "dy", dy_shape, 4)
    if dy_shape[:2] != (n, c):
        raise ValueError(
            f"{function}: dy has shape {dy_shape}, {n} samples and {c} channels as in x_shape are needed"
        )
    _numpy_array(function, "argmax", argmax)
    if argmax.dtype.kind not in "iu":
        raise TypeError(f"{function}: argmax has dtype {argmax.dtype}, an integer dtype is needed")
    same_shape(function, dy=dy_shape, argmax=argmax.shape)
    if in_range:
        _in_range(function, "argmax", argmax, height * width)
    return np.ascontiguousarray(argmax, np.int64)


def _in_range(function: str, name: str, values: Array, end: int) -> None:
    """Check before any cast, so that a large unsigned value cannot wrap around."""
    if values.size and (values.min() < 0 or values.max() >= end):
        bad = np.argwhere((values < 0) | (values >= end))[0]
        where = ", ".join(map(str, bad))
        raise ValueError(
            f"{function}: {name}[{where}] = {values[tuple(bad)]}, needed are values from 0 to {end - 1}"
        )
