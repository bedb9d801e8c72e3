"""Augmentation of drawn shapes, with drawn options, against integer NumPy; empty batches, NaN, and what is refused."""

import types
from typing import Any

import numpy as np
import pytest
from cases_augment import CALLS, KEY
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each = pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])


def drawn_pictures(shape: tuple[int, ...], dtype: type) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(sum(shape)).integers(-4, 5, shape)
    return x.astype(dtype), x


shapes = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
keys = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**64 - 1),
        "step": st.integers(0, 2**40 - 1),
        "op": st.integers(0, 2**16 - 1),
        "sample_offset": st.integers(0, 2**31),
    }
)
distances = st.one_of(st.integers(0, 25), st.tuples(st.integers(0, 25), st.integers(0, 25)))
dtypes = st.sampled_from([np.float32, np.float64])


@examples
@given(shapes, keys, st.booleans(), st.booleans(), st.floats(0, 1), dtypes)
def test_flips_are_exact(
    shape: tuple[int, ...], key: dict[str, int], across: bool, down: bool, probability: float, dtype: type
) -> None:
    x, integers = drawn_pictures(shape, dtype)
    options = {"horizontal": across, "vertical": down, "probability": probability}
    np.testing.assert_array_equal(fk.flip(x, **key, **options), ref.flip(integers, **key, **options))


@examples
@given(shapes, keys, distances, st.data(), st.integers(-3, 3), dtypes)
def test_crops_and_shifts_are_exact(
    shape: tuple[int, ...], key: dict[str, int], padding: Any, data: Any, fill: int, dtype: type
) -> None:
    x, integers = drawn_pictures(shape, dtype)
    high, wide = padding if isinstance(padding, tuple) else (padding, padding)
    size = data.draw(st.tuples(st.integers(1, shape[2] + 2 * high), st.integers(1, shape[3] + 2 * wide)))
    for options in ({"fill": fill}, {"fill": fill, "size": size}):
        y = fk.crop(x, padding, **key, **options)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, ref.crop(integers, padding, **key, **options))
    np.testing.assert_array_equal(
        fk.shift(x, padding, fill=fill, **key), ref.shift(integers, padding, fill=fill, **key)
    )


@examples
@given(shapes, keys, distances, st.integers(-3, 3), dtypes)
def test_cutouts_are_exact(shape: tuple[int, ...], key: dict[str, int], size: Any, fill: int, dtype: type) -> None:
    x, integers = drawn_pictures(shape, dtype)
    size = tuple(s + 1 for s in size) if isinstance(size, tuple) else size + 1
    np.testing.assert_array_equal(
        fk.cutout(x, size, fill=fill, **key), ref.cutout(integers, size, fill=fill, **key)
    )


@examples
@given(shapes, keys, st.integers(-4, 4), st.integers(-3, 3), st.floats(0, 180), dtypes)
def test_rotations_equal_the_twin(
    shape: tuple[int, ...], key: dict[str, int], quarters: int, fill: int, degrees: float, dtype: type
) -> None:
    x, integers = drawn_pictures(shape, dtype)
    if (shape[2] - shape[3]) % 2 == 0:  # else a quarter turn takes pixels to places between pixels
        turn = (90 * quarters, 90 * quarters)
        np.testing.assert_array_equal(
            fk.rotate(x, turn, fill=fill, **key), ref.rotate(integers, turn, fill=fill, **key)
        )
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(
        fk.rotate(x, degrees, fill=fill, **key), ref.rotate(x, degrees, fill=fill, **key), rtol=rtol, atol=10 * rtol
    )


@examples
@given(shapes, keys, st.integers(1, 12), dtypes)
def test_mixing_in_halves_is_exact(shape: tuple[int, ...], key: dict[str, int], classes: int, dtype: type) -> None:
    x, integers = drawn_pictures(shape, dtype)
    target, whole = drawn_pictures((shape[0], classes), dtype)
    for actual, expected in zip(fk.mixup(x, target, 1e30, **key), ref.mixup(integers, whole, 1e30, **key), strict=True):
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual, expected)


# ---- edges and refusals


