"""Rows of text in columns, and the numbers in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def lay_out(head: Sequence[str], groups: Iterable[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """Write a table: the first column is text, the rest are numbers, at the right of their columns.

    Parameters
    ----------
    head : sequence of str
    groups : iterable of (title, rows)
        Rows of as many cells as the head has, under a line of their own unless the title is empty. Columns without
        any cell are left out.
    """
    groups = [(title, [list(row) for row in rows]) for title, rows in groups]
    every = [row for _, rows in groups for row in rows]
    shown = [k for k in range(len(head)) if k == 0 or any(row[k] for row in every)]
    indent = "  " if any(title for title, _ in groups) else ""
    widths = {k: max(len(row[k]) for row in [list(head), *every]) for k in shown}

    def line(cells: Sequence[str], before: str) -> str:
        numbers = [f"{cells[k]:>{widths[k]}}" for k in shown[1:]]
        return "  ".join([f"{before + cells[0]:<{widths[0] + len(indent)}}", *numbers]).rstrip()

    lines = [line(head, "")]
    lines.append("-" * max(len(lines[0]), len(indent) + sum(widths.values()) + 2 * len(shown) - 2))
    for title, rows in groups:
        lines += [title] if title else []
        lines += [line(row, indent) for row in rows]
    return "\n".join(lines)


def pairs(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Put two cells into each row of one column; the second ones are aligned too."""
    width = max(map(len, second), default=0)
    return [f"{a} {b:>{width}}" if a else "" for a, b in zip(first, second, strict=True)]


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Write rows as CSV, with a head; None is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def time_text(seconds: float | None) -> str:
    """Write a time in the unit that suits it; nothing for None."""
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{digits(seconds / size)}{unit}"
    return f"{digits(seconds * 1e6)}us"


def digits(value: float, count: int = 3) -> str:
    """Write a number with so many digits, without an exponent."""
    whole = len(str(int(abs(value))))
    return f"{value:,.{max(0, count - whole)}f}"


def share_text(share: float) -> str:
    """Write a share in percent."""
    return f"{share:.0%}"
