"""The figures that are kept: `results.json`, and RESULTS.md, which is written from it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

HERE = Path(__file__).resolve().parent
JSON, MARKDOWN = HERE / "results.json", HERE / "RESULTS.md"
KINDS = ("training", "inference", "starts")
Row = Mapping[str, Any]


def record(kind: str, rows: Sequence[Row]) -> None:
    """Keep the rows of one kind, in the place of those of the same machine, net and batch; write RESULTS.md anew."""
    found = kept()
    new = {_key(row): row for row in rows}
    old = [new.pop(_key(row), row) for row in found[kind]]
    found[kind] = [*old, *new.values()]
    JSON.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    MARKDOWN.write_text(markdown(found), encoding="utf-8")


def kept() -> dict[str, list[Row]]:
    """Read the rows of each kind."""
    found = json.loads(JSON.read_text(encoding="utf-8")) if JSON.exists() else {}
    return {kind: found.get(kind, []) for kind in KINDS}


def _key(row: Row) -> tuple[Any, ...]:
    return machine(row), row.get("net"), row.get("batch")


def machine(row: Row) -> str:
    """Name the processor, its vectors, and the threads of a row."""
    name: str = row["conditions"].partition(";")[0]
    return name.partition(" (")[0]  # older rows name what started the threads


def markdown(found: Mapping[str, Sequence[Row]]) -> str:
    """Make the text of RESULTS.md."""
    import peers_table
    import starts

    parts = ["# Results", "Written by `peers.py` and `starts.py` with `--record`, from `results.json`."]
    for kind in ("training", "inference"):
        parts += [part for part in (f"## {kind.title()}", *peers_table.tables(kind, found[kind])) if found[kind]]
    if found["starts"]:
        parts += ["## Starts and memory", *(starts.table(row) for row in found["starts"])]
    return "\n\n".join(parts) + "\n"


def conditions(config: Mapping[str, Any], threads: int) -> str:
    """Name the machine, the threads and the versions; `config` is that of `fastnn_kernels.config()`."""
    titles = {"numpy": "NumPy", "numba": "Numba", "torch": "PyTorch", "jax": "JAX"}
    names = [f"{title} {version(name)}" for name, title in titles.items() if importlib.util.find_spec(name)]
    machine = f"{config['cpu']}, {config['isa']}, {threads} threads"
    return f"{machine}; {', '.join([f'Python {python_version()}', *names])}."
