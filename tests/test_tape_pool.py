"""Pools on the tape where a block is a single sample: lanes along the width, exact on small integers."""

from math import lcm
from unittest.mock import patch

import numpy as np
from exact_layers import assert_exact_layer
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st
from pool_windows import windows
from tape_nets import Net

from fastnn_kernels._windows import pool_windows
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine

dtypes = st.sampled_from([np.float32, np.float64])
single_samples = patch("fastnn_kernels.executor._BLOCK_BYTES", 0)


def options_of_row(shape, kernel, stride, padding, dilation=(1, 1), ceil_mode=False):
    w = pool_windows("pool", shape, kernel, stride, padding, dilation, ceil_mode)
    return {"kernel_size": w.kernel, "stride": w.stride, "padding": w.pads, "ceil_mode": ceil_mode}


@examples
@given(windows(dilated=True), dtypes)
def test_maxima_are_exact(drawn, dtype):
    (n, *image), kernel, options = drawn
    row = {**options_of_row((n, *image), kernel, **options), "dilation": options["dilation"]}
    with single_samples:
        assert_exact_layer(image, lambda net: net.pool(**row), dtype, n)


@examples
@given(windows(dilated=False), dtypes, st.booleans())
def test_averages_are_exact(drawn, dtype, include_pad):
    """Of integers that every divisor divides."""
    (n, *image), kernel, options = drawn
    row = {**options_of_row((n, *image), kernel, **options), "count_include_pad": include_pad}
    scale = lcm(*range(1, kernel[0] + 1)) * lcm(*range(1, kernel[1] + 1))
    with single_samples:
        assert_exact_layer(image, lambda net: net.average(**row), dtype, n, scale=scale)


def functions(tape, lanes):
    program = make_program(tape, Machine(lanes, 24, 16), backward=True, loss=True, update=None)
    return {call.function.__name__ for call in program.calls if "pool" in call.function.__name__}


def test_which_blocks_are_pooled_by_planes():
    def maxima(*image):
        return Net(1, *image).conv(1, (1, 1)).pool((2, 2), (2, 2)).done("sum_squared_error")

    planes = {"max_pool2d_narrow", "max_pool2d_narrow_backward"}
    windows = {"max_pool2d_forward", "max_pool2d_backward"}
    assert functions(maxima(8, 8), 1) == planes
    assert functions(maxima(8, 8), 16) == windows
    # A float32 counts the pixels of a plane up to here.
    assert functions(maxima(4096, 4096), 1) == planes
    assert functions(maxima(4096, 4097), 1) == windows
