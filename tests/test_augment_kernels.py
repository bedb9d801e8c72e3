"""Augmentation: what is drawn and how often, where pixels go, and that threads and the cut of a batch do not matter."""

import math
import types
from typing import Any

import numpy as np
import pytest
from cases_augment import CALLS, KEY

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import _augmentation as augmentation
from fastnn_kernels.reference import augment as twin

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

each = pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])


def pictures(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    """Pixels that are all different, and none 0."""
    return np.arange(1, math.prod(shape) + 1, dtype=dtype).reshape(shape)


def chi_square(counts: np.ndarray) -> float:
    """Deviation from equal counts, as standard deviations of the sum from its mean."""
    expected = counts.sum() / counts.size
    degrees = counts.size - 1
    return float((((counts - expected) ** 2 / expected).sum() - degrees) / np.sqrt(2 * degrees))


# ---- what the numbers depend on


@both
@each
def test_a_batch_may_be_cut_anywhere(row: Any, kernels: types.ModuleType) -> None:
    name, args, options = row
    x = pictures(9, 2, 8, 9)
    function = getattr(kernels, name)
    whole = function(x, *args, **KEY, **options, sample_offset=100)
    for k in (1, 4, 8):
        rest = function(x[k:], *args, **KEY, **options, sample_offset=100 + k)
        np.testing.assert_array_equal(rest, whole[k:])


@each
def test_other_seeds_steps_and_ops_give_other_pictures(row: Any) -> None:
    name, args, options = row
    x = pictures(20, 1, 8, 8)
    keys: list[dict[str, int]] = [
        {"seed": 0, "step": 0},
        {"seed": 1, "step": 0},
        {"seed": 2**32, "step": 0},
        {"seed": 2**64 - 1, "step": 0},
        {"seed": 0, "step": 1},
        {"seed": 0, "step": 2**32},
        {"seed": 0, "step": 2**40 - 1},
        {"seed": 0, "step": 0, "op": 1},
        {"seed": 0, "step": 0, "op": 2**16 - 1},
        {"seed": 0, "step": 0, "sample_offset": 1},
        {"seed": 0, "step": 0, "sample_offset": 2**32 - 20},
    ]
    found = [getattr(fk, name)(x, *args, **key, **options) for key in keys]
    assert len({y.tobytes() for y in found}) == len(keys)
    for y, key in zip(found, keys, strict=True):
        np.testing.assert_allclose(y, getattr(ref, name)(x, *args, **key, **options), rtol=1e-12, atol=1e-10)


def test_no_two_augmentations_share_their_numbers() -> None:
    drawn = {
        twin.words(augmentation.stream(name, 5, 6, op, 0, 1), 1)[0].item()
        for name in augmentation.KINDS for op in (0, 1, 2**16 - 1)
    }  # fmt: skip
    assert len(drawn) == 3 * len(augmentation.KINDS)
    x = pictures(20, 1, 8, 8)
    assert (fk.crop(x, 2, **KEY) != fk.shift(x, 2, **KEY)).any()


@both_dtypes
def test_threads_do_not_matter(dtype: type) -> None:
    """Enough pixels that two threads share them."""
    x, target = pictures(220, 3, 32, 32, dtype=dtype), np.eye(220, 4, dtype=dtype)
    before = fk.get_num_threads()
    found: list[list[np.ndarray]] = []
    try:
        for threads in (1, min(2, before)):
            fk.set_num_threads(threads)
            ys = [getattr(fk, name)(x, *args, **KEY, **options) for name, args, options in CALLS]
            found.append([*ys, *fk.mixup(x, target, 0.3, **KEY)])
    finally:
        fk.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


# ---- flip


@both
def test_flip_by_hand(kernels: types.ModuleType) -> None:
    x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    across = kernels.flip(x, probability=1, **KEY)
    np.testing.assert_array_equal(across, [[[[3, 2, 1], [6, 5, 4]]]])
    down = kernels.flip(x, horizontal=False, vertical=True, probability=1, **KEY)
    np.testing.assert_array_equal(down, [[[[4, 5, 6], [1, 2, 3]]]])
    np.testing.assert_array_equal(kernels.flip(x, vertical=True, probability=1, **KEY), [[[[6, 5, 4], [3, 2, 1]]]])
    for options in ({"probability": 0}, {"horizontal": False, "probability": 1}):
        np.testing.assert_array_equal(kernels.flip(x, **options, **KEY), x)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_flips_come_as_often_as_asked_and_independently(probability: float) -> None:
    n = 10_000
    x = np.tile(np.array([[1.0, 2.0], [3.0, 4.0]]), (n, 1, 1, 1))
    corner = fk.flip(x, vertical=True, probability=probability, **KEY)[:, 0, 0, 0].astype(int) - 1
    across, down = corner % 2, corner // 2
    five_sigma = 5 * np.sqrt(probability * (1 - probability) / n)
    assert abs(across.mean() - probability) < five_sigma
    assert abs(down.mean() - probability) < five_sigma
    assert abs(np.corrcoef(across, down)[0, 1]) < 5 / np.sqrt(n)


# ---- crop and shift


@both
def test_shift_reaches_all_places_equally_often(kernels: types.ModuleType) -> None:
    n = 4000
    x = np.tile(pictures(1, 1, 5, 6), (n, 1, 1, 1))
    y = kernels.shift(x, (1, 2), fill=-1, **KEY)
    padded = np.pad(x[0, 0], ((1, 1), (2, 2)), constant_values=-1)
    counts = []
    for dh in (-1, 0, 1):
        for dw in (-2, -1, 0, 1, 2):
            moved = padded[1 - dh : 6 - dh, 2 - dw : 8 - dw]
            counts.append((y[:, 0] == moved).all(axis=(1, 2)).sum())
    assert sum(counts) == n
    assert chi_square(np.array(counts)) < 4


@both
def test_crop_reaches_all_windows_equally_often(kernels: types.ModuleType) -> None:
    n = 3000
    x = np.tile(pictures(1, 2, 3, 4), (n, 1, 1, 1))
    y = kernels.crop(x, 1, size=(4, 3), **KEY)
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    counts = [(y == padded[:, a : a + 4, b : b + 3]).all(axis=(1, 2, 3)).sum() for a in range(2) for b in range(4)]
    assert y.shape == (n, 2, 4, 3)
    assert sum(counts) == n
    assert chi_square(np.array(counts)) < 4


@both
def test_windows_that_miss_the_image(kernels: types.ModuleType) -> None:
    x = pictures(40, 1, 2, 2)
    y = kernels.shift(x, 2**30 - 1, fill=7, **KEY)
    np.testing.assert_array_equal(y, np.full_like(x, 7))
    np.testing.assert_array_equal(kernels.shift(x, 0, **KEY), x)
    np.testing.assert_array_equal(kernels.crop(x, 0, **KEY), x)
    whole = kernels.crop(x, (1, 0), size=(4, 2), **KEY)
    np.testing.assert_array_equal(whole, np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0))))


