"""Which layer a row of a compiled program belongs to, and what the layer has to do."""

from __future__ import annotations

from math import prod

from fastnn_kernels.tape import Row, Tape, Value

from ..layers.base import ModelTape

LOADS = ("load", "fetch", "interleave")


def owners(row: Row, names: list[str]) -> list[str]:
    """Name the layers that a row names itself: by its parameters, and by what it makes."""
    own = [o.name for named in (row.params, row.grads, row.states) for o in named.values()]
    found = [name.rpartition("/")[0] for name in own] + [owner(value) for value in _owned(row)]
    # The activation of a layer, "conv2d/relu", is none of the summary's: it belongs to the layer.
    found = [name if name in names else name.rpartition("/")[0] for name in found]
    return [name for name in found if name in names]


def group(row: Row, names: list[str], own: set[str]) -> tuple[str, ...]:
    """Name the layers that a row works for, in the order of the model: several where it is fused.

    `own` are the layers that some row names; one between those of a row that is not among them was taken in by it.
    """
    found = owners(row, names)
    if not found:
        return ()
    places = [names.index(name) for name in found]
    between = names[min(places) : max(places) + 1]
    return tuple(name for name in between if name in found or not (name in own or _holds(name, names)))


def owner(value: Value) -> str:
    """Name the layer that made a value, or whose output it is the gradient of."""
    return value.name.partition(".")[0]


def _owned(row: Row) -> list[Value]:
    """Values that tell whose a row is: what it makes forward, the gradient of that backward."""
    if row.kernel.startswith("backward"):
        return [value for name, value in row.values.items() if name in ("dy", "y")]
    return [value for name, value in row.values.items() if name == "y"]


def _holds(name: str, names: list[str]) -> bool:
    return any(other.startswith(f"{name}/") for other in names)


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
        if "w" not in row.params or row.params["w"].name.rpartition("/")[0] != layer:
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


def elements(tape: ModelTape, layers: tuple[str, ...]) -> tuple[int, int, int]:
    """Count what the rows of layers read and write of one sample; maps between them count for the last number alone.

    Returns
    -------
    read, written, all that is written : int
    """
    names = list(tape.outputs)
    rows = [row for row in tape.forward if set(owners(row, names)) & set(layers)]
    others = [row for row in tape.forward if row not in rows]
    made = {v.index for row in rows for v in row.written()}
    wanted = {v.index for row in others for v in row.read()} | {tape.output.index}
    read = {v.index: prod(v.shape) for row in rows for v in row.read() if v.index not in made}
    written = {v.index: prod(v.shape) for row in rows for v in row.written()}
    outside = sum(size for index, size in written.items() if index in wanted)
    return sum(read.values()), outside, sum(written.values())
