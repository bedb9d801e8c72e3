"""How many threads, on which threading layer, and when a parallel loop may be entered at all."""

import contextlib
import ctypes
import os
import sys
import threading
from numbers import Integral
from pathlib import Path
from typing import Any

import numba
from numba.np.ufunc import parallel as _numba_parallel

from ._jit import THREAD_LIMIT


def _preload_tbb() -> None:
    """Load the TBB of this environment, which Numba itself does not look for in a virtual environment.

    Numba's layer then finds the library loaded already. Without TBB, Numba goes on to OpenMP and its own workqueue.
    """
    if sys.platform != "linux":
        return
    library = Path(sys.prefix) / "lib" / "libtbb.so.12"
    if library.exists():
        with contextlib.suppress(OSError):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def _quota() -> int | None:
    """CPUs that the control group grants, rounded up, or None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _default() -> int:
    return max(1, min(THREAD_LIMIT, _quota() or THREAD_LIMIT))


_preload_tbb()
_count = _default()
_launched = False
_forked = False
_lock = threading.Lock()


def _after_fork() -> None:
    global _forked
    _forked = _launched or _numba_parallel._is_initialized


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on; results do not depend on it.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is below 1, or above the threads that Numba was started with.
    """
    global _count
    given: Any = n
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise TypeError(f"set_num_threads: n must be an int, not {type(given).__name__}")
    if not 1 <= n <= THREAD_LIMIT:
        raise ValueError(f"set_num_threads: n is {n}; it must be from 1 to {THREAD_LIMIT}, the threads of this process")
    _count = int(n)


def get_num_threads() -> int:
    """Return the number of threads in use."""
    return _count


def workers() -> int:
    """Threads that a parallel loop may use now.

    One in a child that was forked after threads were started: its copies of them do not run, and a parallel loop
    would hang or kill it.
    """
    return 1 if _forked else _count


def threading_layer() -> str:
    """Name of Numba's threading layer: tbb, omp or workqueue. Starts the threads if they are not running."""
    global _launched
    if not _launched:
        _numba_parallel._launch_threads()
        _launched = True
    return str(numba.threading_layer())


# Multiply-adds below which a second thread costs more than it saves: a parallel loop takes some 2 us to start, but
# 80-125 us on the workqueue layer.
_PARALLEL_FROM = {"workqueue": 50_000_000}
_PARALLEL_FROM_ELSE = 500_000


def workers_for(tasks: int, work: int) -> int:
    """Threads for so many tasks of so many multiply-adds in all: one where they are too short to share."""
    count = min(workers(), tasks)
    if count > 1 and work < _PARALLEL_FROM.get(threading_layer(), _PARALLEL_FROM_ELSE):
        return 1
    return max(1, count)


def launch(compiled: tuple[Any, Any], count: int, *args: Any) -> Any:
    """Call a pair of entries with `count` workers first: the serial one for one worker, else the parallel one."""
    if count == 1:
        return compiled[0](1, *args)
    if threading_layer() != "workqueue":
        return _masked(compiled[1], count, args)
    with _lock:  # workqueue aborts the process when two Python threads enter it at once
        return _masked(compiled[1], count, args)


def _masked(parallel: Any, count: int, args: tuple[Any, ...]) -> Any:
    """Call a parallel entry for `count` threads: without the mask a loop over tasks would take all there are."""
    before = numba.get_num_threads()  # the mask is this Python thread's own
    if count >= before:
        return parallel(count, *args)
    numba.set_num_threads(count)
    try:
        return parallel(count, *args)
    finally:
        numba.set_num_threads(before)
