"""Pooling: values worked out by hand, edges, drawn options against integer NumPy."""

import types
from math import lcm
from typing import Any

import numpy as np
import pytest
from helpers import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from pool_windows import planes, sizes, windows
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import pool_plane
from fastnn_kernels._jit import THREAD_LIMIT

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
both_algorithms = pytest.mark.parametrize("algorithm", ["direct", "im2col"])
dtypes = st.sampled_from([np.float32, np.float64])

def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-4, 5, shape)


@examples
@given(windows(dilated=True), dtypes, st.sampled_from([0, 0.3]))
def test_maxima_are_exact(drawn: Any, dtype: type, odd: float) -> None:
    """Of few different values, so that many tie, a share of them NaN or -inf; the padding never wins."""
    shape, kernel, options = drawn
    rng = np.random.default_rng(2)
    x = integers(rng, *shape).astype(dtype)
    x[rng.random(shape) < odd] = -np.inf
    x[rng.random(shape) < odd / 3] = np.nan
    y, argmax = ref.max_pool2d(x, kernel, **options)
    assert (y.dtype, argmax.dtype) == (dtype, np.int64)
    n, c, _, _ = np.indices(y.shape)
    np.testing.assert_array_equal(x[n, c, argmax // shape[3], argmax % shape[3]], y)
    for kernels, algorithm in ((fk, "direct"), (fk, "im2col"), (ref, "im2col")):
        same_y, same_argmax = kernels.max_pool2d(x, kernel, **options, algorithm=algorithm)
        assert (same_y.dtype, same_argmax.dtype) == (dtype, np.int64)
        np.testing.assert_array_equal(same_y, y)
        np.testing.assert_array_equal(same_argmax, argmax)
    dy = integers(rng, *y.shape)
    np.testing.assert_array_equal(
        fk.max_pool2d_backward(dy.astype(dtype), argmax, shape), ref.max_pool2d_backward(dy, argmax, shape)
    )


@examples
@given(windows(dilated=False), dtypes, st.booleans())
def test_averages_are_exact(drawn: Any, dtype: type, include_pad: bool) -> None:
    """Of integers that every divisor divides."""
    shape, kernel, options = drawn
    options = {**options, "count_include_pad": include_pad}
    rng = np.random.default_rng(3)
    divisible = lcm(*range(1, kernel[0] + 1)) * lcm(*range(1, kernel[1] + 1))
    x = divisible * integers(rng, *shape)
    expected = ref.avg_pool2d(x, kernel, **options)
    for kernels, algorithm in ((fk, "direct"), (fk, "im2col"), (ref, "im2col")):
        y = kernels.avg_pool2d(x.astype(dtype), kernel, **options, algorithm=algorithm)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, expected)
    dy = divisible * integers(rng, *expected.shape)
    dx = fk.avg_pool2d_backward(dy.astype(dtype), shape, kernel, **options)
    np.testing.assert_array_equal(dx, ref.avg_pool2d_backward(dy, shape, kernel, **options))


@examples
@given(planes, sizes, st.tuples(st.integers(1, 12), st.integers(1, 40)), dtypes)
def test_adaptive_and_global_averages_are_exact(n_c: Any, size: Any, out: Any, dtype: type) -> None:
    rng = np.random.default_rng(4)
    shape = (*n_c, *size)
    # The windows have the quotient's pixels, one more or two more.
    counts = {k: range(s // p or 1, s // p + 3) for k, (s, p) in enumerate(zip(size, out, strict=True))}
    scale = lcm(*counts[0]) * lcm(*counts[1])
    x, dy = scale * rng.integers(-1, 2, shape), scale * rng.integers(-1, 2, (*n_c, *out))
    assume(scale * size[0] * size[1] < 2**24 or dtype == np.float64)
    np.testing.assert_array_equal(fk.adaptive_avg_pool2d(x.astype(dtype), out), ref.adaptive_avg_pool2d(x, out))
    dx = fk.adaptive_avg_pool2d_backward(dy.astype(dtype), shape)
    np.testing.assert_array_equal(dx, ref.adaptive_avg_pool2d_backward(dy, shape))
    x, dy = size[0] * size[1] * integers(rng, *shape), size[0] * size[1] * integers(rng, *n_c)
    np.testing.assert_array_equal(fk.global_avg_pool2d(x.astype(dtype)), ref.global_avg_pool2d(x))
    dx = fk.global_avg_pool2d_backward(dy.astype(dtype), shape)
    np.testing.assert_array_equal(dx, ref.global_avg_pool2d_backward(dy, shape))


@both_dtypes
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_rows_of_several_vectors(stride: int, dtype: type) -> None:
    """Vectors of outputs are loaded in another way for each stride."""
    x = 4 * np.random.default_rng(6).integers(-99, 100, (1, 2, 5, 107))
    options = {"stride": stride, "padding": (0, 1)}
    for actual, expected in zip(
        fk.max_pool2d(x.astype(dtype), 2, **options), ref.max_pool2d(x, 2, **options), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(fk.avg_pool2d(x.astype(dtype), 2, **options), ref.avg_pool2d(x, 2, **options))


@both_dtypes
@pytest.mark.parametrize("size", [(4, 5), (7, 16), (6, 35), (5, 71)])
def test_maxima_handed_back_to_any_pixel(dtype: type, size: tuple[int, int]) -> None:
    """Planes as those of 2x2 windows, some of whose indices are pixels of other windows."""
    rng = np.random.default_rng(4)
    shape, outputs = (2, 3, *size), (2, 3, size[0] // 2, size[1] // 2)
    _, argmax = fk.max_pool2d(integers(rng, *shape).astype(dtype), 2)
    argmax[0, 1, -1, -1] = 0
    argmax[1, 0, 0, 0] = size[0] * size[1] - 1
    argmax[1, 2] = rng.integers(0, size[0] * size[1], outputs[2:])
    dy = integers(rng, *outputs)
    expected = ref.max_pool2d_backward(dy, argmax, shape)
    np.testing.assert_array_equal(fk.max_pool2d_backward(dy.astype(dtype), argmax, shape), expected)
    for wrong in (-1, size[0] * size[1], 2**40, -(2**63)):
        argmax[1, 1, 0, 1] = wrong
        with pytest.raises(ValueError, match=rf"argmax\[1, 1, 0, 1\] = {wrong}, needed are values from 0"):
            fk.max_pool2d_backward(dy.astype(dtype), argmax, shape)
        out = np.full(shape, 7, dtype)
        with pytest.raises(ValueError, match="argmax"):
            fk.max_pool2d_backward(dy.astype(dtype), argmax, shape, out=out)
        assert (out == 7).all()


@both
@both_algorithms
def test_max_pool2d_by_hand(kernels: types.ModuleType, algorithm: str) -> None:
    x = np.array([[[[1.0, 5.0, 5.0], [2.0, 5.0, 0.0], [-1.0, -2.0, -3.0]]]])
    y, argmax = kernels.max_pool2d(x, 2, stride=1, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[5, 5], [5, 5]]]])
    np.testing.assert_array_equal(argmax, [[[[1, 1], [4, 4]]]])  # the first of equal maxima
    dx = kernels.max_pool2d_backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), argmax, x.shape)
    np.testing.assert_array_equal(dx, [[[[0, 3, 0], [0, 7, 0], [0, 0, 0]]]])