@both
@both_dtypes
def test_empty_batch(kernels: types.ModuleType, dtype: type) -> None:
    x = np.ones((0, 3, 6, 5), dtype)
    for name, args, options in CALLS:
        y = getattr(kernels, name)(x, *args, **KEY, **options)
        assert (y.shape, y.dtype) == ((0, 3, *options.get("size", (6, 5))), dtype)
    y, mixed = kernels.mixup(x, np.ones((0, 4), dtype), 1.0, **KEY)
    assert (y.shape, mixed.shape) == (x.shape, (0, 4))


@both
def test_nan_and_infinity_move_like_any_pixel(kernels: types.ModuleType) -> None:
    x = np.ones((4, 1, 6, 6))
    x[:, 0, 2, 2], x[:, 0, 3, 3] = np.nan, -np.inf
    for name, args in (("flip", ()), ("crop", (1,)), ("shift", (1,))):
        y = getattr(kernels, name)(x, *args, **KEY)
        assert np.isnan(y).sum() == np.isinf(y).sum() == 4
    with np.errstate(invalid="ignore"):
        y = kernels.rotate(x, (45, 45), **KEY)
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(ref.rotate(x, (45, 45), **KEY)))
    assert np.isfinite(y).any()
    assert np.isfinite(kernels.cutout(x, 13, **KEY)).all()


@both
@pytest.mark.parametrize("place", [np.s_[:, 1], np.s_[1], np.s_[:, :, 0], np.s_[:, :, :, 0]], ids=str)
def test_rotate_reads_nothing_beyond_its_plane(place: Any, kernels: types.ModuleType) -> None:
    """Not the first row or column, the next channel or sample for the pixel behind the last."""
    x = np.ones((2, 2, 20, 5))
    x[place] = np.nan
    np.testing.assert_array_equal(kernels.rotate(x, 0, **KEY), x)


X = np.ones((2, 3, 6, 5), np.float32)
T = np.ones((2, 4), np.float32)

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda k: k.flip(X[0], **KEY), ValueError, r"flip: x has 3 axes .*\(N, C, H, W\)"),
    (lambda k: k.flip(X[:, :0], **KEY), ValueError, r"flip: x has shape \(2, 0, 6, 5\), only N may be 0"),
    (lambda k: k.flip(X, probability=1.5, **KEY), ValueError, r"flip: probability is 1\.5, needed: 0 <= prob"),
    (lambda k: k.flip(X, probability=-0.1, **KEY), ValueError, r"flip: probability is -0\.1"),
    (lambda k: k.flip(X, probability=np.nan, **KEY), ValueError, r"flip: probability is nan"),
    (lambda k: k.flip(X, probability="1", **KEY), TypeError, r"flip: probability is '1' \(str\)"),
    (lambda k: k.flip(X, horizontal=1, **KEY), TypeError, r"flip: horizontal is 1 \(int\), True or False"),
    (lambda k: k.flip(X, vertical=None, **KEY), TypeError, r"flip: vertical is None"),
    (lambda k: k.crop(X, -1, **KEY), ValueError, r"crop: padding is -1, at least 0"),
    (lambda k: k.crop(X, 1.0, **KEY), TypeError, r"crop: padding is 1\.0 \(float\), an int"),
    (lambda k: k.crop(X, (1, 2, 3), **KEY), ValueError, r"crop: padding is \(1, 2, 3\)"),
    (lambda k: k.crop(X, 2**30, **KEY), ValueError, r"crop: padding is 1073741824, below 2\*\*30"),
    (lambda k: k.crop(X, 1, size=0, **KEY), ValueError, r"crop: size is 0, at least 1"),
    (lambda k: k.crop(X, 1, size=8, **KEY), ValueError, r"crop: size is \(8, 8\), .*\(8, 7\) .*\(1, 1\)"),
    (lambda k: k.crop(X, 2**30 - 1, size=1, **KEY), ValueError, r"crop: a window .* at most 2\*\*31"),
    (lambda k: k.crop(X, 1, fill=np.inf, **KEY), ValueError, r"crop: fill is inf"),
    (lambda k: k.crop(X, 1, fill=None, **KEY), TypeError, r"crop: fill is None"),
    (lambda k: k.shift(X, (0, -2), **KEY), ValueError, r"shift: max_shift is -2"),
    (lambda k: k.shift(X, 2**30, **KEY), ValueError, r"shift: max_shift is 1073741824, below 2\*\*30"),
    (lambda k: k.shift(X, 1, fill=np.nan, **KEY), ValueError, r"shift: fill is nan"),
    (lambda k: k.rotate(X, -1, **KEY), ValueError, r"rotate: degrees is -1, needed: 0\.0 <= degrees"),
    (lambda k: k.rotate(X, 361, **KEY), ValueError, r"rotate: degrees is 361, needed: -360 <= low"),
    (lambda k: k.rotate(X, (5, 1), **KEY), ValueError, r"rotate: degrees is \(5, 1\)"),
    (lambda k: k.rotate(X, (-400, 1), **KEY), ValueError, r"rotate: degrees is -400"),
    (lambda k: k.rotate(X, (1, 2, 3), **KEY), ValueError, r"rotate: degrees is \(1, 2, 3\), a number or \(low"),
    (lambda k: k.rotate(X, np.nan, **KEY), ValueError, r"rotate: degrees is nan"),
    (lambda k: k.rotate(X, "9", **KEY), TypeError, r"rotate: degrees is '9'"),
    (lambda k: k.cutout(X, 0, **KEY), ValueError, r"cutout: size is 0, at least 1"),
    (lambda k: k.cutout(X, (1, 0), **KEY), ValueError, r"cutout: size is 0"),
    (lambda k: k.cutout(X, 2.0, **KEY), TypeError, r"cutout: size is 2\.0"),
    (lambda k: k.mixup(X, T, 0, **KEY), ValueError, r"mixup: alpha is 0\.0, more than 0"),
    (lambda k: k.mixup(X, T, -1.0, **KEY), ValueError, r"mixup: alpha is -1\.0"),
    (lambda k: k.mixup(X, T, np.inf, **KEY), ValueError, r"mixup: alpha is inf"),
    (lambda k: k.mixup(X, T[:1], 1.0, **KEY), ValueError, r"mixup: target has 1 samples, .* are needed, 2"),
    (lambda k: k.mixup(X, T[0], 1.0, **KEY), ValueError, r"mixup: target has 1 axes"),
    (lambda k: k.mixup(X, T[:, :0], 1.0, **KEY), ValueError, r"mixup: target has shape \(2, 0\)"),
    (lambda k: k.mixup(X, T.astype(np.float64), 1.0, **KEY), TypeError, r"mixup: x is float32 but target is"),
    (lambda k: k.mixup(X[:, :, :0], T, 1.0, **KEY), ValueError, r"mixup: x has shape \(2, 3, 0, 5\)"),
]


