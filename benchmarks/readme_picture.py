"""Draw the picture of README.md from a profile of kernels, and write its caption.

    fastnn profile kernels conv2d im2col --shape LeNet --json kernels.json
    python benchmarks/readme_picture.py kernels.json "fastnn profile kernels conv2d im2col --shape LeNet"

The bars are those of `fastnn profile kernels --html`; of each kernel the shape with most bytes is shown.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fastnn.profile import KernelTime, drawings, page
from fastnn.report import document, svg
from readme import README
from readme import renewed as between_marks

ROOT = README.parent
PICTURE = ROOT / "docs" / "pictures" / "kernels.svg"
BEGIN, END = "<!-- picture: written by benchmarks/readme_picture.py -->\n", "<!-- end of picture -->\n"
EDGE, TITLE, COLUMNS = 16, 24, 2
RULES = (".grid", ".tick", ".middle", ".end", ".bar-")
STYLE = "text { font-family: system-ui, sans-serif; } .tick.head { fill: var(--ink); font-size: 14px; }\n"


def kernel_times(profile: Mapping[str, Any]) -> list[KernelTime]:
    """Read the rows of a profile's JSON: of each kernel the shape with most bytes.

    Raises
    ------
    ValueError
        If it is none of `fastnn profile kernels`, or was interrupted.
    """
    names = [field.name for field in fields(KernelTime)]
    try:
        rows = [KernelTime(**{name: row[name] for name in names}) for row in profile["kernels"]]
        whole = bool(rows) and not profile["interrupted"]
    except (KeyError, TypeError) as missing:
        raise ValueError(f"the file is no profile of kernels: {missing!r}") from None
    if not whole:
        raise ValueError("the profile of kernels was interrupted")
    largest: dict[str, KernelTime] = {}
    for row in rows:
        if row.kernel not in largest or row.bytes > largest[row.kernel].bytes:
            largest[row.kernel] = row
    return list(largest.values())


def picture(rows: Sequence[KernelTime], threads: int) -> str:
    """Draw the bars of each kernel in a field of its own, as one SVG that fits light and dark pages."""
    series = [page.bars_of(row, "1 thread" if threads == 1 else f"{threads} threads") for row in rows]
    axis = drawings.bars_axis([bar.seconds for bars in series for bar in bars])
    field = TITLE + max(map(drawings.bars_height, series)) + EDGE
    width = COLUMNS * (drawings.BARS_WIDTH + EDGE) + EDGE
    height = EDGE + field * -(-len(rows) // COLUMNS)
    # A ground of its own: a page may be dark where the system is light.
    parts = [f"<style>\n{document.colours_and_styles(*RULES)}{STYLE}</style>"]
    parts.append(f'<rect width="{width}" height="{height}" rx="8" style="fill: var(--card)"/>')
    for k, (row, bars) in enumerate(zip(rows, series, strict=True)):
        left, top = EDGE + k % COLUMNS * (drawings.BARS_WIDTH + EDGE), EDGE + k // COLUMNS * field
        head = svg.text("head", 0, 13, f"{row.kernel}, {row.shape}")
        drawn = "".join(drawings.bars_parts(bars, axis))
        parts.append(
            f'<g transform="translate({left} {top})">{head}<g transform="translate(0 {TITLE})">{drawn}</g></g>'
        )
    names = ", ".join(row.kernel for row in rows)
    drawing = svg.picture(width, height, f"time of {names}: loops in Python, NumPy, compiled and PyTorch", parts)
    return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def caption(profile: Mapping[str, Any], command: str) -> str:
    """Say what the picture shows, and how it was made."""
    machine = profile["machine"]
    names = {"fastnn": "fastnn", "numpy": "NumPy", "numba": "Numba", "torch": "PyTorch"}
    versions = ", ".join(f"{shown} {machine[name]}" for name, shown in names.items() if name in machine)
    threads = "1 thread" if profile["threads"] == 1 else f"{profile['threads']} threads"
    return (
        f"![Time of kernels: loops in Python, NumPy, compiled, PyTorch]({PICTURE.relative_to(ROOT).as_posix()})\n\n"
        "Time of a call on one logarithmic axis; behind it, how many times as fast the compiled kernel is, on one\n"
        "thread (PyTorch: on all). Loops in Python were timed on a small part of the work and extrapolated.\n"
        f"`{command}` on {machine['cpu']}, {machine['isa']}, {threads}; {versions}.\n"
    )


def renewed(readme: str, profile: Mapping[str, Any], command: str) -> str:
    """Return the README with the picture and this caption between its marks."""
    return between_marks(readme, BEGIN, END, caption(profile, command))


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, and rewrite the README."""
    parser = argparse.ArgumentParser(description="Draw the picture of README.md from a profile of kernels.")
    parser.add_argument("profile", type=Path, help="what --json has written")
    parser.add_argument("command", help="the command that has written it, for the caption")
    options = parser.parse_args(argv)
    profile = json.loads(options.profile.read_text(encoding="utf-8"))
    drawing = picture(kernel_times(profile), profile["threads"])
    text = renewed(README.read_text(encoding="utf-8"), profile, options.command)
    PICTURE.write_text(drawing, encoding="utf-8")
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
