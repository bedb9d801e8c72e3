"""The threads of this process that parallel loops are shared out to; what they do is in `team.py`.

They are started when they are first needed. A forked child has none of its parent's, and starts its own.
"""

import ctypes
import functools
import os
import sys
import threading
import time

import numpy as np

from ._arrays import Array, aligned_zeros
from ._jit import THREAD_LIMIT
from .team import BED, BELL, COUNT, LINE, SERVE

# Seconds that a thread looks for the next loop before it sleeps. To wake it costs the caller some 5 us, and the thread
# is there after some 50 (a virtual machine on Zen 4, 2026-11-27).
_PATIENCE = 200e-6
_LOOKS = 1000


def _make(line: Array) -> None:
    """Make what a thread sleeps on, and what wakes it: both ends of a pipe, or an event."""
    if sys.platform == "win32":
        line[BED] = line[BELL] = ctypes.windll.kernel32.CreateEventW(None, False, False, None)
    elif sys.platform == "linux":
        # Not a pipe: its writer is taken to sleep soon, and the reader is put on the same processor.
        line[BED] = line[BELL] = os.eventfd(0)
    else:
        line[BED], line[BELL] = os.pipe()


def _unmake(line: Array) -> None:
    """Close it again."""
    if sys.platform == "win32":
        ctypes.windll.kernel32.CloseHandle(int(line[BED]))
    else:
        for end in {*map(int, line[[BED, BELL]])}:
            os.close(end)


class Team:
    """Threads, and the memory by which they are told what to do; who holds the lock may use them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._words = aligned_zeros(LINE * THREAD_LIMIT, np.int64)
        # For good: threads read it until the process ends.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._words))
        self._address = int(self._words.ctypes.data)
        self._members, self._count, self._limit = 0, 1, THREAD_LIMIT

    def of(self, count: int) -> int:
        """Return what entries take for a team of so many threads; 0 where there are none."""
        if count != self._count:
            self._resize(min(count, self._limit))
        return self._address if self._count > 1 else 0

    def _resize(self, count: int) -> None:
        try:
            while self._members < count - 1:
                self._start(self._members + 1)
        except (OSError, RuntimeError):
            # No more files or threads in this system, or the interpreter is ending. We do not ask again: each call
            # would, in vain.
            count = self._limit = self._members + 1
        self._words[COUNT] = self._count = count

    def _start(self, number: int) -> None:
        line = self._words[number * LINE :]
        _make(line)
        serve = (self._address, number, self._looks, False)
        thread = threading.Thread(target=SERVE, args=serve, name=f"fastnn-{number}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            _unmake(line)
            raise
        self._members = number

    @functools.cached_property
    def _looks(self) -> int:
        """How many looks at a line last as long as a thread's patience: measured before the first thread is started."""
        seconds = []
        SERVE(self._address, 1, 1, True)
        for _ in range(3):
            start = time.perf_counter()
            SERVE(self._address, 1, _LOOKS, True)
            seconds.append(time.perf_counter() - start)
        return int(_LOOKS * _PATIENCE / min(seconds))

    def forsake(self) -> None:
        """Close what the threads sleep on, in a child that has none of them."""
        self._words[COUNT] = self._count = self._limit = 1  # for a call that the child is in the middle of
        for number in range(1, self._members + 1):
            _unmake(self._words[number * LINE :])


_team = Team()


def current() -> Team:
    """Return the team of this process."""
    return _team


def _renew() -> None:
    """Start with a team of its own in a forked child, whose copy of the lock nobody may ever open."""
    global _team
    forsaken, _team = _team, Team()
    forsaken.forsake()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
