"""Clipping and max_norm: by hand, over drawn numbers, at the edges, and what they refuse."""

import functools
import types
from typing import Any

import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@both
@both_dtypes
def test_clip_by_value(kernels: types.ModuleType, dtype: type) -> None:
    grads = np.array([-3, -0.5, -0.0, 0.5, 0.75, np.inf, -np.inf, np.nan], dtype)
    assert kernels.clip_by_value(grads, 0.5) is None
    np.testing.assert_array_equal(grads, [-0.5, -0.5, -0.0, 0.5, 0.5, 0.5, -0.5, np.nan])
    assert np.signbit(grads[2])


@both
@both_dtypes
def test_clip_by_global_norm(kernels: types.ModuleType, dtype: type) -> None:
    grads = np.array([3, -4], dtype)
    assert kernels.clip_by_global_norm(grads, 2.5) == 5
    np.testing.assert_allclose(grads, np.array([1.5, -2]) * 5 / (5 + 1e-6), rtol=2e-7)
    inside = grads.copy()
    assert kernels.clip_by_global_norm(grads, 2.51) == pytest.approx(2.5, rel=1e-6)
    np.testing.assert_array_equal(grads, inside)
    empty = np.zeros(0, dtype)
    assert kernels.clip_by_global_norm(empty, 1) == 0
    zeros = np.zeros(40, dtype)
    assert kernels.clip_by_global_norm(zeros, 1e-9) == 0
    assert not zeros.any()


@both
def test_the_square_of_a_gradient_may_be_no_float32(kernels: types.ModuleType) -> None:
    """Clipping is for gradients that explode, so the norm of those is found as well."""
    grads = np.array([3e30, -4e30, 0], np.float32)
    assert kernels.clip_by_global_norm(grads, 5) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(grads, [3, -4, 0], rtol=1e-6)


@both
@both_dtypes
def test_what_a_nan_and_an_infinity_do_to_all_gradients(kernels: types.ModuleType, dtype: type) -> None:
    grads = np.array([1, np.nan, 2], dtype)
    assert np.isnan(kernels.clip_by_global_norm(grads, 1))
    assert np.isnan(grads).all()
    grads = np.array([1, -np.inf, 2], dtype)
    with np.errstate(invalid="ignore"):
        assert kernels.clip_by_global_norm(grads, 1) == np.inf
    np.testing.assert_array_equal(grads, [0, np.nan, 0])


