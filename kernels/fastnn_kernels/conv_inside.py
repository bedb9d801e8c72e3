"""Convolution and transposed convolution for compiled callers: the entries, without a team, behind the public names."""

import numpy as np

from . import conv_deep, conv_deep_weight
from ._jit import inner_overload, kernel
from ._options import SIZE_LIMIT
from ._public import (
    ALONE,
    NO,
    ONE,
    YES,
    check_floats,
    check_ints,
    check_vector,
    flat,
    inside,
    is_missing,
    kernel_span,
    output,
    read_pads,
    read_pair,
    read_windows,
)
from .conv import conv2d, conv2d_backward, conv2d_backward_input, conv2d_backward_weight
from .conv_flat import CHANNEL_SUMS, PLAN_SUMS, PLAN_WEIGHT, SUMS, WEIGHT
from .conv_plan import Conv
from .conv_transpose import (
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose2d_backward_input,
    conv_transpose2d_backward_weight,
)
from .simd import lanes


@kernel
def _numbers(x_shape, w_shape, windows, groups):
    """Check a convolution's shapes against each other, and return the fields of `conv_plan.Conv`."""
    n, c, height, width = x_shape
    k, channels, kh, kw = w_shape
    if groups < 1 or c % groups != 0 or k % groups != 0:
        raise ValueError("groups must be at least 1 and divide the channels of x and the filters of w")
    if c // groups != channels:
        raise ValueError("x and w have different numbers of channels")
    if k < 1 or c < 1:
        raise ValueError("w has no filters or no channels")
    _, _, oh, ow, sh, sw, dh, dw, top, left = windows
    return (np.int64(n), np.int64(c), np.int64(k), np.int64(groups), np.int64(height), np.int64(width), np.int64(kh),
            np.int64(kw), np.int64(oh), np.int64(ow), np.int64(sh), np.int64(sw), np.int64(dh), np.int64(dw),
            np.int64(top), np.int64(left))


@kernel
def _scratch(size, like):
    """Return scratch that starts where a vector lies in one cache line."""
    memory = np.empty(size + lanes(like), like.dtype)
    first = -(memory.ctypes.data // memory.itemsize) % lanes(like)
    return memory[first : first + size]


@kernel
def _run_sums(numbers, x, w, b, has_bias, y, backward, columns):
    """Run `conv.launch_sums` on flat arrays, on one thread."""
    if y.size == 0:
        return
    if not columns and conv_deep.beats_flat(Conv(*numbers), lanes(w), backward):
        _, packed, size, table, pixels = conv_deep.PLAN(w, numbers, backward)
        m = _scratch(packed + size, w)
        conv_deep.SUMS(ALONE, ONE, x, y, w, b, has_bias, m, packed, size, table, pixels, numbers, backward)
        return
    size, chosen = PLAN_SUMS(w, ONE, numbers, backward, columns)
    SUMS(ALONE, x, y, w, b, has_bias, size, chosen, numbers, backward)


@kernel
def _run_weight(numbers, dy, x, dw, db):
    """Run `conv.launch_weight` on flat arrays, on one thread."""
    if x.size == 0:
        dw[:] = 0
        db[:] = 0
        return
    if conv_deep_weight.beats_flat(Conv(*numbers), lanes(x)):
        size, total, count = conv_deep_weight.SIZE(x, numbers)
        parts = np.zeros(count * total, x.dtype)
        conv_deep_weight.WEIGHT(ALONE, ONE, dy, x, dw, db, _scratch(size, x), parts, count, numbers)
        return
    scratch, chosen = PLAN_WEIGHT(x, numbers)
    WEIGHT(ALONE, dy, x, dw, db, scratch, chosen, numbers)


def _with_bias(numbers, x, w, b, y, backward, columns, filters):
    """Run the sums with or without a bias, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_with_bias)
def _with_bias_compiled(numbers, x, w, b, y, backward, columns, filters):
    if is_missing(b):

        def call(numbers, x, w, b, y, backward, columns, filters):
            _run_sums(numbers, x, w, w, NO, y, backward, columns)

        return call

    def call_with_bias(numbers, x, w, b, y, backward, columns, filters):
        if b.size != filters:
            raise ValueError("b does not have one value for each output channel")
        _run_sums(numbers, x, w, flat(b), YES, y, backward, columns)

    return call_with_bias


def _check_bias(function, x, b):
    """Refuse, while compiling, a bias that does not fit."""
    if not is_missing(b):
        check_floats(function, x, b)
        check_vector(function, "b", b)


@inside(conv2d)
def _conv2d_inside(x, w, b=None, stride=1, padding=0, dilation=1, groups=1, algorithm="auto", out=None):
    check_floats("conv2d", x, w)
    _check_bias("conv2d", x, b)
    check_ints("conv2d", groups=groups)

    def call(x, w, b=None, stride=1, padding=0, dilation=1, groups=1, algorithm="auto", out=None):
        if algorithm != "auto" and algorithm != "direct" and algorithm != "im2col":
            raise ValueError("conv2d: algorithm must be 'auto', 'direct' or 'im2col'")
        windows = read_windows(x.shape[2], x.shape[3], w.shape[2:], stride, padding, dilation)
        numbers = _numbers(x.shape, w.shape, windows, np.int64(groups))
        y = output(out, (x.shape[0], w.shape[0], numbers[8], numbers[9]), x)
        _with_bias(numbers, flat(x), flat(w), b, y.reshape(-1), NO, algorithm == "im2col", w.shape[0])
        return y

    return call


@inside(conv2d_backward_input)
def _conv2d_backward_input_inside(dy, w, x_shape, stride=1, padding=0, dilation=1, groups=1, out=None):
    check_floats("conv2d_backward_input", dy, w)
    check_ints("conv2d_backward_input", groups=groups)

    def call(dy, w, x_shape, stride=1, padding=0, dilation=1, groups=1, out=None):
        windows = read_windows(x_shape[2], x_shape[3], w.shape[2:], stride, padding, dilation)
        numbers = _numbers(x_shape, w.shape, windows, np.int64(groups))
        if dy.shape != (x_shape[0], w.shape[0], numbers[8], numbers[9]):
            raise ValueError("conv2d_backward_input: the shapes of dy, w and x_shape do not belong together")
        dx = output(out, (x_shape[0], x_shape[1], x_shape[2], x_shape[3]), dy)
        weights = flat(w)
        _run_sums(numbers, flat(dy), weights, weights, NO, dx.reshape(-1), YES, NO)
        return dx

    return call


def _weight_and_bias(dy, x, w_shape, stride, padding, dilation, groups, out):
    """Return dw and db, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_weight_and_bias)
