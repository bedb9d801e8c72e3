"""Dropout: the twin's bits for any shape, rate, dtype and way to cut a batch; edges; refusals; compiled callers."""


import numba
import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st
from numba.core.errors import TypingError
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def numbers(shape, dtype=np.float32):
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


@examples
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
    rate=st.floats(0, 1),
    seed=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**40 - 1),
    op=st.integers(0, 2**23 - 1),
    offset=st.integers(0, 2**32 - 9),
)
def test_kernel_and_twin_give_the_same_bits(shape, dtype, rate, seed, step, op, offset):
    x = numbers(shape, dtype)
    options = {"seed": seed, "step": step, "op": op, "sample_offset": offset}
    y, mask = fk.dropout(x, rate, **options)
    expected_y, expected_mask = ref.dropout(x, rate, **options)
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_array_equal(fk.dropout_backward(x, mask), ref.dropout_backward(x, mask))


@both
@pytest.mark.parametrize("shape", [(20, 3), (7, 3, 5, 4), (3, 20011)])
def test_a_part_of_a_batch_drops_what_the_whole_does(kernels, shape):
    x = numbers(shape)
    whole = kernels.dropout(x, 0.4, seed=5, step=9, op=2)
    for k in (1, 2, len(x) - 1):
        part = kernels.dropout(x[k:], 0.4, seed=5, step=9, op=2, sample_offset=k)
        for a, b in zip(part, whole, strict=True):
            np.testing.assert_array_equal(a, b[k:])


def test_what_is_dropped_does_not_depend_on_the_dtype():
    x = np.ones((9, 77))
    masks = [fk.dropout(x.astype(dtype), 0.3, seed=1, step=1)[1] != 0 for dtype in (np.float32, np.float64)]
    np.testing.assert_array_equal(*masks)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits():
    x = numbers((40, 3, 41, 43))
    with threads(1):
        one = fk.dropout(x, 0.5, seed=1, step=1)
    with threads(2) as used:
        two = fk.dropout(x, 0.5, seed=1, step=1)
        assert used == {2}
    np.testing.assert_array_equal(one, two)


@both
def test_seed_step_op_and_position_each_change_the_mask(kernels):
    x = np.ones((4, 200))
    options = {"seed": 1, "step": 1, "op": 1, "sample_offset": 10}
    mask = kernels.dropout(x, 0.5, **options)[1]
    for name, value in (("seed", 2), ("seed", 2**32 + 1), ("step", 2), ("op", 2), ("sample_offset", 14)):
        other = kernels.dropout(x, 0.5, **{**options, name: value})[1]
        assert 0.3 < (mask == other).mean() < 0.7
    assert 0.3 < (mask[0] == mask[1]).mean() < 0.7  # two samples
    np.testing.assert_array_equal(kernels.dropout(x, 0.5, **options)[1], mask)


@both
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_as_many_are_dropped_as_the_rate_says(kernels, rate):
    x = np.ones((30, 1000))
    y, mask = kernels.dropout(x, rate, seed=3, step=4)
    dropped = (mask == 0).mean()
    assert abs(dropped - rate) < 4 * np.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_array_equal(y, mask)
    np.testing.assert_array_equal(mask[mask != 0], 1 / (1 - rate))


@both
@both_dtypes
def test_inf_and_nan_stay_where_they_are_kept_and_vanish_where_they_are_dropped(kernels, dtype):
    x = np.resize(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0], dtype), (5, 60))
    y, mask = kernels.dropout(x, 0.5, seed=1, step=1)
    np.testing.assert_array_equal(y, np.where(mask == 0, 0, np.where(mask == 0, 0, x) * 2))
    assert {np.inf, -np.inf} <= set(y.ravel())
    assert np.isnan(y).any()
    dx = kernels.dropout_backward(x, mask)
    np.testing.assert_array_equal(dx, y)


@both
def test_the_ends_of_the_rate(kernels):
    x = np.array([[1.0, np.inf, np.nan, -2.0, np.finfo(float).max]])
    y, mask = kernels.dropout(x, 0, seed=0, step=0)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(mask, np.ones_like(x))
    for result in kernels.dropout(x, 1.0, seed=0, step=0):
        np.testing.assert_array_equal(result, np.zeros_like(x))
    np.testing.assert_array_equal(kernels.dropout_backward(x, np.zeros_like(x)), np.zeros_like(x))
    almost = np.nextafter(1.0, 0.0)
    assert not kernels.dropout(np.ones((10, 100)), almost, seed=0, step=0)[0].any()


@both
@pytest.mark.parametrize("shape", [(0,), (0, 3), (0, 2, 3, 4)])
def test_an_empty_batch(kernels, shape):
    y, mask = kernels.dropout(np.zeros(shape), 0.5, seed=0, step=0)
    assert y.shape == mask.shape == kernels.dropout_backward(y, mask).shape == shape


X = np.ones((3, 4), np.float32)
SEEDED = {"seed": 1, "step": 1}


