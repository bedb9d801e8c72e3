"""Convolutions of many images as rows of a tape, in lane blocks: the images of a block are side by side in the lanes.

By Winograd's algorithm, in tiles of two dimensions for maps that are not as wide as whole vectors (those are made image
by image, `conv_wide.py`) and for weight gradients, or along rows; directly where there are too few filters for either,
and to fill lanes themselves (`conv_deep.py`). For images too few to fill lanes the flat form (`conv_flat.py`) wins. A
convolution here is a program of a few rows, which is kept with its compiled ops for the next call of the same sizes.
Sums of what is not finite, or nearly so, are made directly.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from ._arrays import Array, flat_alias
from ._jit import TILE_LIMIT, lane_count
from .conv_plan import Conv
from .executor import Executor, StepError
from .idle_memory import borrow, give_back
from .memory import Memory
from .ops import winograd, winograd_row, winograd_row_weight
from .ops.conv_stages import conv_sizes
from .ops.finite import NOT_FINITE
from .program import Program, lay_out
from .stage import Machine
from .tape import Row, Tape, Value

FORWARD, INPUT, WEIGHT = "forward", "backward_input", "backward_weight"
# Programs that are kept.
_KEPT = 64


def sums(conv: Conv, kernel: str, x: Array, w: Array, b: Array | None, y: Array, *, exact: bool = False) -> None:
    """Write outputs (`kernel` FORWARD) or, from dy to dx, input gradients (INPUT); `exact` for direct sums."""
    program = _kept(conv._replace(n=1), kernel, x.dtype, b is not None, exact)
    try:
        program.run(x, _NOTHING, y, [w] if b is None else [w, b], [])
    except StepError as error:
        if error.status != NOT_FINITE:
            raise
        sums(conv, kernel, x, w, b, y, exact=True)


def weight_gradients(conv: Conv, dy: Array, x: Array, dw: Array, db: Array, *, exact: bool = False) -> None:
    """Write the gradients of weights and bias."""
    program = _kept(conv._replace(n=1), WEIGHT, x.dtype, True, exact)
    try:
        program.run(x, dy, None, [], [dw, db])
    except StepError as error:
        if error.status != NOT_FINITE:
            raise
        weight_gradients(conv, dy, x, dw, db, exact=True)


_NOTHING = np.zeros(0, np.float32)


class _Rows(Executor):
    """Runs rows, between loads of images (and maps) and what is done with the results."""

    def __init__(self, tape: Tape, dtype: np.dtype[Any], rows: list[Row], work: int) -> None:
        super().__init__(tape, Memory.create(tape, dtype))
        self._rows, self._work = rows, work

    def _program(self, machine: Machine, *args: Any) -> Program:
        return lay_out(self._rows, self.tape, machine, backward=self._rows[-1].kernel == WEIGHT, update=None)

    def run(self, x: Array, y: Array, result: Array | None, params: list[Array], grads: list[Array]) -> None:
        """Load x and y, with `params` as parameters; unload to `result`, copy the gradients to `grads`."""
        n = len(x)
        with self._lock:
            _copy(params, self.memory.params)
            # Scratch of a whole batch: all programs share what there is, and threads of Python do not wait for it.
            self._arena = borrow(0, self.dtype)
            try:
                # Always "forward": blocks have whole vectors then, as `_has_points` assumes, or are one sample.
                self._run_alone("forward", x, y, np.arange(n), n, np.zeros((1, 2)), None, result)
            finally:
                give_back(self._arena)
                self._arena = np.zeros(0, self.dtype)
            at = 0
            for array in grads:
                array.reshape(-1)[...] = self.memory.grads[at : at + array.size]
                at += array.size


def _copy(arrays: list[Array], flat: Array) -> None:
    at = 0
    for array in arrays:
        flat[at : at + array.size] = flat_alias(array)
        at += array.size


def by_points(conv: Conv, kernel: str, dtype: np.dtype[Any]) -> bool:
    """Whether a convolution of several images, or its gradient, is made by Winograd's algorithm here."""
    _, row = _row(conv, kernel, bias=False, exact=False)
    return _has_points(row, dtype)


