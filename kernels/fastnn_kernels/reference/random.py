"""Philox4x32-10, for arrays of counters: the words that the compiled `random.py` draws.

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. What key and counter are made of
is written there.
"""

from typing import Any

import numpy as np

from .._checks import Array

Words = tuple[Array, Array, Array, Array]

WORD = np.uint64(0xFFFFFFFF)
# Constants of the paper: two multipliers, and what is added to the key in each round.
MULTIPLIER = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def philox(key0: Any, key1: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> Words:
    """Return four int64 arrays of words, for whole numbers or arrays of them that broadcast against each other."""
    k0, k1 = (np.asarray(k, np.uint64) & WORD for k in (key0, key1))
    c: list[Any] = [np.asarray(word, np.uint64) & WORD for word in (c0, c1, c2, c3)]
    for _ in range(10):
        # A product of two words has 64 bits: a high word and a low one.
        first, second = MULTIPLIER[0] * c[0], MULTIPLIER[1] * c[2]
        c = [(second >> 32) ^ c[1] ^ k0, second & WORD, (first >> 32) ^ c[3] ^ k1, first & WORD]
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    a, b, d, e = (np.asarray(word, np.int64) for word in np.broadcast_arrays(*c))
    return a, b, d, e


def draw(key0: Any, key1: Any, op: Any, step: Any, position: Any, group: Any) -> Words:
    """Return words 4 * group to 4 * group + 3 of this seed (`key0` its low half), op, step and sample."""
    op, step = np.asarray(op, np.int64), np.asarray(step, np.int64)
    return philox(key0, key1, group, position, step % 2**32, 256 * op + step // 2**32)


def uniform(word: Array) -> Array:
    """Make float64 numbers in [0, 1) of words."""
    return np.asarray(word / 2**32)


def below(word: Array, n: int) -> Array:
    """Make integers from 0 to n - 1 of words."""
    return np.asarray(word * n // 2**32)
