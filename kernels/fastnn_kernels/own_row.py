"""The registry row of an op of the user's: its shape rule, and where its arrays lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from . import own_call
from .own_call import Argument, ArrayArgument, ConstantArgument, FloatArgument
from .program import OPERANDS, OPTIONS
from .reference.twins.own import OwnTwin
from .registry import Kernel, Op
from .stage import Axis, Call, Machine, Place, Space, Stage
from .tape import Row

Shape = tuple[int, ...]
Function = Callable[..., Any]

# The plain arrays of a block: a scratch whose name no argument of a function can have.
_PLAIN = "plain arrays"
ARRAYS = min(OPERANDS - 1, (OPTIONS - 1) // own_call.ARGUMENT)


@dataclass(frozen=True)
class _Layout:
    """Arguments of a function in a row: integers and floats of the row, and elements of scratch memory."""

    arguments: tuple[Argument, ...]
    options: tuple[int, ...]
    scalars: tuple[float, ...]
    scratch: int


@dataclass(frozen=True)
class OwnOp:
    """What was registered.

    Attributes
    ----------
    forward, backward : compiled functions
    operands, attributes, outputs : tuple of str
        Names of arguments; the first output is the one that other ops read.
    arguments : (tuple of str, tuple of str)
        All arguments of `forward` and of `backward`.
    """

    name: str
    forward: Any
    backward: Any
    twin: tuple[Function, Function] | None
    shape: Callable[..., Any] | None
    operands: tuple[str, ...]
    attributes: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def gradients(self) -> tuple[str, ...]:
        """Outputs of `backward`, in its order."""
        return self.arguments[1][-len(self.operands) :]

    def op(self) -> Op:
        """Make the registry's row."""
        read = (f"d{self.outputs[0]}", *self.operands, *self.outputs)
        return Op(
            self.name,
            self._shapes,
            self._kernel("forward", self.forward, self.arguments[0], self.operands, self.outputs),
            (self._kernel("backward", self.backward, self.arguments[1], read, self.gradients),),
        )

    def _kernel(
        self, name: str, function: Any, arguments: tuple[str, ...], reads: tuple[str, ...], writes: tuple[str, ...]
    ) -> Kernel:
        """Make a kernel; its stages read the operands that the function has, and keep only those in memory."""
        arrays = tuple(n for n in arguments if n not in self.attributes)
        used = arrays[: len(arrays) - len(writes)]

        def temps(row: Row, machine: Machine) -> dict[str, tuple[Space, int]]:
            return {_PLAIN: (Space.WORK, self._layout(row, machine, arguments, writes).scratch)}

        def stage(op: Function) -> Stage:
            def call(row: Row, places: Mapping[str, Place], machine: Machine) -> Call:
                layout = self._layout(row, machine, arguments, writes)
                return Call(op(layout), layout.options, layout.scalars)

            return Stage(Axis.BLOCK, used, (*writes, _PLAIN), call, temps=temps, plain=True)

        stages = (
            stage(lambda layout: own_call.own_take_out),
            stage(lambda layout: own_call.make_own_op(function, layout.arguments)),
            stage(lambda layout: own_call.own_put_back),
        )
        own_twin = None if self.twin is None else self.twin[name == "backward"]
        twin = OwnTwin(f"{self.name}: {name}", function, arguments, writes, self.attributes, own_twin)
        return Kernel(name, reads, writes, twin, stages)

    def _shapes(self, shapes: Mapping[str, Shape], **attrs: Any) -> dict[str, Shape]:
        """Check what a layer puts on the tape, and ask the shape rule."""
        self._check_names("operand", {*shapes}, self.operands)
        self._check_names("attribute", {*attrs}, self.attributes)
        for name, shape in shapes.items():
            if not 1 <= len(shape) <= own_call.DIMENSIONS:
                raise ValueError(f"{self.name}: {name} has shape {shape}, 1 to {own_call.DIMENSIONS} axes are needed")
        for name, value in attrs.items():
            if not _is_plain(value):
                raise TypeError(f"{self.name}: {name} is {value!r}, a number, bool, str or tuple of them is needed")
        if self.shape is None:
            return {name: shapes[self.operands[0]] for name in self.outputs}
        found = self.shape(*(shapes[name] for name in self.operands), **attrs)
        found = found if isinstance(found, Mapping) else {self.outputs[0]: found}
        self._check_names("output of the shape rule", {*found}, self.outputs)
        result: dict[str, Shape] = {}
        for name in self.outputs:
            shape = tuple(found[name]) if isinstance(found[name], (tuple, list)) else ()
            if not 1 <= len(shape) <= 3 or not all(isinstance(size, int) and size > 0 for size in shape):
                raise ValueError(
                    f"{self.name}: the shape rule gives {found[name]!r} for {name}, a tuple of 1 to 3 ints above 0 is "
                    "needed, without the samples"
                )
            result[name] = shape
        return result

    def _check_names(self, kind: str, given: set[str], needed: tuple[str, ...]) -> None:
        if unknown := sorted(given - {*needed}):
            raise ValueError(f"{self.name}: {unknown[0]} is no {kind}, there are: {', '.join(needed) or 'none'}")
        if missing := [name for name in needed if name not in given]:
            raise ValueError(f"{self.name}: the {kind} {missing[0]} is missing")

    def _layout(
        self, row: Row, machine: Machine, arguments: tuple[str, ...], writes: tuple[str, ...]
    ) -> _Layout:
        """Say where the function's arrays lie in a block."""
        found: list[Argument] = []
        options: list[int] = []
        scalars: list[float] = []
        scratch, arrays = 0, len([n for n in arguments if n not in self.attributes])
        for name in arguments:
            if name in self.attributes:
                value = row.attrs[name]
                if isinstance(value, float):
                    found.append(FloatArgument(len(scalars)))
                    scalars.append(value)
                else:
                    found.append(ConstantArgument(value, repr(value)))
                continue
            written = name in writes
            source = name[1:] if written and row.kernel == "backward" else name
            batched = source not in row.params
            shape = (row.values if batched else row.params)[source].shape
            rows = machine.lanes if batched else 1
            action, apart = self._action(row, name, written, copied=batched and not machine.narrow)
            if apart:
                options += own_call.record(action, arrays, scratch, rows, shape)
                scratch += prod(shape) * rows
            else:
                options += own_call.record(action, len(options) // own_call.ARGUMENT, 0, rows, shape)
            found.append(ArrayArgument(len(shape), batched, not batched and not written, written))
        return _Layout(tuple(found), (arrays, *options), tuple(scalars), max(1, scratch))

    @staticmethod
    def _action(row: Row, name: str, written: bool, copied: bool) -> tuple[int, bool]:
        """Say what is done with an array, and whether it lies in scratch memory."""
        if not written:
            return (own_call.TAKE_OUT, True) if copied else (own_call.LEAVE, False)
        if name not in row.values and name not in row.grads:
            return own_call.CLEAR, True  # nobody wants it
        if not copied:
            return own_call.CLEAR, False
        return (own_call.PUT_BACK_ZEROS if row.kernel == "backward" else own_call.PUT_BACK), True


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_plain(entry) for entry in value)
    return isinstance(value, (bool, int, float, str))
