"""How many steps one call of the interpreter gets."""

from __future__ import annotations


class Pacer:
    """Chooses how many steps the next call of the interpreter gets, so that it lasts about 50 ms.

    Ctrl-C and the progress line wait for the end of a call; a noisy machine may double the time.

    Parameters
    ----------
    most : int, optional
        Never more steps than this.
    """

    seconds = 0.05

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.steps = 1

    def record(self, steps: int, seconds: float) -> None:
        """Learn from a call; grow fourfold at most, as one call may have been lucky."""
        wanted = int(self.seconds * steps / max(seconds, 1e-9))
        self.steps = max(1, min(wanted, 4 * self.steps))
        if self.most is not None:
            self.steps = min(self.steps, self.most)
