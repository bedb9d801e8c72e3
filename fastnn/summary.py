"""The table that Sequential.summary prints."""

from __future__ import annotations

from .lowering import Lowered


def rows(lowered: Lowered) -> list[tuple[str, str, int]]:
    """Give name, output shape of one sample and number of parameters of each layer."""
    tape = lowered.tape
    return [
        (name, str(value.shape), sum(p.size for p in tape.params if p.name.startswith(f"{name}/")))
        for name, value in tape.outputs.items()
    ]


def table(lowered: Lowered) -> str:
    """Write one line a layer: name, output shape of one sample, number of parameters."""
    tape = lowered.tape
    cells = [("layer", "output shape", "parameters"), ("input", str(tape.inputs[0].shape), "0")]
    cells += [(name, shape, f"{size:,}") for name, shape, size in rows(lowered)]
    widths = [max(len(row[k]) for row in cells) for k in range(3)]
    lines = [f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}" for name, shape, size in cells]
    rule = "-" * len(lines[0])
    total = f"total parameters: {tape.size:,}"
    frozen = sum(p.size for p in tape.params if not p.trainable)
    if frozen:
        total += f", {frozen:,} of them frozen"
    return "\n".join([lines[0], rule, *lines[1:], rule, total])
