"""What the machine can do at best, measured: multiply-adds on registers, and bytes to and from memory."""

from __future__ import annotations

import functools
import threading
import time

import numpy as np

import fastnn_kernels as fk

# float32 that are copied, in all and at least by a thread: 128 MB and 16 MB, far more than their share of most caches.
_TOTAL, _LEAST = 32 * 2**20, 4 * 2**20
_ROUNDS = 5


@functools.cache
def bandwidth(threads: int = 1) -> float:
    """Measure GB/s that `threads` threads reach, each copying an array of its own: bytes read and bytes written."""
    count = max(_TOTAL // threads, _LEAST)
    arrays = [(np.ones(count, np.float32), np.zeros(count, np.float32)) for _ in range(threads)]
    best = 0.0
    for _ in range(_ROUNDS):
        # NumPy lets go of the interpreter's lock while it copies.
        workers = [threading.Thread(target=np.copyto, args=(to, source)) for source, to in arrays]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, 2 * 4 * count * threads / (time.perf_counter() - start) / 1e9)
    return best


def limits(threads: int) -> dict[str, float]:
    """Give the measured peaks: GFLOP/s and GB/s."""
    return {"gflops": fk.fma_peak(threads), "gbytes": bandwidth(threads)}
