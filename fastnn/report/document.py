"""One HTML page that holds everything it shows, readable in light and dark and on a small screen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template


def page(title: str, parts: Iterable[str]) -> str:
    """Put HTML under a title and the date, into a page with the style of all reports."""
    template = Template(_template())
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return template.substitute(title=escape(title), made=escape(made), body="\n".join(parts))


def colours_and_styles(*selectors: str) -> str:
    """Return, as CSS, the page's colours in light and dark, and the one-line rules whose selectors start so."""
    rules = _template().partition("<style>\n")[2].partition("</style>")[0]
    colours, _, others = rules.partition("* {")
    return colours + "".join(rule for rule in others.splitlines(keepends=True) if rule.startswith(selectors))


def _template() -> str:
    return (files(__package__) / "template.html").read_text(encoding="utf-8")