@both
@both_algorithms
def test_max_pool2d_dilated_and_with_ceil_mode_by_hand(kernels: types.ModuleType, algorithm: str) -> None:
    x = np.array([[[[1.0, 2.0, 3.0, 4.0, 9.0], [8.0, 7.0, 6.0, 5.0, 0.0]]]])
    y, argmax = kernels.max_pool2d(x, (1, 2), stride=1, dilation=(1, 3), algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[4, 9], [8, 7]]]])
    np.testing.assert_array_equal(argmax, [[[[3, 4], [5, 6]]]])
    y, argmax = kernels.max_pool2d(x, (1, 2), ceil_mode=True, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[2, 4, 9], [8, 6, 0]]]])
    np.testing.assert_array_equal(argmax, [[[[1, 3, 4], [5, 7, 9]]]])
    # A third window would start in the padding.
    y, _ = kernels.max_pool2d(x[:, :, :, :3], (1, 2), padding=(0, 1), ceil_mode=True, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[1, 3], [8, 7]]]])


@both
@both_algorithms
@both_dtypes
def test_max_pool2d_padding_is_never_the_maximum(kernels: types.ModuleType, algorithm: str, dtype: type) -> None:
    x = np.array([[[[-3.0, -1.0], [-4.0, -2.0]]]], dtype)
    y, argmax = kernels.max_pool2d(x, 2, padding=1, algorithm=algorithm)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(argmax, [[[[0, 1], [2, 3]]]])
    y, argmax = kernels.max_pool2d(np.full_like(x, -np.inf), 2, padding=1, algorithm=algorithm)
    np.testing.assert_array_equal(y, np.full((1, 1, 2, 2), -np.inf))
    np.testing.assert_array_equal(argmax, [[[[0, 1], [2, 3]]]])


