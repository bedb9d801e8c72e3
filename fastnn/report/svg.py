"""The pieces that pictures are drawn with, as SVG; colours and lines are those of the page's classes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def picture(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Put parts into a picture, with words for those who cannot see it."""
    told = escape(label, quote=True)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{told}">{"".join(parts)}</svg>'


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw a straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(kind: str, x: float, y: float, words: str) -> str:
    """Write words; kind "end" or "middle" says what is at x, else it is their start."""
    return f'<text class="tick {kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def bar(kind: str, x: float, y: float, width: float, height: float) -> str:
    """Draw a filled rectangle."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def with_tip(words: str, *parts: str) -> str:
    """Let parts show words under the pointer."""
    return f"<g><title>{escape(words)}</title>{''.join(parts)}</g>"
