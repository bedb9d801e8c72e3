"""What the rows of a tape say of its layers: the phase that they belong to, and what there is to do."""

from __future__ import annotations

from math import prod

from fastnn_kernels.tape import Row, Tape

LOADS = ("load", "fetch", "interleave")


def phase(row: Row) -> str:
    """Tell "forward", "backward" or "update"."""
    if row.kernel == "commit":
        return "update"
    return "backward" if row.kernel.startswith("backward") else "forward"


def flops(tape: Tape, layer: str, batch: int) -> int:
    """Count multiplications and additions of a step in a layer's convolutions and dense products."""
    total = 0
    gradients = tape.backward()
    for row in tape.forward:
        if "w" not in row.params or layer not in row.origin:
            continue
        if row.op == "conv2d":
            once = 2 * prod(row.params["w"].shape) * prod(row.values["y"].shape[1:])
        elif row.op == "conv_transpose2d":
            once = 2 * prod(row.params["w"].shape) * prod(row.values["x"].shape[1:])
        elif row.op == "dense":
            once = 2 * prod(row.params["w"].shape)
        else:
            continue
        weight = row.params["w"]
        back = sum(
            weight in (*other.params.values(), *other.grads.values())
            for other in gradients
            if other.kernel in ("backward_input", "backward_weight")
        )
        total += batch * once * (1 + back)
    return total


def elements(tape: Tape, layers: tuple[str, ...]) -> tuple[int, int, int]:
    """Count what the rows of layers read and write of one sample; maps between them count for the last number alone.

    Returns
    -------
    read, written, all that is written : int
    """
    rows = [row for row in tape.forward if set(row.origin) & set(layers)]
    others = [row for row in tape.forward if row not in rows]
    made = {v.index for row in rows for v in row.written()}
    wanted = {v.index for row in others for v in row.read()} | {tape.output.index}
    read = {v.index: prod(v.shape) for row in rows for v in row.read() if v.index not in made}
    written = {v.index: prod(v.shape) for row in rows for v in row.written()}
    outside = sum(size for index, size in written.items() if index in wanted)
    return sum(read.values()), outside, sum(written.values())
