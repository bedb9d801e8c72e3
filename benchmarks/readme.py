"""The parts of README.md that scripts write, each between two marks."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def renewed(readme: str, begin: str, end: str, text: str) -> str:
    """Return the README with this text between these marks, lines of their own.

    Raises
    ------
    ValueError
        If the README does not have them.
    """
    before, _, rest = readme.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"README.md has no lines {begin.strip()!r} and {end.strip()!r}")
    return before + begin + text + end + after
