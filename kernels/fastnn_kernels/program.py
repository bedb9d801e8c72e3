"""A schedule as the tables that the executor reads: one row of integers for each stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .convert import SAME
from .fusion import fuse
from .load_rows import load_rows
from .ops.shape import zero_halo_call
from .ops.update import CHUNK_COLUMNS, CHUNK_SIZE, COMPLETE_CHUNK_SIZE, norm_elements, update_phases
from .placement import Placement, place, volume
from .rewrite import relu_behind_pool, relu_in_batch_norm, relu_in_max_pool
from .schedule import Item, Schedule, make_schedule
from .stage import Axis, Call, Machine, Place, Space
from .tape import Row, Tape
from .update import Update

OPERANDS = 12
OPTIONS = 96

_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Program:
    """Tables of one kind of step.

    Attributes
    ----------
    calls : tuple of Call
        The op of each row, to be compiled.
    spaces, offsets : (rows, OPERANDS) int64
        Where each operand lies.
    options : (rows, OPTIONS) int64, scalars : (rows, longest row) float64
        The op's numbers.
    tasks : (rows,) int64
        Tasks of the row on the tile axis.
    phases : (phases, 3) int64
        First row, row behind the last, axis.
    chunks : (chunks, CHUNK_COLUMNS) int64
        The update table.
    sizes : mapping of Space to int
        Elements of each space.
    rows : tuple of Row or None
        The row of the tape, or those fused to one, that each call belongs to; None for those of the update.
    """

    calls: tuple[Call, ...]
    spaces: _Ints
    offsets: _Ints
    options: _Ints
    scalars: NDArray[np.float64]
    tasks: _Ints
    phases: _Ints
    chunks: _Ints
    sizes: dict[Space, int]
    rows: tuple[Row | None, ...]


def make_program(
    tape: Tape,
    machine: Machine,
    *,
    backward: bool,
    loss: bool,
    update: Update | None,
    source: int = SAME,
    weighted: bool = False,
    predictions: bool = False,
    fused: bool = True,
) -> Program:
    """Compile `tape` to tables: forward, then the way out, the loss, backward and update where wanted.

    With backward rows the forward rows are those of training; an update commits the ops' states as well. `source` is
    what the images are (`convert.py`); `weighted` where samples have weights; `predictions` where outputs are
    written, as always without a loss. Without `fused` every row of the tape is one of the program.
    """
    tape = tape if backward else replace(tape, forward=tape.inference())
    if fused:
        tape = relu_behind_pool(tape)
        tape = relu_in_batch_norm(tape if machine.narrow else relu_in_max_pool(tape))
    rows = [*load_rows(tape, source, augmented=update is not None), *tape.forward]
    if predictions or not loss:
        rows.append(Row("unload", "forward", {"x": tape.output}, {}, {}, {}))
    if loss:
        assert tape.loss is not None
        rows.append(replace(tape.loss, attrs={**tape.loss.attrs, "weighted": weighted}))
        if backward:
            rows += tape.backward()
    return lay_out(fuse(rows, machine) if fused else rows, tape, machine, backward=backward, update=update)


def lay_out(rows: Sequence[Row], tape: Tape, machine: Machine, *, backward: bool, update: Update | None) -> Program:
    """Compile rows to tables; with `backward` the gradients of the tape's parameters are summed behind them."""
    schedule = make_schedule(rows, tape, machine)
    return _Tables(tape, schedule, place(schedule, machine), machine).program(backward, update)


