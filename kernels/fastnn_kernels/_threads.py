"""How many threads calls use, and how calls are given them."""

from math import gcd
from numbers import Integral
from pathlib import Path
from typing import Any

from . import _team
from ._jit import THREAD_LIMIT


def _quota() -> int | None:
    """CPUs that the control group grants, rounded up, or None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def _default() -> int:
    return max(1, min(THREAD_LIMIT, _quota() or THREAD_LIMIT))


_count = _default()


def set_num_threads(n: int) -> None:
    """Use `n` threads from now on; results do not depend on it.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is below 1, or above the processors of this process, where Numba was told no other number.
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


# Multiply-adds that a thread is given at least: relu of 32,768 numbers, half of twice that, takes 3.0 us on one thread
# and 2.5 on two where these are awake, and to wake one costs the caller some 5 (Zen 4, 2026-11-27).
_WORK_EACH = 250_000


def workers_for(tasks: int, work: int) -> int:
    """Threads for so many tasks of so many multiply-adds in all: one where they are too short to share."""
    return 1 if work < 2 * _WORK_EACH else max(1, min(_count, tasks, work // _WORK_EACH))


def shares_for(parts: int, workers: int) -> int:
    """Return how many shares each of `parts` is cut into, so that all workers have equally many of them.

    1 where there are four parts a worker. Sums do not depend on it if `parts` does not depend on the threads.
    """
    return 1 if parts >= 4 * workers else workers // gcd(parts, workers)


def launch(compiled: Any, count: int, *args: Any) -> Any:
    """Call an entry with a team of `count` threads first; with none for one thread, or while another call has them."""
    if count == 1:
        return compiled(0, *args)
    team, held = _team.current(), False
    try:
        held = team.lock.acquire(blocking=False)
        return compiled(team.of(count) if held else 0, *args)
    finally:
        if held:
            team.lock.release()
