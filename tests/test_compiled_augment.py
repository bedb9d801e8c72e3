"""Augmentation inside somebody's own compiled functions."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

X = np.random.default_rng(3).standard_normal((6, 2, 8, 8))
T = np.eye(6, 3)


@numba.njit
def all_of_them(x, target, seed, step):
    out = np.empty_like(x)
    fk.flip(x, seed=seed, step=step, vertical=True, probability=0.6, op=1, out=out)
    return (
        out,
        fk.crop(x, 2, seed=seed, step=step),
        fk.crop(x, (1, 2), seed=seed, step=step, size=(5, 9), fill=-1, sample_offset=4),
        fk.shift(x, 3, seed=seed, step=step, fill=0.5),
        fk.rotate(x, (-90.0, 10), seed=seed, step=step, fill=2),
        fk.cutout(x, (3, 4), seed=seed, step=step),
        *fk.mixup(x, target, 0.4, seed=seed, step=step),
    )


def test_they_equal_the_twins():
    key = {"seed": 5, "step": 7}
    expected = (
        ref.flip(X, **key, vertical=True, probability=0.6, op=1),
        ref.crop(X, 2, **key),
        ref.crop(X, (1, 2), **key, size=(5, 9), fill=-1, sample_offset=4),
        ref.shift(X, 3, **key, fill=0.5),
        ref.rotate(X, (-90.0, 10), **key, fill=2),
        ref.cutout(X, (3, 4), **key),
        *ref.mixup(X, T, 0.4, **key),
    )
    for actual, e in zip(all_of_them(X, T, 5, 7), expected, strict=True):
        assert actual.dtype == e.dtype
        np.testing.assert_allclose(actual, e, rtol=1e-12, atol=1e-12)


@numba.njit
def flipped(x, seed, step, probability, op, sample_offset):
    return fk.flip(x, seed=seed, step=step, probability=probability, op=op, sample_offset=sample_offset)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_and_all_seeds(dtype):
    x = np.repeat(X.astype(dtype), 2, axis=3)[..., ::2]
    y = flipped(x, np.uint64(2**64 - 5), 2**40 - 1, 0.5, 2**16 - 1, 2**32 - 6)
    expected = ref.flip(x, seed=2**64 - 5, step=2**40 - 1, op=2**16 - 1, sample_offset=2**32 - 6)
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == dtype


@numba.njit(parallel=True)
def in_a_loop(x, rounds):
    sums = np.zeros(rounds)
    for i in numba.prange(rounds):
        sums[i] = np.abs(fk.shift(x, 2, seed=1, step=i)).sum()
    return sums


def test_in_a_parallel_loop():
    expected = [np.abs(ref.shift(X, 2, seed=1, step=i)).sum() for i in range(5)]
    np.testing.assert_allclose(in_a_loop(X, 5), expected)


@numba.njit
def cropped(x, padding, size, fill):
    return fk.crop(x, padding, seed=1, step=1, size=size, fill=fill)


@numba.njit
def shifted(x, max_shift):
    return fk.shift(x, max_shift, seed=1, step=1)


@numba.njit
def rotated(x, degrees):
    return fk.rotate(x, degrees, seed=1, step=1)


@numba.njit
def covered(x, size):
    return fk.cutout(x, size, seed=1, step=1)


@numba.njit
def mixed(x, target, alpha):
    return fk.mixup(x, target, alpha, seed=1, step=1)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "probability", lambda: flipped(X, 1, 1, 1.5, 0, 0)),
        (ValueError, "probability", lambda: flipped(X, 1, 1, np.nan, 0, 0)),
        (ValueError, "seed, step or op", lambda: flipped(X, -1, 1, 0.5, 0, 0)),
        (ValueError, "seed, step or op", lambda: flipped(X, 1, 2**40, 0.5, 0, 0)),
        (ValueError, "op is out of range", lambda: flipped(X, 1, 1, 0.5, 2**16, 0)),
        (ValueError, "sample_offset", lambda: flipped(X, 1, 1, 0.5, 0, 2**32 - 5)),
        (TypingError, "sample_offset are ints", lambda: flipped(X, 1.0, 1, 0.5, 0, 0)),
        (TypingError, "4 are needed", lambda: flipped(X[0], 1, 1, 0.5, 0, 0)),
        (TypingError, "float32 or float64", lambda: flipped(X.astype(np.int32), 1, 1, 0.5, 0, 0)),
        (ValueError, "padding is below 0", lambda: cropped(X, -1, 8, 0.0)),
        (ValueError, "size is below 1 or above", lambda: cropped(X, 1, 11, 0.0)),
        (ValueError, "size is below 1 or above", lambda: cropped(X, 1, 0, 0.0)),
        (ValueError, "fill is not finite", lambda: cropped(X, 1, 8, np.inf)),
        (ValueError, "max_shift is below 0 or not below", lambda: shifted(X, 2**31)),
        (ValueError, "max_shift is below 0", lambda: shifted(X, -1)),
        (ValueError, "degrees", lambda: rotated(X, -1)),
        (ValueError, "degrees", lambda: rotated(X, (20.0, 10.0))),
        (ValueError, "size is below 1", lambda: covered(X, (3, 0))),
        (ValueError, "different numbers of samples", lambda: mixed(X, T[:5], 1.0)),
        (ValueError, "alpha", lambda: mixed(X, T, 0.0)),
        (TypingError, "one dtype is needed", lambda: mixed(X, T.astype(np.float32), 1.0)),
    ],
)
def test_wrong_arguments_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()
