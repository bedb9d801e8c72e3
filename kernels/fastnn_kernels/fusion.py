"""Fusion: two rows become one, where an op can do both and nobody else wants what is between them.

Unlike the rewrites of a tape (`rewrite.py`) this is done to the rows of one program, for one machine: what is fused
depends on the kernels there are for the sizes. All results are the same to the last bit, but for the gradient of a
bias in front of a pooling, which is summed over the windows instead of the pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from .ops import conv_pool, conv_taps, winograd
from .ops.conv_stages import conv_sizes
from .ops.pool import windows_of
from .stage import Machine
from .tape import Row


def fuse(rows: Sequence[Row], machine: Machine) -> list[Row]:
    """Return the rows of a program, forward and backward, with fewer passes over the maps."""
    if machine.narrow:
        return list(rows)
    fused: list[Row | None] = list(rows)
    readers = Counter(value.index for row in rows for value in row.read())
    written = {value.index: number for number, row in enumerate(rows) for value in row.written()}
    for number, row in enumerate(rows):
        pairs = _PAIRS.get((row.op, row.kernel))
        if pairs is None:
            continue
        operand, merge = pairs
        value = row.values[operand]
        place = written.get(value.index)
        before = fused[place] if place is not None and readers[value.index] == 1 else None
        merged = merge(before, row, machine) if before is not None else None
        if merged is not None:
            assert place is not None and before is not None
            fused[place], fused[number] = None, replace(merged, origin=before.origin_with(row))
    return [row for row in fused if row is not None]


def _relu_in_convolution(before: Row, row: Row, machine: Machine) -> Row | None:
    if (before.op, before.kernel) != ("conv2d", "forward"):
        return None
    s = conv_sizes(before, "x", "y")
    if winograd.describe(s, flip=False) is None and not conv_taps.has_rows(s):
        return None
    return replace(before, values={**before.values, "y": row.values["y"]}, attrs={**before.attrs, "relu": True})


def _window(pool: Row, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Size of a pooling's windows, where they are next to each other in maps of this shape and none is cut off."""
    w = windows_of(pool.op, shape, **pool.attrs)
    plain = w.stride == w.kernel and w.dilation == (1, 1) and not any(w.pads)
    inside = all(n * k <= size for n, k, size in zip(w.out, w.kernel, shape[1:], strict=True))
    return w.kernel if plain and inside else None


def _pool_in_convolution(before: Row, row: Row, machine: Machine) -> Row | None:
    if (before.op, before.kernel) != ("conv2d", "forward"):
        return None
    maps = before.values["y"].shape
    window = _window(row, maps)
    if window is None or not conv_pool.can_pool(conv_sizes(before, "x", "y"), window):
        return None
    values = {"x": before.values["x"], "y": row.values["y"], "argmax": row.values["argmax"]}
    attrs = {**before.attrs, "maps_shape": maps, "window": window, "relu": row.attrs.get("relu", False)}
    return replace(before, op="conv2d_max_pool2d", values=values, attrs=attrs)


def _pool_in_weight_gradient(before: Row, row: Row, machine: Machine) -> Row | None:
    if (before.op, before.kernel) != ("max_pool2d", "backward"):
        return None
    maps = before.values["dx"].shape
    window = _window(before, maps)
    if window is None or not conv_pool.can_pool_backward(conv_sizes(row, "x", "dy"), window, machine):
        return None
    values = {"dy": before.values["dy"], "argmax": before.values["argmax"], "x": row.values["x"]}
    attrs = {**row.attrs, "maps_shape": maps, "window": window}
    return replace(row, op="conv2d_max_pool2d", values=values, attrs=attrs)


# By the second row of a pair: the operand that the first one makes, and what makes one row of the two.
_PAIRS: dict[tuple[str, str], tuple[str, Callable[[Row, Row, Machine], Row | None]]] = {
    ("relu", "forward"): ("x", _relu_in_convolution),
    ("max_pool2d", "forward"): ("x", _pool_in_convolution),
    ("conv2d", "backward_weight"): ("dy", _pool_in_weight_gradient),
}