@both
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: k.dropout(X, -0.1, **SEEDED), ValueError, r"dropout: rate is -0\.1, needed: 0\.0 <= rate"),
        (lambda k: k.dropout(X, 1.1, **SEEDED), ValueError, r"dropout: rate is 1\.1, needed: 0 <= rate <= 1"),
        (lambda k: k.dropout(X, np.nan, **SEEDED), ValueError, r"dropout: rate is nan"),
        (lambda k: k.dropout(X, "0.5", **SEEDED), TypeError, r"dropout: rate is '0\.5' \(str\), a number is needed"),
        (lambda k: k.dropout(X, 0.5, seed=-1, step=1), ValueError, r"dropout: seed is -1, at least 0 is needed"),
        (lambda k: k.dropout(X, 0.5, seed=2**64, step=1), ValueError, r"dropout: seed is .* below 2\*\*64"),
        (lambda k: k.dropout(X, 0.5, seed=1.0, step=1), TypeError, r"dropout: seed is 1\.0 \(float\), an int"),
        (lambda k: k.dropout(X, 0.5, seed=1, step=-2), ValueError, r"dropout: step is -2, at least 0"),
        (lambda k: k.dropout(X, 0.5, seed=1, step=2**40), ValueError, r"dropout: step is .* below 2\*\*40"),
        (lambda k: k.dropout(X, 0.5, **SEEDED, op=2**23), ValueError, r"dropout: op is 8388608, below 2\*\*23"),
        (lambda k: k.dropout(X, 0.5, **SEEDED, sample_offset=2**32), ValueError, r"sample_offset is 4294967296"),
        (lambda k: k.dropout(np.array(1.0), 0.5, **SEEDED), ValueError, r"dropout: x has shape \(\)"),
        (lambda k: k.dropout(X[:, :0], 0.5, **SEEDED), ValueError, r"dropout: x has shape \(3, 0\), only N may be 0"),
        (lambda k: k.dropout_backward(X, X[:2]), ValueError, r"dropout_backward: mask has shape \(2, 4\)"),
    ],
)
def test_refusals(kernels, call, error, message):
    assert_refused(error, message, lambda: call(kernels), X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fk.dropout(X.astype(int), 0.5, **SEEDED), TypeError, r"dropout: x has dtype int64"),
        (lambda: fk.dropout_backward(X, X.astype(np.float64)), TypeError, r"dropout_backward: dy is float32 but mask"),
        (lambda: fk.dropout_backward(X, X, out=X[:, :3]), ValueError, r"dropout_backward: out has shape"),
        (lambda: fk.dropout_backward(X, X, out=X.astype(int)), TypeError, r"dropout_backward: out has dtype"),
    ],
)
def test_refusals_of_dtypes(call, error, message):
    assert_refused(error, message, call, X)


@both
def test_backward_works_in_place(kernels):
    dy = numbers((3, 50))
    mask = kernels.dropout(dy, 0.5, seed=1, step=1)[1]
    expected = kernels.dropout_backward(dy, mask)
    assert kernels.dropout_backward(dy, mask, out=dy) is dy
    np.testing.assert_array_equal(dy, expected)


@numba.njit
def compiled(x, rate, seed, step, op, offset):
    y, mask = fk.dropout(x, rate, seed=seed, step=step, op=op, sample_offset=offset)
    again, _ = fk.dropout(x, rate, seed=seed, step=step)
    return y, mask, again, fk.dropout_backward(x, mask)


def test_inside_compiled_code():
    x = numbers((5, 3, 7), np.float64)[:, :, ::2]
    for seed in (11, np.uint64(2**64 - 3)):
        y, mask, again, dx = compiled(x, 0.3, seed, 2**35 + 1, 4, 6)
        expected = ref.dropout(x, 0.3, seed=seed, step=2**35 + 1, op=4, sample_offset=6)
        np.testing.assert_array_equal(y, expected[0])
        np.testing.assert_array_equal(mask, expected[1])
        np.testing.assert_array_equal(again, ref.dropout(x, 0.3, seed=seed, step=2**35 + 1)[0])
        np.testing.assert_array_equal(dx, ref.dropout_backward(x, mask))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, 1, 1, 0, 0), "rate is not between"),
        ((np.nan, 1, 1, 0, 0), "rate is not between"),
        ((0.5, -1, 1, 0, 0), "out of range"),
        ((0.5, 1, 2**40, 0, 0), "out of range"),
        ((0.5, 1, 1, -1, 0), "out of range"),
        ((0.5, 1, 1, 2**23, 0), "op is not below"),
        ((0.5, 1, 1, 0, 2**32 - 4), "sample_offset is out of range"),
    ],
)
def test_compiled_callers_are_refused_too(arguments, message):
    with pytest.raises(ValueError, match=message):
        compiled(numbers((5, 3, 4), np.float64)[:, :, ::2], *arguments)


def test_compiled_callers_need_floats_and_whole_seeds():
    with pytest.raises(TypingError, match="float32 or float64"):
        compiled(np.ones((2, 3), np.int64), 0.5, 1, 1, 0, 0)
    with pytest.raises(TypingError, match="sample_offset are ints"):
        compiled(np.ones((2, 3)), 0.5, 1.0, 1, 0, 0)
