"""Compare the public kernels with PyTorch, where it is installed, on shapes that small CNNs have.

    python benchmarks/kernel_peers.py                          every kernel and shape
    python benchmarks/kernel_peers.py conv2d pool --write kernels.md --json kernels.json

Words choose the works whose name contains one of them. Both sides take turns in one process, after a pause in which
threads that spin come to rest, and each for long enough that two threads put on one core at first are parted, which
took 10 ms and more on Linux 6.18; results must be equal before anything is timed. PyTorch runs with both of its memory
layouts; the one that was fastest in any round is compared, and the ratio is the median of the ratios of the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

import fastnn_kernels as fk
from fastnn.profile.equality import check, results
from fastnn.profile.timing import take_turns
from fastnn.profile.torch_calls import as_ours, torch_calls
from fastnn.profile.work import Work, every_work


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison, print a table, write the files that were asked for."""
    parser = argparse.ArgumentParser(description="Compare the public kernels with PyTorch.")
    add = parser.add_argument
    add("words", nargs="*", help="parts of the names of kernels and shapes; default all")
    add("--rounds", type=int, default=5, help="default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--seconds", type=float, default=0.15, help="of one timing; default %(default)s")
    add("--json", type=Path, metavar="FILE", help="write the figures to this file")
    add("--write", type=Path, metavar="FILE.md", help="write the table to this file")
    options = parser.parse_args(argv)
    works = [w for w in every_work() if not options.words or any(word in w.name for word in options.words)]
    if not works:
        parser.error(f"no kernel or shape is named like {' or '.join(options.words)}")
    fk.set_num_threads(options.threads)
    with_torch = importlib.util.find_spec("torch") is not None
    if with_torch:
        import torch

        torch.set_num_threads(options.threads)
    else:
        print("PyTorch is not installed (pip install torch): the figures of fastnn alone follow.\n")
    results = []
    for number, work in enumerate(works, 1):
        print(f"{number} of {len(works)}: {work.name}", file=sys.stderr)
        results.append(measure(work, options.rounds, options.seconds, with_torch=with_torch))
    text = table(results, options)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    return 0


def measure(work: Work, rounds: int, seconds: float, *, with_torch: bool) -> dict[str, Any]:
    """Time one work; return medians in seconds, by name, and the ratio to PyTorch's fastest layout."""
    args, options = work.call()
    kernel = getattr(fk, work.kernel)
    calls: dict[str, Callable[[], Any]] = {"fastnn": lambda: kernel(*args, **options)}
    if with_torch:
        theirs = torch_calls(work, args, options)
        calls |= theirs
        ours = results(work, kernel, (args, options))
        for name, call in theirs.items():
            check(work.name, f"PyTorch, {name},", as_ours(work, call()), ours)
    times = take_turns(calls, rounds, seconds)
    result: dict[str, Any] = {"kernel": work.kernel, "shape": work.shape, "flops": work.flops, "bytes": work.bytes}
    result["seconds"] = {name: median(values) for name, values in times.items()}
    if with_torch:
        best = min(theirs, key=lambda name: min(times[name]))
        result["best_layout"] = best
        result["ratio"] = median(a / b for a, b in zip(times[best], times["fastnn"], strict=True))
    return result


def table(results: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """Lay the results out as Markdown, with a summary by kernel, machine, versions and command."""
    head = ["kernel", "shape", "us", "GFLOP/s", "GB/s", "PyTorch, us", "ratio"]
    rows = [head, ["---"] * len(head)]
    for r in results:
        seconds = r["seconds"]["fastnn"]
        row = [r["kernel"], r["shape"], f"{1e6 * seconds:,.1f}"]
        row += [f"{r['flops'] / seconds / 1e9:.0f}" if r["flops"] else "-", f"{r['bytes'] / seconds / 1e9:.1f}"]
        if "ratio" in r:
            row += [f"{1e6 * r['seconds'][r['best_layout']]:,.1f} ({r['best_layout']})", f"{r['ratio']:.2f}"]
        else:
            row += ["-", "-"]
        rows.append(row)
    lines = ["Public kernels, a call (medians):", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    ratios: dict[str, list[float]] = {}
    for r in results:
        if "ratio" in r:
            ratios.setdefault(r["kernel"], []).append(r["ratio"])
    if ratios:
        lines += ["| kernel | shapes | geometric mean of the ratios | worst |", "| --- | --- | --- | --- |"]
        for kernel, values in ratios.items():
            mean = math.exp(sum(map(math.log, values)) / len(values))
            lines.append(f"| {kernel} | {len(values)} | {mean:.2f} | {min(values):.2f} |")
        lines.append("")
    config = fk.config()
    names = [f"Python {python_version()}", *(f"{name} {version(name)}" for name in ("numpy", "numba"))]
    names += [f"PyTorch {version('torch')}"] if ratios else []
    words = "".join(f" {word}" for word in options.words)
    lines += [
        f"{config['cpu']}, {config['isa']}, {options.threads} threads; {', '.join(names)}.",
        "Ratio: median of the ratios round by round, to the faster of PyTorch's two memory layouts.",
        f"`python benchmarks/kernel_peers.py{words} --rounds {options.rounds} --threads {options.threads} "
        f"--seconds {options.seconds:g}`",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
