"""The profile of a model as one HTML page that needs no network: where a step's time goes, and all numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..report import document, sections
from . import drawings, table
from .drawings import Segment

PHASES = ("forward", "backward", "update", "rest")


@dataclass(frozen=True)
class Part:
    """A part of a step.

    Attributes
    ----------
    phase : str
        Of `PHASES`.
    name : str
        Of the layer, or of what the rest is.
    seconds : float
    note : str
        Shown under the pointer, as GFLOP/s.
    """

    phase: str
    name: str
    seconds: float
    note: str = ""


def of_step(
    title: str,
    facts: Mapping[str, str],
    parts: Sequence[Part],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    machine: Mapping[str, Any],
) -> str:
    """Write a page about a training step.

    Parameters
    ----------
    title : str
        The model's name, batch and threads.
    facts : mapping of str to str
        Main results, shown large.
    parts : sequence of Part
        In the order of the step; those without time are left out.
    head, rows : sequence of str, sequence of these
        The table of all numbers.
    machine : mapping
        Versions and processor.

    Returns
    -------
    str
    """
    shown = sections.tiles(facts)
    step = _step([part for part in parts if part.seconds > 0])
    numbers = sections.section("All numbers", sections.table(head, rows, numeric=True))
    return document.page(title, [shown, step, numbers, sections.facts("Versions and machine", machine)])


def _step(parts: Sequence[Part]) -> str:
    if not parts:
        return ""
    whole = sum(part.seconds for part in parts)
    start = 0.0
    phases: list[Segment] = []
    layers: list[Segment] = []
    for phase in PHASES:
        inside = [part for part in parts if part.phase == phase]
        seconds = sum(part.seconds for part in inside)
        if inside:
            phases.append(Segment(f"flame-{phase}", phase, start, seconds, _tip(phase, seconds, whole)))
        for part in inside:
            tip = _tip(f"{part.name}, {phase}", part.seconds, whole) + (f"; {part.note}" if part.note else "")
            layers.append(Segment(f"flame-{phase}", part.name, start, part.seconds, tip))
            start += part.seconds
    step = Segment("flame-whole", f"step {table.time_text(whole)}", 0.0, whole, _tip("step", whole, whole))
    drawing = drawings.flame("parts of a step", [[step], phases, layers])
    keys = " ".join(f'<span class="key flame-{s.name}">{s.name} {escape(_share(s, whole))}</span>' for s in phases)
    text = "<p>As wide as its time; names that have no room, and shares, are under the pointer.</p>"
    figure = (
        f'<div class="figures"><figure><figcaption>A step {keys}</figcaption><div class="wide">{drawing}</div>'
        "</figure></div>"
    )
    return sections.section("Where a step's time goes", text + figure)


def _share(segment: Segment, whole: float) -> str:
    return table.share_text(segment.seconds / whole)


def _tip(name: str, seconds: float, whole: float) -> str:
    return f"{name}: {table.time_text(seconds)}, {seconds / whole:.1%} of the step"
