"""How many samples of a batch one lane block has: as many as a vector has lanes, half of that, or one.

Images per second that LeNet-5 trained on with blocks of 16, 8 and 1, on one thread and on two (float32, Zen 4):

- batches of 4: 14,006 14,420; 23,167 23,004; 17,672 25,333
- batches of 6: 21,804 21,540; 35,645 36,444; 18,799 29,274
- batches of 8: 28,940 27,113; 48,250 49,036; 19,378 29,597
- batches of 16: 56,850 56,808; 54,109 83,847; 20,676 36,401
- batches of 24: 46,637 82,009; 57,968 78,786; 21,112 37,788

So half a vector is taken from batches of 6 on: with 4 two threads are as fast on single samples, and the Keras CNN and
ResNet-8 1.7 times as fast (2026-11-27).
"""

from typing import Any

import numpy as np

from ._jit import HALVES_VECTORS, VECTOR_BYTES, lane_count


def block_lanes(batch: int, dtype: np.dtype[Any], *, training: bool) -> int:
    """Choose the samples of a lane block; never by the number of threads, for the sake of equal bits.

    Half vectors are for training alone: elsewhere a call with a few samples would compile a third set of kernels.
    """
    whole = lane_count(dtype.itemsize * 8)
    if VECTOR_BYTES < 64 or not training:
        return whole if 2 * batch >= whole else 1
    if 8 * batch < 3 * whole:
        return 1
    # Half a vector costs as much as a whole one, or half as much where units take two turns for a whole one.
    return whole // 2 if 2 * batch <= whole or (HALVES_VECTORS and batch <= whole) else whole