@examples
@given(st.sampled_from([np.float32, np.float64]), st.integers(0, 100), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_clip_by_value_is_exact(dtype: Any, size: int, limit: int, seed: int) -> None:
    integers = np.random.default_rng(seed).integers(-12, 13, size)
    floats = integers.astype(dtype)
    fk.clip_by_value(floats, limit)
    ref.clip_by_value(integers, limit)
    np.testing.assert_array_equal(floats, integers)


@examples
@given(st.sampled_from([np.float32, np.float64]), st.integers(0, 200), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_clip_by_global_norm_of_any_size(dtype: Any, size: int, limit: float, seed: int) -> None:
    grads = np.random.default_rng(seed).standard_normal(size).astype(dtype)
    clipped, expected = grads.copy(), grads.copy()
    norm = fk.clip_by_global_norm(clipped, limit)
    assert norm == pytest.approx(ref.clip_by_global_norm(expected, limit), rel=1e-14)
    np.testing.assert_allclose(clipped, expected, rtol=3e-7 if dtype == np.float32 else 1e-15)
    assert np.linalg.norm(clipped) <= limit * (1 + 1e-6)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@both_dtypes
def test_the_norm_has_the_same_bits_on_one_thread_and_two(dtype: type) -> None:
    grads = np.random.default_rng(1).standard_normal(100_003).astype(dtype)
    w = grads[:100_000].reshape(250, 400)
    results = []
    for n in (1, 2, 2):
        with threads(n) as used:
            clipped, kept = grads.copy(), w.copy()
            norm = fk.clip_by_global_norm(clipped, 1.0)
            fk.max_norm(kept, 15.8)
            results.append((norm, clipped.tobytes(), kept.tobytes()))
            assert used == {n}
    assert results[0] == results[1] == results[2]


@both
@both_dtypes
def test_max_norm_of_columns_and_filters(kernels: types.ModuleType, dtype: type) -> None:
    w = np.array([[3, 0.3, 0, 6], [4, 0.4, 0, 8]], dtype)
    kernels.max_norm(w, 5)
    np.testing.assert_array_equal(w[:, :3], np.array([[3, 0.3, 0], [4, 0.4, 0]], dtype))
    np.testing.assert_allclose(w[:, 3], [3, 4], rtol=1e-6)
    filters = np.full((3, 2, 2, 2), 0.5, dtype)
    filters[1] *= 4
    kernels.max_norm(filters, np.sqrt(2) * (1 + 1e-6))
    np.testing.assert_array_equal(filters[[0, 2]], np.full((2, 2, 2, 2), 0.5, dtype))
    np.testing.assert_allclose(filters[1], np.full((2, 2, 2), 0.5), rtol=2e-6)


@both
@both_dtypes
def test_max_norm_of_numbers_that_are_none(kernels: types.ModuleType, dtype: type) -> None:
    """A unit with a NaN stays as it is; of one with an infinity nothing finite is left."""
    w = np.ones((3, 40), dtype)
    w[1, 2], w[2, 35], w[0, 7] = np.nan, np.inf, 10
    expected = w.copy()
    with np.errstate(invalid="ignore"):
        kernels.max_norm(w, 2)
    expected[:, 35] = [0, 0, np.nan]
    expected[:, 7] *= dtype(2) / np.sqrt(dtype(102))
    np.testing.assert_allclose(w, expected, rtol=1e-6)
    for shape in ((0, 4), (4, 0), (0, 2, 3, 3), (2, 0, 3, 3)):
        kernels.max_norm(np.zeros(shape, dtype), 1)


@examples
@given(
    st.sampled_from([np.float32, np.float64]),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.data(),
    st.integers(0, 2**32 - 1),
)
def test_units_inside_the_ball_keep_their_bits(dtype: Any, shape: list[int], data: Any, seed: int) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    w = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    units = np.moveaxis(w, axis, 0).reshape(shape[axis], -1)
    norms = np.sqrt((units.astype(np.float64) ** 2).sum(axis=1))
    limit = float(np.sort(norms)[len(norms) // 2]) * 1.001
    kept = w.copy()
    fk.max_norm(kept, limit, axis=axis)
    after = np.moveaxis(kept, axis, 0).reshape(shape[axis], -1)
    np.testing.assert_array_equal(after[norms < limit], units[norms < limit])
    assert (np.sqrt((after.astype(np.float64) ** 2).sum(axis=1)) <= limit * (1 + 3e-6)).all()
    expected = w.copy()
    ref.max_norm(expected, limit, axis=axis)
    np.testing.assert_allclose(kept, expected, rtol=3e-6 if dtype == np.float32 else 1e-13)


@both
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 2), (2, 40)])
def test_the_square_of_a_weight_may_be_no_float32(kernels: types.ModuleType, shape: tuple[int, ...]) -> None:
    w = np.full(shape, 1e25, np.float32)
    kernels.max_norm(w, 3)
    terms = shape[0] if len(shape) == 2 else w[0].size
    np.testing.assert_allclose(w, np.full(shape, 3 / np.sqrt(terms)), rtol=1e-6)


W4 = np.ones((2, 3, 2, 2))


@both
@pytest.mark.parametrize("name", ["clip_by_value", "clip_by_global_norm", "max_norm"])
@pytest.mark.parametrize(
    ("limit", "error", "message"),
    [
        (0, ValueError, "limit is 0, a number above 0 is needed"),
        (0.0, ValueError, "limit is 0.0, a number above 0"),
        (-1, ValueError, "limit is -1"),
        (np.nan, ValueError, "limit is nan"),
        (np.inf, ValueError, "limit is inf"),
        (2**60, ValueError, r"at most 2\*\*53"),
        (10**400, ValueError, "limit is too large for a float"),
        (True, TypeError, "limit is True"),
        ("1", TypeError, "limit is '1'"),
        (None, TypeError, "limit is None"),
    ],
)
def test_limits_are_above_0(
    name: str, limit: Any, error: type[Exception], message: str, kernels: types.ModuleType
) -> None:
    array = np.ones((2, 3)) if name == "max_norm" else np.ones(6)
    assert_refused(error, f"^{name}: .*{message}", lambda: getattr(kernels, name)(array, limit), array)


@both
@pytest.mark.parametrize(
    ("w", "axis", "error", "message"),
    [
        (np.ones(3), None, ValueError, r"max_norm: w has shape \(3,\); without axis"),
        (np.ones((3, 2, 2)), None, ValueError, r"max_norm: w has shape \(3, 2, 2\)"),
        (W4, 4, ValueError, r"max_norm: axis is 4, w has 4 axes"),
        (W4, -5, ValueError, "max_norm: axis is -5"),
        (W4, 1.0, TypeError, r"max_norm: axis is 1\.0"),
        (W4, (0,), TypeError, r"max_norm: axis is \(0,\)"),
    ],
)
def test_axes(w: Any, axis: Any, error: type[Exception], message: str, kernels: types.ModuleType) -> None:
    assert_refused(error, message, lambda: kernels.max_norm(w, 0.1, axis=axis), w)


@both
@pytest.mark.parametrize("name", ["clip_by_value", "clip_by_global_norm", "max_norm"])
def test_they_write_only_what_they_may(name: str, kernels: types.ModuleType) -> None:
    shape = (4, 6) if name == "max_norm" else (24,)
    function = getattr(kernels, name)
    read_only = np.ones(shape, np.float32)
    read_only.flags.writeable = False
    strided = np.ones((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2]
    unaligned = np.frombuffer(bytearray(24 * 4 + 1), np.float32, 24, 1).reshape(shape)
    for array, message in ((read_only, "read-only"), (strided, "C-contiguous"), (unaligned, "aligned")):
        call = functools.partial(function, array, 0.5)
        assert_refused(ValueError, f"^{name}: .*{message}", call, array)


@both
@pytest.mark.parametrize("name", ["clip_by_value", "clip_by_global_norm"])
def test_gradients_are_flat(name: str, kernels: types.ModuleType) -> None:
    grads = np.ones((2, 3))
    assert_refused(ValueError, f"{name}: grads has 2 axes", lambda: getattr(kernels, name)(grads, 0.5), grads)
