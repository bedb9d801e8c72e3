"""Compare two runs of the benchmarks: which kernels have become slower, beyond the noise.

    pytest benchmarks --benchmark-json old.json      before a change
    pytest benchmarks --benchmark-json new.json      and after
    python benchmarks/compare.py old.json new.json

What is compared is the time of a compiled kernel relative to its NumPy twin of the same run: the machine may be
faster or slower in one of them. The status is 1 where a kernel has become slower by more than the tolerance and by
more than three times the standard error of the four medians, else 0; 2 where the files cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """Time of a compiled kernel as a multiple of its twin's, and the standard error as a share of it."""

    value: float
    error: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of the changes; return the status."""
    parser = argparse.ArgumentParser(description="Find kernels that have become slower from one run to another.")
    add = parser.add_argument
    add("old", type=Path)
    add("new", type=Path)
    add("--tolerance", type=float, default=0.1, help="changes up to this are no regression; default %(default)s")
    add("--all", action="store_true", help="show every kernel, not only those that have changed")
    options = parser.parse_args(argv)
    try:
        old, new = (ratios(read(path)) for path in (options.old, options.new))
        both = [name for name in new if name in old]
        if not both:
            raise ValueError("the files have no kernel and shape in common")
    except ValueError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    slower = 0
    print(f"{'old':>8} {'new':>8} {'change':>7} {'limit':>7}")
    for name in both:
        change = new[name].value / old[name].value - 1
        limit = max(options.tolerance, 3 * math.hypot(old[name].error, new[name].error))
        verdict = "SLOWER" if change > limit else "faster" if 1 / (1 + change) - 1 > limit else ""
        slower += verdict == "SLOWER"
        if verdict or options.all:
            times = f"{old[name].value:8.3g} {new[name].value:8.3g} {change:+7.0%} {limit:7.0%}"
            print(f"{times} {name} {verdict}".rstrip())
    print(f"\n{len(both)} kernels and shapes, {slower} slower; times are multiples of the NumPy twin's.")
    for which, names in (("old", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        if names:
            print(f"Only in the {which} file: {', '.join(sorted(names))}.")
    return int(slower > 0)


def read(path: Path) -> list[Mapping[str, Any]]:
    """Return the benchmarks of a file that pytest-benchmark has written.

    Raises
    ------
    ValueError
        If the file cannot be read, or is another kind of file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    rows = found.get("benchmarks") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise ValueError(f"{path}: no file of pytest-benchmark: it has no list 'benchmarks'")
    return rows


def ratios(rows: Sequence[Mapping[str, Any]]) -> dict[str, Ratio]:
    """Return the ratio of each group that has both sides.

    Raises
    ------
    ValueError
        If a row is not one of `test_speed.py`.
    """
    sides: dict[str, dict[str, Ratio]] = {}
    for row in rows:
        try:
            stats = row["stats"]
            # The standard error of a median of normal numbers, by their quartiles.
            error = 0.93 * stats["iqr"] / stats["median"] / math.sqrt(stats["rounds"])
            sides.setdefault(row["group"], {})[row["extra_info"]["side"]] = Ratio(stats["median"], error)
        except (KeyError, TypeError, ZeroDivisionError) as missing:
            raise ValueError(f"a benchmark is none of test_speed.py: {missing!r} in {str(row)[:80]}") from None
    return {
        group: Ratio(both["compiled"].value / both["numpy"].value,
                     math.hypot(both["compiled"].error, both["numpy"].error))
        for group, both in sides.items()
        if both.keys() >= {"compiled", "numpy"}
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
