"""From a tape to phases: which compiled stage runs when, and on which axis.

A step is a list of phases, whose tasks the workers share. Rows of the block axis that follow each other form one phase,
run depth first, block by block; a stage on another axis is a phase of its own with its like. A stage's place
follows from what it reads alone: packing weights comes before everything, gradients of dense weights after all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .stage import NO_HALO, Axis, Halo, Machine, Stage
from .tape import Row, Tape, Value


@dataclass(frozen=True)
class Item:
    """One stage of one row, as the executor runs it."""

    row: Row
    stage: Stage
    axis: Axis
    row_number: int

    def operand(self, name: str) -> tuple[str, int] | tuple[str, int, str]:
        """Key of what the stage calls `name`: a value, or a temporary of its row."""
        if name in self.row.values:
            return ("value", self.row.values[name].index)
        return ("temp", self.row_number, name)

    def memory(self, name: str, alias: Mapping[int, int]) -> tuple[object, ...]:
        """Key of the memory of an operand: that of the value it shares it with, where there is one."""
        key = self.operand(name)
        return ("value", alias.get(key[1], key[1])) if key[0] == "value" else key

    def named(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are values or temporaries: not parameters, and not left out."""
        outside = {*self.row.params, *self.row.grads, *self.row.states}
        known = {*self.row.values, *self.temp_names}
        return [n for n in names if n in known and n not in outside]

    @property
    def temp_names(self) -> set[str]:
        """Temporaries of this row: operands of its stages that are no operands of the kernel, nor states."""
        kernel = self.row.definition
        named = {n for s in kernel.stages for n in (*s.reads, *s.writes)}
        return named - {*kernel.reads, *kernel.writes}


@dataclass(frozen=True)
class Phase:
    """Items that workers share out among them."""

    axis: Axis
    items: tuple[Item, ...]


@dataclass
class Schedule:
    """Phases of one step, the halo of every value, and the values that are others under another shape."""

    phases: list[Phase]
    halos: dict[int, Halo]
    alias: dict[int, int]
    values: dict[int, Value] = field(default_factory=dict)


def make_schedule(rows: Sequence[Row], tape: Tape, machine: Machine) -> Schedule:
    """Order the stages of `rows` (with the load row first) into phases."""
    alias, rows = _aliases(rows)
    rows = _own_copies(rows, alias, tape, machine)
    items = [
        Item(row, stage, stage.axis_of(row, machine), number)
        for number, row in enumerate(rows)
        for stage in row.definition.stages
        if stage.wanted(row, machine)
    ]
    values = {v.index: v for row in rows for v in row.values.values()}
    return Schedule(_phases(items, alias), _halos(items, machine), alias, values)


def _aliases(rows: Sequence[Row]) -> tuple[dict[int, int], list[Row]]:
    """Drop rows as reshape: without a halo a map and its features are the same memory."""
    alias: dict[int, int] = {}
    kept = []
    for row in rows:
        kernel = row.definition
        if kernel.alias:
            source, target = kernel.reads[0], kernel.writes[0]
            index = row.values[source].index
            alias[row.values[target].index] = alias.get(index, index)
        else:
            kept.append(row)
    return alias, kept


def _own_copies(rows: Sequence[Row], alias: dict[int, int], tape: Tape, machine: Machine) -> list[Row]:
    """Give a stage that needs a halo a copy of its own, where others need the value without one."""
    plain = {*alias, *alias.values()}
    for row in rows:
        for stage in row.definition.stages:
            if stage.plain and stage.wanted(row, machine):
                plain |= {v.index for k, v in row.values.items() if k in (*stage.reads, *stage.writes)}
    copies: dict[int, Value] = {}
    result: list[Row] = []
    for row in rows:
        changed = {}
        for stage in row.definition.stages:
            for name, halo in stage.halo(row, machine).items() if stage.wanted(row, machine) else ():
                value = row.values[name]
                if halo != NO_HALO and value.index in plain:
                    if value.index not in copies:
                        copies[value.index] = tape.value(value.shape, f"{value.name}.copy")
                        copy = {"x": value, "y": copies[value.index]}
                        result.append(Row("identity", "forward", copy, {}, {}, {}, origin=row.origin))
                    changed[name] = copies[value.index]
        result.append(replace(row, values={**row.values, **changed}) if changed else row)
    return result


def _halos(items: Sequence[Item], machine: Machine) -> dict[int, Halo]:
    """Find the widest halo that any reader needs, for each value."""
    halos: dict[int, Halo] = {}
    for item in items:
        for name, halo in item.stage.halo(item.row, machine).items():
            index = item.row.values[name].index
            before = halos.get(index, NO_HALO)
            halos[index] = (max(before[0], halo[0]), max(before[1], halo[1]),
                            max(before[2], halo[2]), max(before[3], halo[3]))
    return {index: halo for index, halo in halos.items() if halo != NO_HALO}


def _phases(items: Sequence[Item], alias: dict[int, int]) -> list[Phase]:
    """Group stages by the earliest level at which all they read is there.

    A block stage may read what a block stage of its own level wrote, since one task runs both; everything else
    waits for the next level. Block stages start at level 1, so that the load joins the rows that use it. Tiles are in
    the reverse order: then gradients of dense weights come in the order of the parameters, and a worker has most of
    those that it updates in its own caches (LeNet-5 on two threads: the update took 27 us or 39, and takes 26; Zen 4).
    """
    written: dict[tuple[object, ...], tuple[int, Axis]] = {}
    levels: list[int] = []
    for item in items:
        level = 1 if item.axis == Axis.BLOCK else 0
        for name in item.named(item.stage.reads):
            if (place := written.get(item.memory(name, alias))) is not None:
                together = item.axis == place[1] == Axis.BLOCK
                level = max(level, place[0] + (0 if together else 1))
        for name in item.named(item.stage.writes):
            written[item.memory(name, alias)] = (level, item.axis)
        levels.append(level)
    phases = []
    for level in sorted(set(levels)):
        for axis in (Axis.TILE, Axis.BLOCK, Axis.GROUP):
            members = [i for i, n in zip(items, levels, strict=True) if n == level and i.axis == axis]
            if axis == Axis.GROUP:
                phases += [Phase(axis, (item,)) for item in members]
            elif members:
                phases.append(Phase(axis, tuple(members[::-1] if axis == Axis.TILE else members)))
    return phases
