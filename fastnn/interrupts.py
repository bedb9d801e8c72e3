"""Ctrl-C in the middle of training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back(*, insist: bool = False) -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, so that arrays and counters change together or not at all.

    The block should take at most about 100 ms; where a user's code runs in it, `insist` lets a second Ctrl-C through.
    Signals arrive in the main thread only; elsewhere, and where Ctrl-C is not handled in Python, this does nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    pending = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pending
        if pending and insist and callable(handler):
            pending = False
            handler(number, frame)
        pending = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if pending:
            signal.raise_signal(signal.SIGINT)