class _Tables:
    """Collects the rows of a program."""

    def __init__(self, tape: Tape, schedule: Schedule, placement: Placement, machine: Machine) -> None:
        self.tape, self.schedule, self.placement, self.machine = tape, schedule, placement, machine
        self.calls: list[Call] = []
        self.rows: list[Row | None] = []
        self.operands: list[list[tuple[Space, int]]] = []
        self.phases: list[tuple[int, int, int]] = []

    def program(self, backward: bool, update: Update | None) -> Program:
        for phase in self.schedule.phases:
            first = len(self.calls)
            for item in phase.items:
                self._add_item(item)
            self.phases.append((first, len(self.calls), phase.axis))
        chunks = self._chunks()
        if backward:
            # Whole vectors, so that the float64 sums have an offset of their own in a float32 arena.
            vector = self.machine.vector
            sums = -(-self.placement.sizes[Space.FIXED] // vector) * vector
            self.placement.sizes[Space.FIXED] = sums + -(-norm_elements(update, len(chunks)) // vector) * vector
            for axis, calls in update_phases(update, self.tape.params, self.tape.size, len(chunks), sums):
                first = len(self.calls)
                for call, operands in calls:
                    self._add(call, operands)
                self.phases.append((first, len(self.calls), axis))
        if update is not None and (rows := self.tape.commits()):
            first = len(self.calls)
            for row in rows:
                for stage in row.definition.stages:
                    self._add_item(Item(row, stage, Axis.TILE, -1))
            self.phases.append((first, len(self.calls), Axis.TILE))
        return self._pack(chunks)

    def _add(self, call: Call, operands: list[tuple[Space, int]], row: Row | None = None) -> None:
        self.calls.append(call)
        self.rows.append(row)
        self.operands.append(operands)

    def _add_item(self, item: Item) -> None:
        places: dict[str, Place] = {}
        operands: list[tuple[Space, int]] = []
        row, stage = item.row, item.stage
        present = set(item.named((*stage.reads, *stage.writes)))
        for name in (*stage.reads, *stage.writes):
            if name in row.params:
                operands.append((Space.FIXED, row.params[name].offset))
            elif name in row.grads:
                param = row.grads[name]
                slotted = item.axis == Axis.BLOCK
                operands.append(
                    (Space.SLOT, self.placement.slots[param.index]) if slotted else (Space.FIXED, param.offset)
                )
            elif name in row.states:
                operands.append((Space.FIXED, row.states[name].offset))
            elif name in present:
                places[name] = self._place(item, name)
                operands.append((places[name].space, places[name].origin))
            else:
                operands.append((Space.FIXED, 0))  # an optional operand that this row does without
        self._add(stage.call(row, places, self.machine), operands, row)
        for name in stage.writes:
            if name in places and any(places[name].halo):
                self._add(zero_halo_call(places[name]), [(places[name].space, places[name].origin)], row)

    def _place(self, item: Item, name: str) -> Place:
        """Place of an operand, seen in the operand's own shape where it shares another's memory."""
        found = self.placement.places[item.memory(name, self.schedule.alias)]
        if name not in item.row.values:
            return found
        c, h, w = volume(item.row.values[name].shape)
        return Place(found.space, found.offset, (c, h, w), found.halo, found.lanes)

    def _chunks(self) -> _Ints:
        rows = []
        for param in self.tape.params:
            slot = self.placement.slots.get(param.index, -1)
            longest = CHUNK_SIZE if slot >= 0 else COMPLETE_CHUNK_SIZE
            for start in range(0, param.size, longest):
                size = min(longest, param.size - start)
                where = slot + start if slot >= 0 else -1
                rows.append((param.offset + start, size, where, int(param.decay), int(param.trainable)))
        return np.array(rows, np.int64).reshape(-1, CHUNK_COLUMNS)

    def _pack(self, chunks: _Ints) -> Program:
        n, longest = len(self.calls), max(1, *(len(call.scalars) for call in self.calls))
        spaces, offsets = np.zeros((n, OPERANDS), np.int64), np.zeros((n, OPERANDS), np.int64)
        options, scalars = np.zeros((n, OPTIONS), np.int64), np.zeros((n, longest))
        for i, (call, operands) in enumerate(zip(self.calls, self.operands, strict=True)):
            for k, (space, offset) in enumerate(operands):
                spaces[i, k], offsets[i, k] = space, offset
            options[i, : len(call.options)] = call.options
            scalars[i, : len(call.scalars)] = call.scalars
        tasks = np.array([call.tasks for call in self.calls], np.int64)
        phases = np.array(self.phases, np.int64)
        return Program(tuple(self.calls), spaces, offsets, options, scalars, tasks, phases, chunks,
                       self.placement.sizes, tuple(self.rows))

