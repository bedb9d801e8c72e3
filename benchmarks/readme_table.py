"""Write the speed tables of README.md from `results.json`, which runs with `--record` have written.

python benchmarks/readme_table.py            after results.json has changed
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import nets
import results
from peers_table import PEERS
from readme import README
from readme import renewed as between_marks

BEGIN, END = "<!-- speed: written by benchmarks/readme_table.py -->\n", "<!-- end of speed -->\n"
Row = Mapping[str, Any]


def speed_tables(found: Mapping[str, Sequence[Row]]) -> str:
    """Make the short tables of each machine: ours, how many times as fast as the others; then starts and memory.

    Raises
    ------
    ValueError
        If there are no rows of training.
    """
    if not found["training"]:
        raise ValueError("results.json has no rows of training")
    parts = []
    for machine in dict.fromkeys(results.machine(row) for kind in results.KINDS for row in found[kind]):
        of = {kind: [row for row in found[kind] if results.machine(row) == machine] for kind in results.KINDS}
        parts += [_table(f"{kind}: network, batch", of[kind]) for kind in ("training", "inference") if of[kind]]
        parts += [_starts(row) for row in of["starts"]]
        parts += list(dict.fromkeys(row["conditions"] for kind in results.KINDS for row in of[kind]))
    return "\n\n".join(parts) + "\n"


def _table(title: str, rows: Sequence[Row]) -> str:
    lines = [f"| {title} | images a second | times PyTorch | times JAX |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        ratios = [
            next((f"{ratio:.2f}" for name, ratio in row["ratios"].items() if name in variants), "-")
            for variants in PEERS.values()
        ]
        net = f"{nets.NETS[row['net']].title}, {row['batch']:,}"
        lines.append("| " + " | ".join([net, f"{row['fastnn']:,.0f}", *ratios]) + " |")
    return "\n".join(lines)


def _starts(row: Row) -> str:
    seconds, ratios = row["figures"]["seconds"], row["ratios"]
    text = f"The first training step of LeNet-5 is done {seconds['warm']:.1f} s after the start of the process"
    text += f" ({seconds['cold']:.0f} s the first time, when kernels are compiled"
    text += f"; PyTorch {seconds['PyTorch']:.1f} s)" if "PyTorch" in seconds else ")"
    if memory := ratios.get("peak_megabytes"):
        text += f", and training takes {memory['warm']:.2f} of PyTorch's memory ({memory['cold']:.2f} the first time)"
    return text + "."


def renewed(readme: str, found: Mapping[str, Sequence[Row]]) -> str:
    """Return the README with these figures between its marks."""
    return between_marks(readme, BEGIN, END, speed_tables(found))


def main() -> int:
    """Rewrite the README."""
    README.write_text(renewed(README.read_text(encoding="utf-8"), results.kept()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
