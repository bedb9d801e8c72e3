"""Philox4x32-10: the published answers, kernel and twin alike, and what its numbers are made of."""

import numpy as np
import pytest
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st

from fastnn_kernels import _options as options
from fastnn_kernels import random
from fastnn_kernels._jit import entry
from fastnn_kernels.reference import random as twin

FULL = 0xFFFFFFFF
# "kat_vectors" of the Random123 distribution: key, counter, words.
PUBLISHED = [
    ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL, FULL), (FULL,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0xA4093822, 0x299F31D0),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@entry
def compiled_philox(key0, key1, c0, c1, c2, c3):
    return random.philox(key0, key1, c0, c1, c2, c3)


@entry
def compiled_draws(key0, key1, op, step, first, samples, groups, words, numbers, integers, n):
    """Fill (samples, 4 * groups) arrays with words, numbers in [0, 1) and integers below n."""
    for s in range(samples):
        for g in range(groups):
            found = random.draw(key0, key1, op, step, first + s, g)
            for k in range(4):
                words[s, 4 * g + k] = found[k]
                numbers[s, 4 * g + k] = random.uniform(found[k])
                integers[s, 4 * g + k] = random.below(found[k], n)


@pytest.mark.parametrize(("key", "counter", "words"), PUBLISHED)
def test_published_answers(key, counter, words):
    assert compiled_philox(*key, *counter) == words
    assert tuple(int(word) for word in twin.philox(*key, *counter)) == words


def draws(key, op, step, first, samples=3, groups=5, n=10):
    words = np.zeros((samples, 4 * groups), np.int64)
    numbers, integers = np.zeros(words.shape), np.zeros_like(words)
    compiled_draws(*key, op, step, first, samples, groups, words, numbers, integers, n)
    return words, numbers, integers


@examples
@given(
    seed=st.integers(0, 2**64 - 1),
    op=st.integers(0, 2**24 - 1),
    step=st.integers(0, 2**40 - 1),
    first=st.integers(0, 2**32 - 3),
    n=st.integers(1, 2**31),
)
def test_kernel_and_twin_draw_the_same(seed, op, step, first, n):
    key = options.seed_words("f", seed)
    words, numbers, integers = draws(key, op, step, first, n=n)
    position = first + np.arange(3)[:, None]
    expected = np.stack(twin.draw(*key, op, step, position, np.arange(5)), axis=-1).reshape(3, 20)
    np.testing.assert_array_equal(words, expected)
    np.testing.assert_array_equal(numbers, twin.uniform(expected))
    np.testing.assert_array_equal(integers, twin.below(expected, n))
    assert words.min() >= 0
    assert words.max() < 2**32
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert integers.min() >= 0
    assert integers.max() < n


def test_the_ends_of_the_ranges():
    ends = np.array([0, FULL])
    np.testing.assert_array_equal(twin.uniform(ends), [0.0, 1 - 2**-32])
    np.testing.assert_array_equal(twin.below(ends, 7), [0, 6])
    np.testing.assert_array_equal(twin.below(ends, 2**31), [0, 2**31 - 1])


def test_no_two_uses_share_their_numbers():
    """Every seed, op, step and position has words of its own, also where one number is another's half."""
    seeds = (0, 1, 2**32, 2**32 + 1, 2**64 - 1)
    ops, steps, positions = (0, 1, 255, 256, 2**24 - 1), (0, 1, 2**32, 2**32 + 1, 2**40 - 1), (0, 1, 16, 2**32 - 1)
    found = {
        draws(options.seed_words("f", seed), op, step, position, 1, 2)[0].tobytes()
        for seed in seeds for op in ops for step in steps for position in positions
    }  # fmt: skip
    assert len(found) == len(seeds) * len(ops) * len(steps) * len(positions)


def test_the_numbers_are_spread_evenly():
    words, numbers, integers = draws((5, 0), 1, 7, 0, 64, 256)
    n = words.size
    assert abs(numbers.mean() - 0.5) < 4 / np.sqrt(12 * n)
    bits = (words.ravel()[:, None] >> np.arange(32)) & 1
    assert abs(bits.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / np.sqrt(n)
    counts = np.bincount(integers.ravel(), minlength=10)
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() < 30  # chi square of 9 degrees: above 30 once in 2,000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, 0, 0, 0), ValueError, r"f: seed is -1, at least 0 is needed"),
        ((2**64, 0, 0, 0), ValueError, r"f: seed is \d+, below 2\*\*64 is needed"),
        ((0.0, 0, 0, 0), TypeError, r"f: seed is 0.0 \(float\), an int is needed"),
        ((True, 0, 0, 0), TypeError, r"f: seed is True"),
        ((0, -1, 0, 0), ValueError, r"f: step is -1"),
        ((0, 2**40, 0, 0), ValueError, r"f: step is \d+, below 2\*\*40 is needed"),
        ((0, 0, -1, 0), ValueError, r"f: op is -1"),
        ((0, 0, 2**24, 0), ValueError, r"f: op is 16777216, below 2\*\*24 is needed"),
        ((0, 0, 0, -1), ValueError, r"f: sample_offset is -1"),
        ((0, 0, 0, 2**32 - 7), ValueError, r"f: sample_offset is 4294967289 with 8 samples"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        options.stream("f", *arguments, 8)


def test_numpy_integers_are_taken():
    assert options.stream("f", np.uint64(2**64 - 1), np.int32(3), np.int64(2), 2**32 - 8, 8) == (
        FULL, FULL, 2, 3, 2**32 - 8,
    )  # fmt: skip
