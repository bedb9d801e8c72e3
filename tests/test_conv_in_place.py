"""Convolutions that are summed where the images lie: 1x1 kernels on whole vectors of pixels, and depthwise ones."""

import numpy as np
import pytest
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

# Images, channels, height and width, filters, kernel, groups, options.
CASES = {
    "1x1": (3, 5, 8, 16, 7, 1, 1, {}),
    "1x1, few filters": (2, 9, 16, 16, 3, 1, 1, {}),
    "1x1, one image in parts": (1, 6, 24, 16, 5, 1, 1, {}),
    "1x1, pixels that fill no vectors": (2, 6, 13, 15, 5, 1, 1, {}),
    "1x1, a stride, gradients woven": (3, 9, 16, 32, 6, 1, 1, {"stride": 2}),
    "1x1, a stride, few channels": (2, 3, 18, 64, 5, 1, 1, {"stride": 2}),
    "1x1, a stride, odd rows": (2, 9, 17, 32, 6, 1, 1, {"stride": 2}),
    "1x1, two strides": (2, 9, 16, 96, 6, 1, 1, {"stride": (2, 3)}),
    "depthwise, two vectors a row": (2, 4, 10, 40, 4, 3, 4, {"padding": 1}),
    "depthwise, one vector a row": (3, 5, 17, 18, 5, 3, 5, {}),
    "depthwise, a stride": (2, 3, 33, 64, 3, 3, 3, {"stride": 2, "padding": 1}),
    "depthwise, rows too short": (2, 4, 9, 7, 4, 3, 4, {"padding": 1}),
    "depthwise, two filters a channel": (2, 4, 12, 36, 8, 3, 4, {"padding": 1}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("count", [1, 2])
def test_small_integers_are_exact(case, dtype, count):
    n, c, h, w, k, side, groups, options = case
    rng = np.random.default_rng(9)
    x = rng.integers(-4, 5, (n, c, h, w)).astype(dtype)
    weights = rng.integers(-4, 5, (k, c // groups, side, side)).astype(dtype)
    b = rng.integers(-4, 5, k).astype(dtype)
    options = {**options, "groups": groups}
    expected = ref.conv2d(x, weights, b, **options)
    dy = rng.integers(-4, 5, expected.shape).astype(dtype)
    with threads(count):
        np.testing.assert_array_equal(fk.conv2d(x, weights, b, **options), expected)
        found = fk.conv2d_backward(dy, x, weights, **options)
    for actual, right in zip(found, ref.conv2d_backward(dy, x, weights, **options), strict=True):
        np.testing.assert_array_equal(actual, right)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 9])
def test_transposed_convolutions_are_woven_with_their_bias(channels, dtype):
    rng = np.random.default_rng(9)
    x, w = rng.integers(-4, 5, (3, 6, 8, 16)).astype(dtype), rng.integers(-4, 5, (6, channels, 1, 1)).astype(dtype)
    b = np.arange(1, channels + 1).astype(dtype)
    found = fk.conv_transpose2d(x, w, b, stride=2, output_padding=1)
    np.testing.assert_array_equal(found, ref.conv_transpose2d(x, w, b, stride=2, output_padding=1))
    assert (found[:, :, 1::2] == b[:, None, None]).all()