@both
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[2])
def test_refusals(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    assert_refused(error, message, lambda: call(kernels), X, T)


@both
@pytest.mark.parametrize("row", [*CALLS, ("mixup", (T, 1.0), {})], ids=lambda row: row[0])
def test_refusals_of_what_the_numbers_depend_on(row: Any, kernels: types.ModuleType) -> None:
    name, args, options = row
    for key, value, error in [
        ("seed", -1, ValueError),
        ("seed", 2**64, ValueError),
        ("seed", 1.0, TypeError),
        ("step", -1, ValueError),
        ("step", 2**40, ValueError),
        ("step", True, TypeError),
        ("op", -1, ValueError),
        ("op", 2**16, ValueError),
        ("sample_offset", -1, ValueError),
        ("sample_offset", 2**32 - 1, ValueError),
    ]:
        wrong = {**KEY, key: value}
        assert_refused(
            error,
            f"^{name}: {key} is",
            lambda wrong=wrong: getattr(kernels, name)(X, *args, **wrong, **options),  # type: ignore[misc]
            X,
        )


@both
@each
def test_wrong_out(row: Any, kernels: types.ModuleType) -> None:
    name, args, options = row
    x = np.ones((3, 2, 7, 6))
    function = getattr(kernels, name)
    right = function(x, *args, **KEY, **options)
    assert right.shape == x.shape
    for out, error, message in [
        (x, ValueError, "overlaps"),
        (np.zeros((3, 2, 7, 5)), ValueError, "shape"),
        (np.zeros(x.shape, np.float32), TypeError, "float32"),
        (np.zeros((3, 2, 7, 12))[..., ::2], ValueError, "C-contiguous"),
    ]:
        assert_refused(
            error,
            f"^{name}: out .*{message}",
            lambda out=out: function(x, *args, **KEY, **options, out=out),  # type: ignore[misc]
            x,
            out,
        )
