"""Curves as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from . import svg

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34
TICKS = 5
EPOCH_TICKS = 8


def draw(name: str, epochs: Sequence[int], curves: Mapping[str, Sequence[float]], level: float | None = None) -> str:
    """Draw curves over the epochs.

    Parameters
    ----------
    name : str
        What is drawn, for those who cannot see it.
    epochs : sequence of int
        At least one.
    curves : mapping of str to sequence of float
        One number an epoch; where it is not finite the curve is broken.
    level : float, optional
        Drawn as a horizontal line: the test set's value.

    Returns
    -------
    str
        An svg element; colours and line styles are those of the classes line-0, line-1, ... and level.
    """
    values = [v for curve in curves.values() for v in curve if math.isfinite(v)]
    if level is not None and math.isfinite(level):
        values.append(level)
    if not values:
        return f"<p>{escape(name)}: no finite values.</p>"
    ticks = _ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    first, last = epochs[0], epochs[-1]

    def x(epoch: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((epoch - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = []
    for tick in ticks:
        parts.append(svg.line("grid", LEFT, y(tick), WIDTH - RIGHT, y(tick)))
        parts.append(svg.text("end", LEFT - 6, y(tick) + 4, f"{tick:.6g}"))
    for epoch in range(first, last + 1, max(1, math.ceil((last - first) / EPOCH_TICKS))):
        parts.append(svg.text("middle", x(epoch), HEIGHT - 16, str(epoch)))
    parts.append(svg.text("middle", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, "epoch"))
    if level is not None and math.isfinite(level):
        parts.append(svg.line("level", LEFT, y(level), WIDTH - RIGHT, y(level)))
    for k, curve in enumerate(curves.values()):
        for run in _runs(epochs, curve):
            points = [(x(epoch), y(value)) for epoch, value in run]
            if len(points) == 1:
                parts.append(f'<circle class="line-{k % 4}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>')
            else:
                path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
                parts.append(f'<polyline class="line-{k % 4}" points="{path}"/>')
    told = "; ".join(f"{label} {_told(curve)}" for label, curve in curves.items())
    return svg.picture(WIDTH, HEIGHT, f"{name} over epochs {first} to {last}: {told}", parts)


def _told(curve: Sequence[float]) -> str:
    return f"from {curve[0]:.4g} to {curve[-1]:.4g}"


def _runs(epochs: Sequence[int], curve: Sequence[float]) -> list[list[tuple[int, float]]]:
    """Cut a curve where it is not finite."""
    runs: list[list[tuple[int, float]]] = [[]]
    for epoch, value in zip(epochs, curve, strict=True):
        if math.isfinite(value):
            runs[-1].append((epoch, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _ticks(low: float, high: float) -> list[float]:
    """Give round numbers that enclose the values: multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or abs(high) or 1.0
    raw = span / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(start, max(stop, start + 1) + 1)]