# ---- rotate


@both
@both_dtypes
def test_quarter_turns_are_exact(kernels: types.ModuleType, dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((5, 2, 7, 7)).astype(dtype)
    for degrees in (-360, -270, -180, -90, 0, 90, 180, 270, 360):
        y = kernels.rotate(x, (degrees, degrees), **KEY)
        np.testing.assert_array_equal(y, np.rot90(x, degrees // 90, axes=(2, 3)))
    np.testing.assert_array_equal(kernels.rotate(x, 0, **KEY), x)
    oblong = x[..., :4]
    np.testing.assert_array_equal(kernels.rotate(oblong, (180, 180), **KEY), oblong[..., ::-1, ::-1])


@both
def test_rotate_by_hand(kernels: types.ModuleType) -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 0, 1] = 1.0  # above the centre: an eighth of a turn brings it to the upper left, between the pixels
    y = kernels.rotate(x, (45, 45), **KEY)[0, 0]
    near, far = math.sqrt(0.5), 1 - math.sqrt(0.5)
    # The upper left pixel comes from (1 - sqrt(2), 1): from above the image, in its middle column.
    assert y[0, 0] == pytest.approx(1 - (math.sqrt(2) - 1))
    # The one above the centre comes from (1 - near, 1 + near), the one on the left from (1 - near, 1 - near).
    assert y[0, 1] == pytest.approx(near * far)
    assert y[1, 0] == pytest.approx(near * far)
    assert y[0, 2] == 0.0
    assert y[1, 1] == 0.0
    np.testing.assert_allclose(kernels.rotate(np.ones((1, 1, 3, 3)), (45, 45), fill=1, **KEY), 1.0)


@both
def test_angles_cover_their_range(kernels: types.ModuleType) -> None:
    """A pixel far from the centre tells the angle."""
    n = 2000
    # The height below the centre: linear, so that interpolation is exact.
    x = np.tile(np.arange(41.0)[:, None] - 20, (n, 1, 1, 41))
    heights = kernels.rotate(x, (-30, 60), **KEY)[:, 0, 20, 30]
    angles = np.degrees(np.arcsin(heights / 10))
    assert angles.min() > -30 - 1e-9
    assert angles.max() < 60
    assert chi_square(np.histogram(angles, 10, (-30, 60))[0]) < 4
    drawn = twin.rotation_angles(augmentation.stream("rotate", KEY["seed"], KEY["step"], 0, 0, n), n, -30, 60)
    np.testing.assert_allclose(angles, drawn, atol=1e-9)


# ---- cutout


@both
def test_cutout_is_a_rectangle_about_any_pixel(kernels: types.ModuleType) -> None:
    n = 4000
    x = np.tile(pictures(1, 2, 4, 5), (n, 1, 1, 1))
    hidden = kernels.cutout(x, (3, 2), fill=-1, **KEY) == -1
    np.testing.assert_array_equal(hidden[:, 0], hidden[:, 1])
    counts = []
    for row in range(4):
        for column in range(5):
            expected = np.zeros((4, 5), bool)
            expected[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 1] = True
            counts.append((hidden[:, 0] == expected).all(axis=(1, 2)).sum())
    assert sum(counts) == n
    assert chi_square(np.array(counts)) < 4
    visible = np.where(hidden, x, kernels.cutout(x, (3, 2), fill=-1, **KEY))
    np.testing.assert_array_equal(visible, x)


@both
def test_cutout_larger_than_the_image(kernels: types.ModuleType) -> None:
    x = pictures(30, 1, 3, 3)
    np.testing.assert_array_equal(kernels.cutout(x, 7, **KEY), np.zeros_like(x))
    np.testing.assert_array_equal(kernels.cutout(x, 2**31 - 1, fill=2, **KEY), np.full_like(x, 2))


# ---- mixup


def shares_and_partners(kernels: types.ModuleType, n: int, alpha: float, **key: int) -> tuple[np.ndarray, np.ndarray]:
    """Read what was drawn from the mixed targets, each sample a class of its own."""
    _, mixed = kernels.mixup(np.zeros((n, 1)), np.eye(n), alpha, **key)
    share = np.diagonal(mixed).copy()
    others = mixed - np.diag(share)
    partner = others.argmax(axis=1)
    itself = others.max(axis=1) == 0
    partner[itself] = np.arange(n)[itself]
    return share, partner


@both
@both_dtypes
def test_mixup_mixes_samples_and_targets_alike(kernels: types.ModuleType, dtype: type) -> None:
    n = 12
    x, labels = np.random.default_rng(1).standard_normal((n, 3, 5, 4)).astype(dtype), np.arange(n) % 5
    y, mixed = kernels.mixup(x, np.eye(5, dtype=dtype)[labels], 0.4, **KEY)
    share, partner = shares_and_partners(kernels, n, 0.4, **KEY)
    assert sorted(partner) == list(range(n))
    assert share.min() >= 0
    assert share.max() <= 1
    weights = share[:, None, None, None]
    np.testing.assert_allclose(y, weights * x + (1 - weights) * x[partner], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)
    for s in range(n):
        one = share[s] + (1 - share[s]) * (labels[s] == labels[partner[s]])
        assert mixed[s, labels[s]] == pytest.approx(one, rel=1e-5)


def test_partners_are_any_permutation_equally_often() -> None:
    orders = [shares_and_partners(fk, 3, 0.9, seed=4, step=step)[1] for step in range(1200)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert chi_square(counts) < 4


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 3.0, 40.0])
def test_shares_have_the_beta_distribution(alpha: float) -> None:
    n = 20_000
    share = twin.shares(augmentation.stream("mixup", 8, 1, 0, 0, n), n, alpha)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(share.mean() - 0.5) < 5 * np.sqrt(variance / n)
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))  # central moment of Beta(alpha, alpha)
    assert abs(((share - 0.5) ** 2).mean() - variance) < 5 * np.sqrt((fourth - variance**2) / n)
    if alpha in (0.5, 1.0):  # closed distribution functions: Kolmogorov's distance, above 2 / sqrt(n) once in 1,500
        ordered = np.sort(share)
        cumulative = ordered if alpha == 1.0 else 2 / np.pi * np.arcsin(np.sqrt(ordered))
        assert np.abs(cumulative - (np.arange(n) + 0.5) / n).max() < 2 / np.sqrt(n)


@both
@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-9, 1e9, 1.7e308])
def test_shares_at_the_ends_of_alpha(kernels: types.ModuleType, alpha: float) -> None:
    share, partner = shares_and_partners(kernels, 50, alpha, **KEY)
    share = share[partner != np.arange(50)]
    expected = np.round(share) if alpha < 1 else 0.5
    np.testing.assert_allclose(share, expected, atol=1e-4)
