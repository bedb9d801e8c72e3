"""The table that Sequential.summary prints."""

from __future__ import annotations

from .lowering import Lowered


def table(lowered: Lowered) -> str:
    """Write one line a layer: name, output shape of one sample, number of parameters."""
    tape = lowered.tape
    rows = [("layer", "output shape", "parameters"), ("input", str(tape.inputs[0].shape), "0")]
    for name, value in tape.outputs.items():
        size = sum(p.size for p in tape.params if p.name.startswith(f"{name}/"))
        rows.append((name, str(value.shape), f"{size:,}"))
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    lines = [f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {size:>{widths[2]}}" for name, shape, size in rows]
    rule = "-" * len(lines[0])
    total = f"total parameters: {tape.size:,}"
    frozen = sum(p.size for p in tape.params if not p.trainable)
    if frozen:
        total += f", {frozen:,} of them frozen"
    return "\n".join([lines[0], rule, *lines[1:], rule, total])