def _weight_and_bias_compiled(dy, x, w_shape, stride, padding, dilation, groups, out):
    def call(dy, x, w_shape, stride, padding, dilation, groups, out):
        windows = read_windows(x.shape[2], x.shape[3], (w_shape[2], w_shape[3]), stride, padding, dilation)
        numbers = _numbers(x.shape, w_shape, windows, np.int64(groups))
        if dy.shape != (x.shape[0], w_shape[0], numbers[8], numbers[9]):
            raise ValueError("conv2d_backward_weight: the shapes of dy, x and w_shape do not belong together")
        dw, db = output(out, (w_shape[0], w_shape[1], w_shape[2], w_shape[3]), x), np.empty(w_shape[0], x.dtype)
        _run_weight(numbers, flat(dy), flat(x), dw.reshape(-1), db)
        return dw, db

    return call


@inside(conv2d_backward_weight)
def _conv2d_backward_weight_inside(dy, x, w_shape, stride=1, padding=0, dilation=1, groups=1, out=None):
    check_floats("conv2d_backward_weight", dy, x)
    check_ints("conv2d_backward_weight", groups=groups)

    def call(dy, x, w_shape, stride=1, padding=0, dilation=1, groups=1, out=None):
        return _weight_and_bias(dy, x, w_shape, stride, padding, dilation, groups, out)[0]

    return call


@inside(conv2d_backward)
def _conv2d_backward_inside(dy, x, w, stride=1, padding=0, dilation=1, groups=1):
    check_floats("conv2d_backward", dy, x, w)
    check_ints("conv2d_backward", groups=groups)

    def call(dy, x, w, stride=1, padding=0, dilation=1, groups=1):
        dx = conv2d_backward_input(dy, w, x.shape, stride, padding, dilation, groups)
        dw, db = _weight_and_bias(dy, x, w.shape, stride, padding, dilation, groups, None)
        return dx, dw, db

    return call


def _transposed(x_shape, w_shape, stride, padding, output_padding, dilation, groups):
    """Return the fields of `conv_plan.Conv` of the convolution that is transposed, in compiled code."""
    raise NotImplementedError("for compiled code")