@both
@both_algorithms
@both_dtypes
def test_max_pool2d_returns_the_first_nan_and_points_at_infinities(
    kernels: types.ModuleType, algorithm: str, dtype: type
) -> None:
    x = np.ones((1, 1, 2, 6), dtype)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = np.nan
    x[0, 0, 1, 3] = np.inf
    x[0, 0, :, 4:] = -np.inf
    y, argmax = kernels.max_pool2d(x, 2, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[np.nan, np.inf, -np.inf]]]])
    np.testing.assert_array_equal(argmax, [[[[1, 9, 4]]]])


@both
@both_algorithms
def test_avg_pool2d_by_hand(kernels: types.ModuleType, algorithm: str) -> None:
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    y = kernels.avg_pool2d(x, 2, stride=1, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[3, 4], [6, 7]]]])
    y = kernels.avg_pool2d(x, 2, padding=1, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[0.25, 1.25], [2.75, 7.0]]]])
    y = kernels.avg_pool2d(x, 2, padding=1, count_include_pad=False, algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[1, 2.5], [5.5, 7]]]])
    # What hangs over the edge does not count, whatever count_include_pad says.
    for include_pad in (True, False):
        y = kernels.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=include_pad, algorithm=algorithm)
        np.testing.assert_array_equal(y, [[[[3, 4.5], [7.5, 9]]]])
    y = kernels.avg_pool2d(x, 2, padding=((0, 1), (0, 1)), algorithm=algorithm)
    np.testing.assert_array_equal(y, [[[[3, 2.25], [3.75, 2.25]]]])


@both
def test_avg_pool2d_backward_by_hand(kernels: types.ModuleType) -> None:
    dy = np.array([[[[4.0, 8.0], [12.0, 16.0]]]])
    dx = kernels.avg_pool2d_backward(dy, (1, 1, 3, 3), 2, stride=1)
    np.testing.assert_array_equal(dx, [[[[1, 3, 2], [4, 10, 6], [3, 7, 4]]]])
    dx = kernels.avg_pool2d_backward(dy, (1, 1, 3, 3), 2, padding=1, count_include_pad=False)
    np.testing.assert_array_equal(dx, [[[[4, 4, 4], [6, 4, 4], [6, 4, 4]]]])
    # No window reaches the last column, and a stride above the kernel size leaves the middle one out.
    dx = kernels.avg_pool2d_backward(dy[:, :, :1], (1, 1, 1, 4), 1, stride=2)
    np.testing.assert_array_equal(dx, [[[[4, 0, 8, 0]]]])


@both
def test_global_and_adaptive_averages_by_hand(kernels: types.ModuleType) -> None:
    x = np.arange(1.0, 11.0).reshape(1, 2, 1, 5)
    np.testing.assert_array_equal(kernels.global_avg_pool2d(x), [[3, 8]])
    dx = kernels.global_avg_pool2d_backward(np.array([[5.0, 10.0]]), x.shape)
    np.testing.assert_array_equal(dx, [[[[1] * 5], [[2] * 5]]])
    # Columns 0-1, 1-3, 3-4: windows share pixels where 5 / 3 falls inside one.
    np.testing.assert_array_equal(kernels.adaptive_avg_pool2d(x, (1, 3)), [[[[1.5, 3, 4.5]], [[6.5, 8, 9.5]]]])
    dx = kernels.adaptive_avg_pool2d_backward(np.array([[[[2.0, 3.0, 4.0]]]]), (1, 1, 1, 5))
    np.testing.assert_array_equal(dx, [[[[1, 2, 1, 3, 2]]]])
    # More windows than pixels.
    np.testing.assert_array_equal(kernels.adaptive_avg_pool2d(x[:, :1, :, :2], (2, 3)), [[[[1, 1.5, 2]] * 2]])


