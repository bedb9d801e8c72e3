"""Random numbers that depend on what they are for alone, not on who draws them or when: Philox4x32-10.

A counter-based generator has no state to share: the words for one counter are a function of key and counter. Source:
Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

Key: the two halves of the seed. Counter: (group, position, low half of step, ``256 * op + step // 2**32``), where
`position` is that of the sample in the global batch, `op` numbers who draws, and group g of a sample gives its
elements 4g to 4g + 3. For one seed no two (op, step, position, group) share a counter, and for one key Philox maps
counters one to one: two layers, steps or samples never share their numbers. Limits: seed below 2**64, op below 2**24,
step below 2**40, position below 2**32, elements of a sample below 2**34. `_options.stream` checks all but the last.

Words are handed out as int64 from 0 to 2**32 - 1: arithmetic of uint64 with int64 would give floats.
"""

import numpy as np

from ._jit import inline

ROUNDS = 10
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@inline
def philox(key0, key1, c0, c1, c2, c3):
    """Return the four words for a key of two words and a counter of four; only their low 32 bits count."""
    k0, k1 = np.uint64(key0) & _LOW, np.uint64(key1) & _LOW
    a, b, c, d = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW, np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    for _ in range(ROUNDS):
        p, q = _M0 * a, _M1 * c
        a, b, c, d = (q >> _HALF) ^ b ^ k0, q & _LOW, (p >> _HALF) ^ d ^ k1, p & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return np.int64(a), np.int64(b), np.int64(c), np.int64(d)


@inline
def counter(op, step):
    """Return the last two words of the counter."""
    return step & 0xFFFFFFFF, (op << 8) | (step >> 32)


@inline
def draw(key0, key1, op, step, position, group):
    """Return words 4 * group to 4 * group + 3 of this seed, op, step and sample; `key0` is the seed's low half."""
    c2, c3 = counter(op, step)
    return philox(key0, key1, group, position, c2, c3)


@inline
def uniform(word):
    """Make a float64 in [0, 1) of a word, with all its 32 bits."""
    return np.float64(word) * 2.0**-32


@inline
def below(word, n):
    """Make an integer from 0 to n - 1 of a word, for n up to 2**31; no value is preferred by more than n / 2**32."""
    return (word * n) >> 32
