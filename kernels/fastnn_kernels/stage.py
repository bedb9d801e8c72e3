"""What a compiled kernel tells the schedule: on which axis it runs, what it needs, how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tape import Row

# Lane blocks of one task on the group axis: enough to reuse a weight from a register, few enough for 16 of them.
GROUP_SIZE = 4
# No halo: zeros around a map, as (top, bottom, left, right).
NO_HALO = (0, 0, 0, 0)

Halo = tuple[int, int, int, int]


class Axis(IntEnum):
    """What the tasks of a phase are."""

    BLOCK = 0  # one lane block each; the rows of a phase run one behind the other
    GROUP = 1  # up to GROUP_SIZE lane blocks each
    TILE = 2  # a part of an output, over all lane blocks
    CHUNK = 3  # a part of the flat parameter vector


class Space(IntEnum):
    """Where an operand lives, and so what is added to its offset when a task runs."""

    FIXED = 0  # one place: parameters, gradients owned by a tile, what a whole step shares
    WORK = 1  # scratch of a worker, refilled in each task
    STORE = 2  # storage of a lane block, kept from phase to phase
    SLOT = 3  # gradient of one lane block, to be summed over the blocks


@dataclass(frozen=True)
class Machine:
    """What choices of tiles depend on.

    Attributes
    ----------
    lanes : int
        Samples of a lane block: the lanes of a vector of the dtype, half as many, or 1.
    tile_limit : int
        Accumulators of a register tile.
    vector : int
        Lanes of a vector of the dtype. Where `lanes` is 1 instead, a block is one plain (C, H, W) sample, and the ops
        that matter have a form with its lanes along the width or the outputs; the others run with one lane.
    """

    lanes: int
    tile_limit: int
    vector: int

    @property
    def narrow(self) -> bool:
        """Whether a block is a single sample."""
        return self.lanes == 1


@dataclass(frozen=True)
class Place:
    """Where a value lies: `offset` and strides in elements; (channels, height, width) with a halo of zeros."""

    space: Space
    offset: int
    shape: tuple[int, int, int]
    halo: Halo
    lanes: int

    @property
    def row(self) -> int:
        """Elements from one row to the next."""
        return (self.shape[2] + self.halo[2] + self.halo[3]) * self.lanes

    @property
    def channel(self) -> int:
        """Elements from one channel to the next."""
        return (self.shape[1] + self.halo[0] + self.halo[1]) * self.row

    @property
    def size(self) -> int:
        """Elements with halo."""
        return self.shape[0] * self.channel

    @property
    def origin(self) -> int:
        """Offset of the first element inside the halo."""
        return self.offset + self.halo[0] * self.row + self.halo[2] * self.lanes


@dataclass(frozen=True)
class Call:
    """A compiled op function with its integers and floats; `tasks` counts on the tile axis."""

    function: Callable[..., Any]
    options: tuple[int, ...] = ()
    scalars: tuple[float, ...] = ()
    tasks: int = 1


def _always(row: Row, machine: Machine) -> bool:
    return True


def _nothing(row: Row, machine: Machine) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Stage:
    """One compiled stage of a kernel.

    Attributes
    ----------
    axis : Axis, or callable
        What its tasks are; ``axis(row, machine) -> Axis`` where that depends on sizes.
    reads, writes : tuple of str
        Operands of the row, and temporaries of it; ``task.at`` has their offsets in this order.
    call : callable
        ``call(row, places, machine) -> Call``; `places` has the place of each value and temporary.
    halo : callable
        ``halo(row, machine) -> {operand: (top, bottom, left, right)}``: zeros it needs around what it reads.
    temps : callable
        ``temps(row, machine) -> {name: (space, elements)}``: temporaries that this stage is the first to use.
    plain : bool
        Whether it needs its operands without halos.
    across : bool
        Whether on the block axis it reads the storage of other blocks, written in an earlier phase.
    wanted : callable
        ``wanted(row, machine) -> bool``: whether this row has the stage at all.
    """

    axis: Axis | Callable[[Row, Machine], Axis]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    call: Callable[[Row, Mapping[str, Place], Machine], Call]
    halo: Callable[[Row, Machine], Mapping[str, Halo]] = _nothing
    temps: Callable[[Row, Machine], Mapping[str, tuple[Space, int]]] = _nothing
    plain: bool = False
    across: bool = False
    wanted: Callable[[Row, Machine], bool] = _always

    def axis_of(self, row: Row, machine: Machine) -> Axis:
        """Return the axis for this row."""
        return self.axis if isinstance(self.axis, Axis) else self.axis(row, machine)
