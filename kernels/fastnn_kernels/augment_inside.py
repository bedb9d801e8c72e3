"""Augmentation for compiled callers: the entries of `augment.py`, without a team, behind the public names."""

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from ._augmentation import FIRST_OP, KINDS, OPS, PLACES
from ._jit import inner_overload, kernel
from ._public import (
    ALONE,
    check_floats,
    check_stream,
    flat,
    inside,
    is_missing,
    output,
    read_pair,
    read_stream,
    sample_size,
)
from .augment import CUTOUT, FLIP, MIXUP, ROTATE, WINDOW, crop, cutout, flip, mixup, rotate, shift

_FLIP, _CROP, _SHIFT, _ROTATE, _CUTOUT, _MIXUP = (FIRST_OP + OPS * kind for kind in range(len(KINDS)))
# Pixels outside the image are fewer on each side.
_PADDING = PLACES // 2


def _check_types(function, x, *stream):
    """Refuse, while compiling, what is no batch of images, and options of random numbers that are no ints."""
    check_floats(function, x)
    if x.ndim != 4:
        raise TypingError(f"{function}: x has {x.ndim} axes, 4 are needed, (N, C, H, W)")
    check_stream(function, *stream)


@kernel
def _read_images(shape):
    """Return (N, C, H, W) of images, of which only N may be 0."""
    sample_size(shape)
    if shape[2] > PLACES or shape[3] > PLACES:
        raise ValueError("the images have more than 2**31 pixels a side")
    return shape


@kernel
def _number(first_op, op):
    """Return the op of the random numbers of one augmentation."""
    if op < 0 or op >= OPS:
        raise ValueError("op is out of range")
    return first_op + op


@kernel
def _finite(fill):
    """Return a fill value as float64."""
    if not np.isfinite(fill):
        raise ValueError("fill is not finite")
    return np.float64(fill)


def _read_angles(degrees):
    """Return (low, high) of an angle or a pair of angles, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_read_angles)
def _read_angles_inside(degrees):
    if isinstance(degrees, types.Integer | types.Float):
        return lambda degrees: (-float(degrees), float(degrees))
    if isinstance(degrees, types.BaseTuple) and len(degrees) == 2:
        return lambda degrees: (float(degrees[0]), float(degrees[1]))
    return None


def _read_size(size, height, width):
    """Return (h, w) of a size, the image's where it is left out, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_read_size)
def _read_size_inside(size, height, width):
    if is_missing(size):
        return lambda size, height, width: (height, width)
    return lambda size, height, width: read_pair(size)


@kernel
def _window(padded_h, padded_w, oh, ow):
    """Return the places of a window in padded images."""
    if oh < 1 or ow < 1 or oh > padded_h or ow > padded_w:
        raise ValueError("size is below 1 or above that of the padded images")
    if padded_h - oh >= PLACES or padded_w - ow >= PLACES:
        raise ValueError("a window has more than 2**31 places")
    return padded_h - oh + 1, padded_w - ow + 1


@inside(flip)
def _flip_inside(x, seed, step, horizontal=True, vertical=False, probability=0.5, op=0, sample_offset=0, out=None):
    _check_types("flip", x, seed, step, op, sample_offset)

    def call(x, seed, step, horizontal=True, vertical=False, probability=0.5, op=0, sample_offset=0, out=None):
        if not 0.0 <= probability <= 1.0:
            raise ValueError("flip: probability is not from 0 to 1")
        n, c, height, width = _read_images(x.shape)
        key0, key1, number, count, first = read_stream(seed, step, _number(_FLIP, op), sample_offset, n)
        y = output(out, x.shape, x)
        FLIP(ALONE, flat(x), y.reshape(-1), n, c, height, width, key0, key1, number, count, first,
             bool(horizontal), bool(vertical), float(probability))
        return y

    return call