@both
@both_dtypes
@np.errstate(invalid="ignore")
def test_averages_keep_nan_and_infinities_in_their_windows(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((1, 2, 4, 40), dtype)
    x[0, 1, 1, 3], x[0, 1, 2, 36], x[0, 1, 3, 37] = np.nan, np.inf, -np.inf
    expected = np.ones((1, 2, 2, 20), dtype)
    expected[0, 1, 0, 1], expected[0, 1, 1, 18] = np.nan, np.nan  # inf - inf
    for algorithm in ("direct", "im2col"):
        np.testing.assert_array_equal(kernels.avg_pool2d(x, 2, algorithm=algorithm), expected)
    np.testing.assert_array_equal(kernels.adaptive_avg_pool2d(x, (2, 20)), expected)
    np.testing.assert_array_equal(kernels.global_avg_pool2d(x), [[1, np.nan]])
    x[0, 1, 3, 37] = 1
    assert kernels.avg_pool2d(x, 2)[0, 1, 1, 18] == np.inf


@both
@both_dtypes
def test_empty_batch(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((0, 3, 6, 6), dtype)
    for algorithm in ("direct", "im2col"):
        y, argmax = kernels.max_pool2d(x, 2, algorithm=algorithm)
        assert y.shape == argmax.shape == (0, 3, 3, 3)
        assert (y.dtype, argmax.dtype) == (dtype, np.int64)
        assert kernels.avg_pool2d(x, 2, algorithm=algorithm).shape == y.shape
    assert kernels.max_pool2d_backward(y, argmax, x.shape).shape == x.shape
    assert kernels.avg_pool2d_backward(y, x.shape, 2).shape == x.shape
    assert kernels.adaptive_avg_pool2d(x, 4).shape == (0, 3, 4, 4)
    assert kernels.adaptive_avg_pool2d_backward(y, x.shape).shape == x.shape
    assert kernels.global_avg_pool2d(x).shape == (0, 3)
    assert kernels.global_avg_pool2d_backward(y[:, :, 0, 0], x.shape).shape == x.shape


def test_planes_too_large_for_offsets_in_float32() -> None:
    """Beyond 2**24 pixels an offset is not exact in a float32 lane, and the windows are computed one by one."""
    x = np.zeros((1, 1, 409_301, 41), np.float32)
    x[0, 0, 409_299] = 1
    _, argmax = fk.max_pool2d(x, (409_301, 1))
    np.testing.assert_array_equal(argmax[0, 0, 0], 409_299 * 41 + np.arange(41))
    assert int(np.float32(409_299 * 41)) != 409_299 * 41
    assert x.size > pool_plane.EXACT


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits() -> None:
    x = np.random.default_rng(5).standard_normal((3, 5, 9, 21)).astype(np.float32)

    def results() -> list[np.ndarray]:
        options: dict[str, Any] = {"stride": 2, "padding": 1, "ceil_mode": True}
        y, argmax = fk.max_pool2d(x, 3, **options)
        return [
            *(y, argmax, *fk.max_pool2d(x, 3, **options, algorithm="im2col")),
            fk.max_pool2d_backward(y, argmax, x.shape),
            fk.avg_pool2d(x, 3, **options),
            fk.avg_pool2d(x, 3, **options, algorithm="im2col"),
            fk.avg_pool2d_backward(y, x.shape, 3, **options),
            fk.adaptive_avg_pool2d(x, (4, 5)),
            fk.adaptive_avg_pool2d_backward(y, x.shape),
            fk.global_avg_pool2d(x),
            fk.global_avg_pool2d_backward(y[:, :, 0, 0], x.shape),
        ]

    with threads(1) as used:
        one = results()
        assert used == {1}
    with threads(2) as used:
        for actual, expected in zip(results(), one, strict=True):
            np.testing.assert_array_equal(actual, expected)
        assert used == {2}


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("height", [6, 8, 9])
def test_averages_of_rows_of_half_a_vector(height: int, width: int, dtype: type, kernels: types.ModuleType) -> None:
    x = np.random.default_rng(1).integers(-9, 9, (3, 2, height, width)).astype(dtype)
    y = kernels.avg_pool2d(x, 2)
    rows = x[:, :, : height // 2 * 2].reshape(3, 2, height // 2, 2, width // 2, 2)
    np.testing.assert_array_equal(y, rows.sum((3, 5)) / 4)
