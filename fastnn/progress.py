"""What fit prints, a line that says what is being done, and the notice that kernels are being compiled."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self, TextIO

# In-place updates a second: more cannot be read.
_UPDATES = 10.0
_CLEAR = "\x1b[K"
NOTICE = "compiling kernels (once, cached)"


def check_verbose(function: str, verbose: str | int) -> None:
    """Check the argument of `Progress`."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f'{function}: verbose is {verbose!r}, needed is "auto", 0, 1 or 2')


def number_text(name: str, value: float) -> str:
    """Write a number: four digits behind the point, the speed as a whole number, the learning rate with an exponent."""
    if name == "images_per_second":
        return f"{value:,.0f}"
    return f"{value:.2e}" if name == "lr" else f"{value:.4f}"


def line(epoch: int, epochs: int, values: Mapping[str, float]) -> str:
    """Write an epoch's numbers."""
    parts = [f"epoch {epoch}/{epochs}"]
    parts += [f"{name} {number_text(name, value)}" for name, value in values.items() if name != "images_per_second"]
    if "images_per_second" in values:
        parts.append(f"{number_text('images_per_second', values['images_per_second'])} images/s")
    return "  ".join(parts)


class Progress:
    """Prints one line an epoch; on a terminal it grows in place while the epoch runs.

    Parameters
    ----------
    verbose : "auto", 0, 1 or 2
        0 prints nothing, 1 rewrites the line, 2 prints it once; "auto" is 1 on a terminal and 2 elsewhere.
    epochs : int
        Number of the last epoch.
    """

    def __init__(self, verbose: str | int, epochs: int, stream: TextIO | None = None) -> None:
        self.stream = sys.stdout if stream is None else stream
        self.verbose = (1 if self.stream.isatty() else 2) if verbose == "auto" else verbose
        self.epochs = epochs
        self._next_update = 0.0
        self._open = False

    def update(self, epoch: int, done: str, values: Mapping[str, float]) -> None:
        """Show how much of the epoch is done and its averages so far."""
        now = time.perf_counter()
        if self.verbose == 1 and now >= self._next_update:
            self._next_update = now + 1.0 / _UPDATES
            self._write(f"\r{line(epoch, self.epochs, values)}  {done}{_CLEAR}")
            self._open = True

    def finish(self, epoch: int, values: Mapping[str, float]) -> None:
        """Print an epoch's final numbers."""
        if self.verbose:
            start, end = ("\r", _CLEAR) if self.verbose == 1 else ("", "")
            self._write(f"{start}{line(epoch, self.epochs, values)}{end}\n")
            self._open = False

    def close(self) -> None:
        """End a line that an interruption left open."""
        if self._open:
            self._write("\n")
            self._open = False

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class StatusLine:
    """Says what is being done: in one line that is rewritten and gone at the end, or line by line off a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._rewrite = stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rewrite:
            self._write(f"\r{_CLEAR}")

    def show(self, text: str) -> None:
        """Show a line in the place of the one before, cut where the terminal would go on in another."""
        if self._rewrite:
            self._write(f"\r{text[: shutil.get_terminal_size().columns - 1]}{_CLEAR}")
        else:
            self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


@contextmanager
def compile_notice(enabled: bool = True, after: float = 1.0) -> Iterator[None]:
    """Say on stderr that kernels are being compiled, as soon as the block has taken `after` seconds."""
    if not enabled:
        yield
        return
    timer = threading.Timer(after, _write_notice)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _write_notice() -> None:
    # One write: the main thread may print at the same time.
    sys.stderr.write(NOTICE + "\n")
    sys.stderr.flush()