@kernel
def _transposed_size(size, before, after, span, s, d, extra):
    if s < 1 or d < 1 or before < 0 or after < 0 or extra < 0 or size < 1:
        raise ValueError("stride and dilation must be at least 1, padding and output_padding at least 0")
    if max(s, d, before, after) > SIZE_LIMIT:
        raise ValueError("stride, dilation and padding must be at most 2**31 - 1")
    if extra >= max(s, d):
        raise ValueError("output_padding must be less than the stride or the dilation")
    result = (size - 1) * s - before - after + span + extra
    if result < 1:
        raise ValueError("conv_transpose2d: the output would have no pixels")
    return result


@inner_overload(_transposed)
def _transposed_compiled(x_shape, w_shape, stride, padding, output_padding, dilation, groups):
    def call(x_shape, w_shape, stride, padding, output_padding, dilation, groups):
        n, c, height, width = x_shape
        channels, per, kh, kw = w_shape
        sh, sw = read_pair(stride)
        dh, dw = read_pair(dilation)
        extra_h, extra_w = read_pair(output_padding)
        high, wide = kernel_span(kh, dh), kernel_span(kw, dw)
        top, bottom, left, right = read_pads(padding, high, wide, sh, sw)
        oh = _transposed_size(height, top, bottom, high, sh, dh, extra_h)
        ow = _transposed_size(width, left, right, wide, sw, dw, extra_w)
        if channels != c:
            raise ValueError("conv_transpose2d: x and w have different numbers of channels")
        windows = (kh, kw, height, width, sh, sw, dh, dw, top, left)
        return _numbers((n, per * np.int64(groups), oh, ow), w_shape, windows, np.int64(groups))

    return call


@inside(conv_transpose2d)
def _conv_transpose2d_inside(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None):
    check_floats("conv_transpose2d", x, w)
    _check_bias("conv_transpose2d", x, b)
    check_ints("conv_transpose2d", groups=groups)

    def call(x, w, b=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None):
        numbers = _transposed(x.shape, w.shape, stride, padding, output_padding, dilation, groups)
        y = output(out, (numbers[0], numbers[1], numbers[4], numbers[5]), x)
        _with_bias(numbers, flat(x), flat(w), b, y.reshape(-1), YES, NO, numbers[1])
        return y

    return call


@inside(conv_transpose2d_backward_input)
def _conv_transpose2d_backward_input_inside(
    dy, w, x_shape, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None
):
    check_floats("conv_transpose2d_backward_input", dy, w)
    check_ints("conv_transpose2d_backward_input", groups=groups)

    def call(dy, w, x_shape, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None):
        numbers = _transposed(x_shape, w.shape, stride, padding, output_padding, dilation, groups)
        if dy.shape != (numbers[0], numbers[1], numbers[4], numbers[5]):
            raise ValueError("conv_transpose2d_backward_input: dy does not have the shape of the forward output")
        dx = output(out, (x_shape[0], x_shape[1], x_shape[2], x_shape[3]), dy)
        weights = flat(w)
        _run_sums(numbers, flat(dy), weights, weights, NO, dx.reshape(-1), NO, NO)
        return dx

    return call


@inside(conv_transpose2d_backward_weight)
def _conv_transpose2d_backward_weight_inside(
    dy, x, w_shape, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None
):
    check_floats("conv_transpose2d_backward_weight", dy, x)
    check_ints("conv_transpose2d_backward_weight", groups=groups)

    def call(dy, x, w_shape, stride=1, padding=0, output_padding=0, dilation=1, groups=1, out=None):
        numbers = _transposed(x.shape, w_shape, stride, padding, output_padding, dilation, groups)
        if dy.shape != (numbers[0], numbers[1], numbers[4], numbers[5]):
            raise ValueError("conv_transpose2d_backward_weight: dy does not have the shape of the forward output")
        dw = output(out, (w_shape[0], w_shape[1], w_shape[2], w_shape[3]), x)
        _run_weight(numbers, flat(x), flat(dy), dw.reshape(-1), np.empty(w_shape[0], x.dtype))
        return dw

    return call


@inside(conv_transpose2d_backward)
def _conv_transpose2d_backward_inside(dy, x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    check_floats("conv_transpose2d_backward", dy, x, w)
    check_ints("conv_transpose2d_backward", groups=groups)

    def call(dy, x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
        dx = conv_transpose2d_backward_input(dy, w, x.shape, stride, padding, output_padding, dilation, groups)
        dw = conv_transpose2d_backward_weight(dy, x, w.shape, stride, padding, output_padding, dilation, groups)
        db = np.empty(dy.shape[1], dy.dtype)
        CHANNEL_SUMS(flat(dy), db, dy.shape[0], dy.shape[2] * dy.shape[3])
        return dx, dw, db

    return call
