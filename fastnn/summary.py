"""The table that Sequential.summary prints."""

from __future__ import annotations

from collections.abc import Collection

from .lowering import Lowered

_INDENT = "  "


def rows(lowered: Lowered) -> list[tuple[str, str, int]]:
    """Give name, output shape of one sample and number of parameters of each layer, in front of those inside it."""
    tape = lowered.tape
    place = {name: k for k, name in enumerate(tape.outputs)}
    return [
        (name, str(tape.outputs[name].shape), sum(p.size for p in tape.params if p.name.startswith(f"{name}/")))
        for name in sorted(place, key=lambda name: [place[n] for n in (*_around(name, place), name)])
    ]


def table(lowered: Lowered) -> str:
    """Write one line a layer: name, output shape of one sample, number of parameters.

    Layers inside others follow these, indented, with the part of their name that is their own.
    """
    tape = lowered.tape
    cells = [("layer", "output shape", "parameters"), ("input", str(tape.inputs[0].shape), "0")]
    for name, shape, size in rows(lowered):
        around = _around(name, tape.outputs)
        label = _INDENT * len(around) + name.removeprefix(f"{around[-1]}/" if around else "")
        cells.append((label, shape, f"{size:,}"))
    widths = [max(len(row[k]) for row in cells) for k in range(3)]
    lines = [f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}" for name, shape, size in cells]
    rule = "-" * len(lines[0])
    trainable = sum(p.size for p in tape.params if p.trainable)
    total = [f"total parameters: {tape.size:,}, trainable {trainable:,}"]
    if tape.state_size:
        total.append(f"running statistics: {tape.state_size:,}")
    return "\n".join([lines[0], rule, *lines[1:], rule, *total])


def _around(name: str, names: Collection[str]) -> list[str]:
    """Name the layers that hold this one, the outermost first."""
    parts = name.split("/")
    return [outer for k in range(1, len(parts)) if (outer := "/".join(parts[:k])) in names]
