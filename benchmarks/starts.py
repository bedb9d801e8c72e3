"""Measure the start of a training process and its memory, beside PyTorch where it is installed.

    python benchmarks/starts.py                       three rounds
    python benchmarks/starts.py --rounds 5 --record   and keep the figures: results.json, RESULTS.md

Each measurement is a process of its own (`first_step.py`) that trains LeNet-5, batch 128. It has started when its first
step is done, counted from before the process is made; then it trains on 3,200 images and tells the most memory it had.
"Cold" is a process whose folder of compiled kernels is empty, "warm" the next one. Python's bytecode is kept, as pip
keeps it when it installs. The processes take turns; figures are medians, ratios are medians of those of each round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import results
import workers

SCRIPT = Path(__file__).resolve().parent / "first_step.py"
FIGURES = {"seconds": "start to the end of the first step, s", "peak_megabytes": "most memory of the process, MB"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the files that were asked for."""
    parser = argparse.ArgumentParser(description="Measure starts and memory of training processes.")
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="processes of each kind; default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--json", type=Path, metavar="FILE", help="write every round to this file")
    add("--record", action="store_true", help="put the figures into results.json and RESULTS.md")
    options = parser.parse_args(argv)
    with_torch = importlib.util.find_spec("torch") is not None
    if not with_torch:
        print("PyTorch is not installed (pip install torch): the figures of fastnn alone follow.\n")
    rounds = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        rounds.append(one_round(options.threads, with_torch=with_torch))
    row = summary(rounds) | {
        "conditions": results.conditions(rounds[-1]["cold"]["config"], options.threads),
        "command": f"python benchmarks/starts.py --rounds {options.rounds} --threads {options.threads}",
    }
    print(table(row))
    if options.json:
        options.json.write_text(json.dumps(rounds, indent=2) + "\n", encoding="utf-8")
    if options.record:
        results.record("starts", [row])
    return 0


def one_round(threads: int, *, with_torch: bool) -> dict[str, dict[str, Any]]:
    """Start each kind of process once."""
    with tempfile.TemporaryDirectory() as folder:
        kernels = {"NUMBA_CACHE_DIR": folder}
        done = {kind: start("fastnn", threads, kernels) for kind in ("cold", "warm")}
    return done | ({"PyTorch": start("torch", threads)} if with_torch else {})


def start(library: str, threads: int, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `first_step.py`; return the seconds to its first line, and what its last line tells.

    Raises
    ------
    SystemExit
        If the process fails.
    """
    env = {**workers.environment(threads), **(environment or {})}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, str(SCRIPT), library, str(threads)]
    # A file and no pipe: nobody reads while the first line is waited for.
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.perf_counter()
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            seconds = time.perf_counter() - begin
            rest = process.stdout.read()
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"the {library} process failed:\n{errors.read()[-3000:]}")
    return {"seconds": seconds, **json.loads(rest.splitlines()[-1])}


def summary(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Reduce the rounds to medians by figure and kind, and to ratios to PyTorch's."""
    row: dict[str, Any] = {"figures": {}, "ratios": {}}
    for figure in FIGURES:
        of_kind = {kind: [done[kind][figure] for done in rounds] for kind in rounds[0]}
        if None in of_kind["cold"]:
            continue  # a system that does not tell the memory
        row["figures"][figure] = {kind: median(values) for kind, values in of_kind.items()}
        if "PyTorch" in of_kind:
            row["ratios"][figure] = {
                kind: median(a / b for a, b in zip(of_kind[kind], of_kind["PyTorch"], strict=True))
                for kind in ("cold", "warm")
            }
    return row


def table(row: Mapping[str, Any]) -> str:
    """Lay the figures out as Markdown, with machine, versions and command below."""
    head = ["", "fastnn cold", "fastnn warm", "PyTorch", "cold / PyTorch", "warm / PyTorch"]
    lines = ["| " + " | ".join(head) + " |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for figure, title in FIGURES.items():
        if figure in row["figures"]:
            found, ratios = row["figures"][figure], row["ratios"].get(figure, {})
            digits = 2 if figure == "seconds" else 0
            cells = [f"{found[kind]:.{digits}f}" if kind in found else "-" for kind in ("cold", "warm", "PyTorch")]
            cells += [f"{ratios[kind]:.2f}" if kind in ratios else "-" for kind in ("cold", "warm")]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines += ["", row["conditions"], f"`{row['command']}`"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