def _has_points(row: Row, dtype: np.dtype[Any]) -> bool:
    lanes = lane_count(dtype.itemsize * 8)
    machine = Machine(lanes, TILE_LIMIT, lanes)
    if row.kernel == WEIGHT:
        s = conv_sizes(row, "x", "dy")
        return winograd.has_points(s, lanes) or winograd_row_weight.makes_weights(s, machine)
    if row.kernel == INPUT:
        s = conv_sizes(row, "dx", "dy")
        return winograd.describe(s, flip=True) is not None or winograd_row.makes_images(s, machine)
    s = conv_sizes(row, "x", "y")
    return winograd.describe(s, flip=False) is not None or winograd_row.makes_maps(s, machine)


def _row(conv: Conv, kernel: str, *, bias: bool, exact: bool) -> tuple[Tape, Row]:
    """Make the row of one convolution, of its gradient for the input, or of those for weights and bias."""
    tape = Tape()
    images = tape.value((conv.c, conv.height, conv.width), "images")
    maps = tape.value((conv.k, conv.oh, conv.ow), "maps")
    params = {"w": tape.parameter("w", (conv.k, conv.c // conv.groups, conv.kh, conv.kw))}
    attrs = {**_attrs(conv, exact), "shapes": {"x_shape": images.shape, "w_shape": params["w"].shape}}
    if bias or kernel == WEIGHT:
        params["b"] = tape.parameter("b", (conv.k,))
    if kernel == WEIGHT:
        grads = {f"d{name}": param for name, param in params.items()}
        return tape, Row("conv2d", kernel, {"dy": maps, "x": images}, {}, grads, attrs)
    values = {"dy": maps, "dx": images} if kernel == INPUT else {"x": images, "y": maps}
    return tape, Row("conv2d", kernel, values, params, {}, attrs)


@functools.lru_cache(_KEPT)
def _kept(conv: Conv, kernel: str, dtype: np.dtype[Any], bias: bool, exact: bool) -> _Rows:
    """Make the program of one convolution, of its gradient for the input, or of those for weights and bias."""
    tape, row = _row(conv, kernel, bias=bias, exact=exact)
    if kernel == WEIGHT:
        loads = [_load(row.values["x"]), replace(_load(row.values["dy"]), op="load_targets")]
    else:
        loads = [_load(row.values["dy" if kernel == INPUT else "x"])]
    rows = list(loads)
    if not exact and _has_points(row, dtype):
        weights = {"w": row.params["w"]} if kernel != WEIGHT else {}
        rows += [Row("finite", FORWARD, {"x": load.values["y"]}, weights, {}, {}) for load in loads]
    if kernel != WEIGHT:
        result = row.values["dx" if kernel == INPUT else "y"]
        rows += [row, Row("unload", FORWARD, {"x": result}, {}, {}, {})]
    else:
        rows.append(row)
    taps = (conv.c // conv.groups) * conv.kh * conv.kw
    return _Rows(tape, dtype, rows, conv.k * taps * conv.oh * conv.ow)


def _load(value: Value) -> Row:
    return Row("load", FORWARD, {"y": value}, {}, {}, {})


def _attrs(conv: Conv, exact: bool) -> dict[str, Any]:
    """Attributes of a row; padding behind that no window reaches is left out."""
    bottom = (conv.oh - 1) * conv.sh + (conv.kh - 1) * conv.dh + 1 - conv.height - conv.top
    right = (conv.ow - 1) * conv.sw + (conv.kw - 1) * conv.dw + 1 - conv.width - conv.left
    return {
        "stride": (conv.sh, conv.sw), "padding": (conv.top, max(0, bottom), conv.left, max(0, right)),
        "dilation": (conv.dh, conv.dw), "groups": conv.groups, "exact": exact,
    }  # fmt: skip
