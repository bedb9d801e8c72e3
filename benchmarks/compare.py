"""Compare two runs of the benchmarks: which kernels have become slower, beyond the noise.

    pytest benchmarks --benchmark-json old/1.json      before a change, and again as old/2.json and old/3.json
    pytest benchmarks --benchmark-json new/1.json      and after, as often
    python benchmarks/compare.py old new               folders of files, or one file each

What is compared is the time of a compiled kernel relative to its NumPy twin of the same run: the machine may be
faster or slower in one of them. The time is that of the fastest round: other programs make rounds slower, never faster.
The status is 1 where a kernel has become slower: where its fastest run of the new ones is behind its slowest of the old
ones by more than the tolerance, and by more than rounds lie apart; 2 where the files cannot be compared; else 0.

One run a side is not enough: where arrays and threads come to lie differs from process to process, and has moved single
kernels by up to 2x between runs of the same code, far more than the rounds of a run lie apart.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """Time of a compiled kernel as a multiple of its twin's, and how far the quartiles of rounds lie apart."""

    value: float
    spread: float


@dataclass(frozen=True)
class Runs:
    """The ratios of several runs: the lowest, the median and the highest; and the median of their spreads."""

    low: float
    middle: float
    high: float
    spread: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of the changes; return the status."""
    parser = argparse.ArgumentParser(description="Find kernels that have become slower from some runs to others.")
    add = parser.add_argument
    add("old", type=Path, help="a file of pytest-benchmark, or a folder of several")
    add("new", type=Path, help="as old")
    add("--tolerance", type=float, default=0.1, help="changes up to this are no regression; default %(default)s")
    add("--all", action="store_true", help="show every kernel, not only those that have changed")
    options = parser.parse_args(argv)
    try:
        old, new = (every_run(path) for path in (options.old, options.new))
        both = [name for name in new if name in old]
        if not both:
            raise ValueError("the files have no kernel and shape in common")
    except ValueError as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    slower = 0
    print(f"{'old':>8} {'new':>8} {'change':>7} {'limit':>7}")
    for name in both:
        before, after = old[name], new[name]
        noise = 1 + max(options.tolerance, math.hypot(before.spread, after.spread))
        change = after.middle / before.middle - 1
        limit = noise * before.high / before.middle * after.middle / after.low - 1
        verdict = "SLOWER" if after.low > noise * before.high else "faster" if before.low > noise * after.high else ""
        slower += verdict == "SLOWER"
        if verdict or options.all:
            times = f"{before.middle:8.3g} {after.middle:8.3g} {change:+7.0%} {limit:7.0%}"
            print(f"{times} {name} {verdict}".rstrip())
    print(f"\n{len(both)} kernels and shapes, {slower} slower; times are multiples of the NumPy twin's.")
    for which, names in (("old", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        if names:
            print(f"Only in the {which} file: {', '.join(sorted(names))}.")
    return int(slower > 0)


def every_run(path: Path) -> dict[str, Runs]:
    """Return the ratios of a file, or of all files of a folder; kernels and shapes that each of them has.

    Raises
    ------
    ValueError
        If a file is none of pytest-benchmark, or the folder has none.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: the folder has no file *.json")
    runs = [ratios(read(file)) for file in files]
    found = {}
    for name in runs[0]:
        if all(name in run for run in runs):
            values = [run[name].value for run in runs]
            spread = median(run[name].spread for run in runs)
            found[name] = Runs(min(values), median(values), max(values), spread)
    return found


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
            found = Ratio(stats["min"], stats["iqr"] / stats["min"])
            sides.setdefault(row["group"], {})[row["extra_info"]["side"]] = found
        except (KeyError, TypeError, ZeroDivisionError) as missing:
            raise ValueError(f"a benchmark is none of test_speed.py: {missing!r} in {str(row)[:80]}") from None
    return {
        group: Ratio(both["compiled"].value / both["numpy"].value,
                     math.hypot(both["compiled"].spread, both["numpy"].spread))
        for group, both in sides.items()
        if both.keys() >= {"compiled", "numpy"}
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
