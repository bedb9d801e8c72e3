"""Where every value and temporary of a schedule lies: shared memory by lifetime, as registers are shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from .schedule import Item, Schedule
from .stage import NO_HALO, Axis, Machine, Place, Space
from .tape import Parameter

Key = tuple[object, ...]


@dataclass
class _Life:
    """First and last position at which something is used, and in how many phases."""

    first: int
    last: int
    phases: set[int]
    in_blocks: bool


@dataclass
class Placement:
    """Places of all operands, and the elements that each space takes."""

    places: dict[Key, Place] = field(default_factory=dict)
    slots: dict[int, int] = field(default_factory=dict)
    sizes: dict[Space, int] = field(default_factory=lambda: dict.fromkeys(Space, 0))


def volume(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Write a sample's shape as (channels, height, width)."""
    c, h, w = (*shape, 1, 1)[:3]
    return c, h, w


def place(schedule: Schedule, machine: Machine) -> Placement:
    """Give every value and temporary its place, and every gradient made block by block its slot."""
    lives, wanted = _lifetimes(schedule, machine)
    placement = Placement()
    placed: dict[Space, list[tuple[_Life, int, int]]] = {space: [] for space in Space}
    for key, life in sorted(lives.items(), key=lambda entry: entry[1].first):
        if key[0] == "value":
            index = int(str(key[1]))
            value = schedule.values[index]
            shape, halo = volume(value.shape), schedule.halos.get(index, NO_HALO)
            space = Space.WORK if len(life.phases) == 1 and life.in_blocks else Space.STORE
            if value.whole:
                space, shape = Space.FIXED, (-(-prod(value.shape) // machine.lanes), 1, 1)
        else:
            space, elements = wanted[key]
            shape, halo = (-(-elements // machine.lanes), 1, 1), NO_HALO
        here = Place(space, 0, shape, halo, machine.lanes)
        offset = _first_fit(placed[space], life, here.size, shared=space != Space.FIXED)
        placed[space].append((life, offset, here.size))
        placement.places[key] = Place(space, offset, shape, halo, machine.lanes)
        placement.sizes[space] = max(placement.sizes[space], offset + here.size)
    for phase in schedule.phases:
        if phase.axis == Axis.BLOCK:
            for item in phase.items:
                for param in slot_parameters(item):
                    if param.index in placement.slots:
                        continue  # of another stage of the same row
                    placement.slots[param.index] = placement.sizes[Space.SLOT]
                    placement.sizes[Space.SLOT] += -(-param.size // machine.lanes) * machine.lanes
    return placement


def slot_parameters(item: Item) -> list[Parameter]:
    """Parameters whose gradient the item makes; on the block axis they go to slots."""
    return [item.row.grads[n] for n in item.stage.writes if n in item.row.grads]


def _lifetimes(schedule: Schedule, machine: Machine) -> tuple[dict[Key, _Life], dict[Key, tuple[Space, int]]]:
    lives: dict[Key, _Life] = {}
    wanted: dict[Key, tuple[Space, int]] = {}
    position = 0
    for number, phase in enumerate(schedule.phases):
        start, end = position, position + len(phase.items) - 1
        for item in phase.items:
            # Off the block axis the items of a phase run at the same time: what they use lives through all of it. So
            # does what blocks read of each other: one may be done with the phase before another has begun.
            apart = phase.axis == Axis.BLOCK and not item.stage.across
            first, last = (position, position) if apart else (start, end)
            for name, (space, elements) in item.stage.temps(item.row, machine).items():
                wanted[item.operand(name)] = (space, elements)
            for name in item.named((*item.stage.reads, *item.stage.writes)):
                key = item.memory(name, schedule.alias)
                life = lives.setdefault(key, _Life(first, last, set(), True))
                life.first, life.last = min(life.first, first), max(life.last, last)
                life.phases.add(number)
                life.in_blocks &= phase.axis == Axis.BLOCK
            position += 1
    return lives, wanted


def _first_fit(placed: list[tuple[_Life, int, int]], life: _Life, size: int, *, shared: bool) -> int:
    """Lowest offset that nothing alive at the same time uses."""
    busy = sorted(
        (offset, offset + taken)
        for other, offset, taken in placed
        if not shared or (other.first <= life.last and life.first <= other.last)
    )
    offset = 0
    for start, end in busy:
        if offset + size <= start:
            break
        offset = max(offset, end)
    return offset