@inside(crop)
def _crop_inside(x, padding, seed, step, size=None, fill=0.0, op=0, sample_offset=0, out=None):
    _check_types("crop", x, seed, step, op, sample_offset)

    def call(x, padding, seed, step, size=None, fill=0.0, op=0, sample_offset=0, out=None):
        n, c, height, width = _read_images(x.shape)
        ph, pw = read_pair(padding)
        if not (0 <= ph < _PADDING and 0 <= pw < _PADDING):
            raise ValueError("crop: padding is below 0 or not below 2**30")
        oh, ow = _read_size(size, height, width)
        places_h, places_w = _window(height + 2 * ph, width + 2 * pw, oh, ow)
        key0, key1, number, count, first = read_stream(seed, step, _number(_CROP, op), sample_offset, n)
        y = output(out, (n, c, oh, ow), x)
        WINDOW(ALONE, flat(x), y.reshape(-1), n, c, height, width, key0, key1, number, count, first, oh, ow,
               places_h, places_w, ph, pw, _finite(fill))
        return y

    return call


@inside(shift)
def _shift_inside(x, max_shift, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
    _check_types("shift", x, seed, step, op, sample_offset)

    def call(x, max_shift, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
        n, c, height, width = _read_images(x.shape)
        mh, mw = read_pair(max_shift)
        if not (0 <= mh < _PADDING and 0 <= mw < _PADDING):
            raise ValueError("shift: max_shift is below 0 or not below 2**30")
        places_h, places_w = _window(height + 2 * mh, width + 2 * mw, height, width)
        key0, key1, number, count, first = read_stream(seed, step, _number(_SHIFT, op), sample_offset, n)
        y = output(out, x.shape, x)
        WINDOW(ALONE, flat(x), y.reshape(-1), n, c, height, width, key0, key1, number, count, first, height,
               width, places_h, places_w, mh, mw, _finite(fill))
        return y

    return call


@inside(rotate)
def _rotate_inside(x, degrees, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
    _check_types("rotate", x, seed, step, op, sample_offset)

    def call(x, degrees, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
        n, c, height, width = _read_images(x.shape)
        low, high = _read_angles(degrees)
        if not -360.0 <= low <= high <= 360.0:
            raise ValueError("rotate: degrees are not -360 <= low <= high <= 360")
        key0, key1, number, count, first = read_stream(seed, step, _number(_ROTATE, op), sample_offset, n)
        y = output(out, x.shape, x)
        ROTATE(ALONE, flat(x), y.reshape(-1), n, c, height, width, key0, key1, number, count, first, low, high,
               _finite(fill))
        return y

    return call


@inside(cutout)
def _cutout_inside(x, size, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
    _check_types("cutout", x, seed, step, op, sample_offset)

    def call(x, size, seed, step, fill=0.0, op=0, sample_offset=0, out=None):
        n, c, height, width = _read_images(x.shape)
        size_h, size_w = read_pair(size)
        if size_h < 1 or size_w < 1:
            raise ValueError("cutout: size is below 1")
        key0, key1, number, count, first = read_stream(seed, step, _number(_CUTOUT, op), sample_offset, n)
        y = output(out, x.shape, x)
        CUTOUT(ALONE, flat(x), y.reshape(-1), n, c, height, width, key0, key1, number, count, first, size_h,
               size_w, _finite(fill))
        return y

    return call


@inside(mixup)
def _mixup_inside(x, target, alpha, seed, step, op=0, sample_offset=0):
    check_floats("mixup", x, target)
    if x.ndim < 2:
        raise TypingError("mixup: x has 1 axis, at least 2 are needed, N first")
    check_stream("mixup", seed, step, op, sample_offset)

    def call(x, target, alpha, seed, step, op=0, sample_offset=0):
        n, classes = target.shape
        size = sample_size(x.shape)
        sample_size(target.shape)
        if x.shape[0] != n or n > PLACES:
            raise ValueError("mixup: x and target have different numbers of samples, or more than 2**31")
        if not 0.0 < alpha < np.inf:
            raise ValueError("mixup: alpha is not a finite number above 0")
        key0, key1, number, count, first = read_stream(seed, step, _number(_MIXUP, op), sample_offset, n)
        y, mixed = np.empty(x.shape, x.dtype), np.empty(target.shape, x.dtype)
        MIXUP(ALONE, flat(x), flat(target), np.empty(n, np.int64), y.reshape(-1), mixed.reshape(-1), n,
              size, classes, key0, key1, number, count, first, float(alpha))
        return y, mixed

    return call
