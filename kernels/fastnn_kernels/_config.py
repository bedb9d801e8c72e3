"""What the kernels run on: CPU, lanes, threads, cache, and the measured peak of multiply-adds."""

import functools
import time

import numpy as np
from numpy.typing import DTypeLike

from . import _threads
from ._cache import STATISTICS, cache_folder
from ._jit import CPU_NAME, HAS_FMA, ISA, entry, kernel, lane_count
from .team import share_out
from .tile import tile, tile_load, tile_store_sums
from .tile_product import tile_fma


def config() -> dict[str, object]:
    """Return CPU, instruction set, lanes, threads, cache folder and what the cache did in this process."""
    folder = cache_folder()
    return {
        "cpu": CPU_NAME,
        "isa": ISA,
        "lanes_float32": lane_count(32),
        "lanes_float64": lane_count(64),
        "fma": HAS_FMA,
        "threads": _threads.get_num_threads(),
        "cache_dir": None if folder is None else str(folder),
        "cache": dict(STATISTICS),
    }


@kernel
def _multiply_adds(memory, count):
    t = tile(memory, 12, 1)
    tile_load(t, memory, 0, 1, 0)
    for _ in range(count):
        tile_fma(t, memory, 64, 0, memory, 128, 0)
    tile_store_sums(t, memory, 192, 1, 1)


@kernel
def _worker_peak(worker, memory, count):
    _multiply_adds(memory[worker], count)


def _peak_entry(team, memory, count):
    share_out(team, len(memory), _worker_peak, (memory, count))


_peak = entry(_peak_entry)


@functools.cache
def fma_peak(threads: int = 1, dtype: DTypeLike = np.float32) -> float:
    """Measure how many GFLOP/s `threads` threads reach with multiply-adds on registers alone; takes about 0.2 s."""
    memory = np.full((threads, 256), 0.5, dtype)
    lanes = lane_count(memory.itemsize * 8)
    count, best = 200_000, 0.0
    _threads.launch(_peak, threads, memory, 1)
    for _ in range(15):
        start = time.perf_counter()
        _threads.launch(_peak, threads, memory, count)
        seconds = time.perf_counter() - start
        best = max(best, 2 * 12 * lanes * count * threads / seconds / 1e9)
    return best
