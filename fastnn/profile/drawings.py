"""Rooflines and bars on logarithmic axes, and what time is made of, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..report import svg
from . import table

ROOF_SIZE = (720, 420)
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 12, 44
BARS_WIDTH, BAR, GAP = 480, 14, 6
NAMES_WIDTH, TIMES_WIDTH, RATIOS_WIDTH = 92, 62, 70
FLAME_WIDTH, FLAME_ROW, LETTER = 960, 28, 7.5
TICKS = 6


@dataclass(frozen=True)
class LogAxis:
    """Whole powers of ten from `low` to `high`, drawn from `start` to `stop`."""

    low: int
    high: int
    start: float
    stop: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, stop: float) -> LogAxis:
        """Enclose positive values."""
        low = math.floor(math.log10(min(values)) + 1e-9)
        return cls(low, max(low + 1, math.ceil(math.log10(max(values)) - 1e-9)), start, stop)

    def __call__(self, value: float) -> float:
        """Place a positive value."""
        return self.start + (self.stop - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Powers of ten, few enough for their labels."""
        step = math.ceil((self.high - self.low) / TICKS)
        return [10.0**k for k in range(self.low, self.high + 1, step)]


@dataclass(frozen=True)
class Point:
    """A kernel under the roof."""

    kind: str
    intensity: float
    gflops: float
    tip: str


@dataclass(frozen=True)
class Bar:
    """A time, with its name on the left and a ratio on the right."""

    kind: str
    name: str
    seconds: float
    ratio: str
    tip: str


@dataclass(frozen=True)
class Segment:
    """A part of the time, from `start` on, with its own parts below it."""

    kind: str
    name: str
    start: float
    seconds: float
    tip: str


def roofline(points: Sequence[Point], peak: float, bandwidth: float) -> str:
    """Draw kernels under what the machine can do at best.

    Parameters
    ----------
    points : sequence of Point
    peak : float
        GFLOP/s of multiply-adds.
    bandwidth : float
        GB/s of memory.

    Returns
    -------
    str
        An svg element; points have the classes of their kinds, and their tips under the pointer.
    """
    width, height = ROOF_SIZE
    ridge = peak / bandwidth
    x = LogAxis.around([*(p.intensity for p in points), ridge], LEFT, width - RIGHT)
    y = LogAxis.around([*(p.gflops for p in points), peak], height - BOTTOM, TOP)
    parts = []
    for tick in x.ticks:
        parts.append(svg.line("grid", x(tick), TOP, x(tick), height - BOTTOM))
        parts.append(svg.text("middle", x(tick), height - BOTTOM + 20, f"{tick:g}"))
    for tick in y.ticks:
        parts.append(svg.line("grid", LEFT, y(tick), width - RIGHT, y(tick)))
        parts.append(svg.text("end", LEFT - 6, y(tick) + 4, f"{tick:g}"))
    parts.append(svg.text("middle", (LEFT + width - RIGHT) / 2, height - 8, "operations for each byte of memory"))
    parts.append(_upright(14, (TOP + height - BOTTOM) / 2, "GFLOP/s"))
    start = max(10.0**x.low, 10.0**y.low / bandwidth)
    corners = [(start, start * bandwidth), (ridge, peak), (10.0**x.high, peak)]
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in corners)
    roof = f"memory: {bandwidth:.1f} GB/s; multiply-adds: {peak:.0f} GFLOP/s"
    parts.append(svg.with_tip(roof, f'<polyline class="roof" points="{path}"/>'))
    for p in points:
        circle = f'<circle class="{p.kind}" cx="{x(p.intensity):.1f}" cy="{y(p.gflops):.1f}" r="4.5"/>'
        parts.append(svg.with_tip(p.tip, circle))
    return svg.picture(width, height, f"roofline of {len(points)} kernels; {roof}", parts)


def _upright(x: float, y: float, words: str) -> str:
    return f'<g transform="rotate(-90 {x:g} {y:g})">{svg.text("middle", x, y + 4, words)}</g>'


def bars(label: str, rows: Sequence[Bar], axis: LogAxis) -> str:
    """Draw times as bars from the left end of a logarithmic axis, each between its name and its numbers."""
    told = "; ".join(f"{row.name} {table.time_text(row.seconds)}" for row in rows)
    return svg.picture(BARS_WIDTH, bars_height(rows), f"{label}: {told}", bars_parts(rows, axis))


def bars_height(rows: Sequence[Bar]) -> int:
    """Return the height of these bars with the axis below them."""
    return len(rows) * (BAR + GAP) + 22


def bars_parts(rows: Sequence[Bar], axis: LogAxis) -> list[str]:
    """Draw what `bars` puts into its picture."""
    bottom = len(rows) * (BAR + GAP)
    parts = []
    for tick in axis.ticks:
        parts.append(svg.line("grid", axis(tick), 0, axis(tick), bottom))
        parts.append(svg.text("middle", axis(tick), bottom + 16, _power(tick)))
    for k, row in enumerate(rows):
        top = k * (BAR + GAP) + GAP / 2
        parts.append(svg.text("end", NAMES_WIDTH - 6, top + BAR - 3, row.name))
        long = axis(row.seconds) - axis.start
        parts.append(svg.with_tip(row.tip, svg.bar(row.kind, axis.start, top, long, BAR)))
        parts.append(svg.text("end", BARS_WIDTH - RATIOS_WIDTH, top + BAR - 3, table.time_text(row.seconds)))
        if row.ratio:
            parts.append(svg.text("end", BARS_WIDTH, top + BAR - 3, row.ratio))
    return parts


def bars_axis(seconds: Sequence[float]) -> LogAxis:
    """Make an axis for all bars of a page, so that they can be compared."""
    return LogAxis.around(seconds, NAMES_WIDTH, BARS_WIDTH - TIMES_WIDTH - RATIOS_WIDTH)


def _power(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds > size * 0.999:
            return f"{seconds / size:,.0f}{unit}"
    return f"{seconds * 1e6:g}us"


def flame(label: str, levels: Sequence[Sequence[Segment]]) -> str:
    """Draw what time is made of: each level below the one that it divides, as wide as its time.

    A segment too narrow for its name has it under the pointer alone.
    """
    whole = max(segment.start + segment.seconds for segment in levels[0])
    parts = []
    for k, level in enumerate(levels):
        top = k * (FLAME_ROW + 2)
        for segment in level:
            left, width = FLAME_WIDTH * segment.start / whole, FLAME_WIDTH * segment.seconds / whole
            drawn = [svg.bar(segment.kind, left, top, max(0.5, width - 1), FLAME_ROW)]
            if len(segment.name) * LETTER + 8 <= width:
                drawn.append(svg.text("on", left + 4, top + FLAME_ROW - 9, segment.name))
            parts.append(svg.with_tip(segment.tip, *drawn))
    told = "; ".join(f"{s.name} {table.time_text(s.seconds)}" for s in levels[-1])
    return svg.picture(FLAME_WIDTH, len(levels) * (FLAME_ROW + 2), f"{label}: {told}", parts)
