"""Write the speed table of README.md from RESULTS.md, which a run has written.

python benchmarks/readme_table.py            after RESULTS.md has changed
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"
BEGIN, END = "<!-- speed: written by benchmarks/readme_table.py -->\n", "<!-- end of speed -->\n"


def speed_table(results: str) -> str:
    """Make the short table of all tables in the text of RESULTS.md: ours, and how many times as fast as the others.

    Raises
    ------
    ValueError
        If the text has no table of `peers.py`.
    """
    head = ["network, batch", "images a second", "times PyTorch", "times JAX"]
    lines = ["| " + " | ".join(head) + " |", "| --- | ---: | ---: | ---: |"]
    columns: list[str] = []
    for line in results.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and cells[0] == "network":
            columns = cells
        elif cells and columns and cells[0] != "---":
            row = dict(zip(columns, cells, strict=True))
            ratios = row["ratio to the best of each"]
            torch, jax = _ratio(ratios, "eager|channels_last|compile"), _ratio(ratios, "jax")
            lines.append(f"| {row['network']}, {row['batch']} | {row['fastnn']} | {torch} | {jax} |")
        elif not cells:
            columns = []
    if len(lines) == 2:
        raise ValueError("RESULTS.md has no table of peers.py")
    machine = next(line for line in results.splitlines() if "threads (" in line)
    return "\n".join([*lines, "", machine, ""])


def _ratio(text: str, variants: str) -> str:
    found = re.search(rf"([\d.]+) \((?:{variants})[^)]*\)", text)
    return found.group(1) if found else "-"


def renewed(readme: str, results: str) -> str:
    """Return the README with the table of these results between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"README.md has no lines {BEGIN.strip()!r} and {END.strip()!r}")
    return before + BEGIN + speed_table(results) + END + after


def main() -> int:
    """Rewrite the README."""
    text = renewed(README.read_text(encoding="utf-8"), RESULTS.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
