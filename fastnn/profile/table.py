"""Rows of text in columns, and the numbers in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def lay_out(
    head: Sequence[str], groups: Iterable[tuple[str, Sequence[Sequence[str]]]], width: int | None = None
) -> str:
    """Write a table: the first column is text, the rest are numbers, at the right of their columns.

    Parameters
    ----------
    head : sequence of str
    groups : iterable of (title, rows)
        Rows of as many cells as the head has, under a line of their own unless the title is empty. Columns without
        any cell are left out.
    width : int, optional
        Characters of a line; what does not fit follows in a second table, with the first column again.
    """
    groups = [(title, [list(row) for row in rows]) for title, rows in groups]
    every = [list(head), *(row for _, rows in groups for row in rows)]
    indent = 2 if any(title for title, _ in groups) else 0
    widths = [max(len(row[k]) for row in every) for k in range(len(head))]
    widths[0] += indent
    tables: list[list[int]] = [[]]
    for k in range(1, len(head)):
        if not any(row[k] for row in every[1:]):
            continue
        needed = widths[0] + sum(widths[j] + 2 for j in [*tables[-1], k])
        if width is not None and needed > width and tables[-1]:
            tables.append([])
        tables[-1].append(k)

    def line(cells: Sequence[str], columns: list[int], before: int = 0) -> str:
        first = f"{' ' * before + cells[0]:<{widths[0]}}"
        return "  ".join([first, *(f"{cells[k]:>{widths[k]}}" for k in columns)]).rstrip()

    texts = []
    for columns in tables:
        lines = [line(head, columns), "-" * (widths[0] + sum(widths[k] + 2 for k in columns))]
        for title, rows in groups:
            lines += [title] if title else []
            lines += [line(row, columns, indent) for row in rows]
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


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
