"""Running the Python examples of a page: its blocks one behind the other, as a reader would type them."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def blocks(path: Path, language: str = "python") -> list[tuple[int, str]]:
    """Return the fenced blocks of a page, each with the number of its first line."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


def run_page(path: Path) -> dict[str, Any]:
    """Run all Python blocks of a page in one namespace, and return it; tracebacks have the page's line numbers."""
    namespace: dict[str, Any] = {"__name__": f"docs.{path.stem}"}
    found = blocks(path)
    assert found, f"{path.name} has no Python block"
    for line, code in found:
        exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)
    return namespace
