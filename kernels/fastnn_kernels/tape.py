"""The tape: a model's forward rows, its loss, and the backward rows derived from them.

A tape says *what* is computed, on values of one sample's shape, and nothing of *how*: the compiled interpreter
(`executor.py`) and the reference interpreter (`reference/interpreter.py`) run the same tape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from . import registry
from .augmentation import Augmentation

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """An activation or its gradient: `shape` is that of one sample, (C, H, W) or (features,), or of the whole batch."""

    index: int
    shape: Shape
    name: str
    whole: bool = False


@dataclass(frozen=True)
class Parameter:
    """A trainable tensor: elements `offset` to `offset + size` of the flat parameter vector.

    `decay=False` leaves it out of weight decay; `max_norm` bounds the norm of each of its units (see `clip.max_norm`),
    which lie along `unit_axis`; with several `unit_groups` the first axis is cut into so many parts with units each.
    """

    index: int
    name: str
    shape: Shape
    offset: int
    size: int
    decay: bool = True
    trainable: bool = True
    max_norm: float | None = None
    unit_axis: int | None = None
    unit_groups: int = 1


@dataclass(frozen=True)
class State:
    """A tensor that training changes without a gradient, as running statistics: a part of the flat state vector."""

    index: int
    name: str
    shape: Shape
    offset: int
    size: int
    initial: float = 0.0


@dataclass(frozen=True)
class Row:
    """One call of one kernel: operand names bound to values, parameters, parameter gradients and states.

    `origin` names the layers that it comes from: several where one row does the work of the rows of several.
    """

    op: str
    kernel: str
    values: Mapping[str, Value]
    params: Mapping[str, Parameter]
    grads: Mapping[str, Parameter]
    attrs: Mapping[str, Any]
    states: Mapping[str, State] = field(default_factory=dict)
    origin: tuple[str, ...] = ()

    @property
    def definition(self) -> registry.Kernel:
        """The registry's row for this kernel."""
        return registry.get(self.op).kernel(self.kernel)

    def written(self) -> tuple[Value, ...]:
        """Values that this row writes."""
        return tuple(self.values[k] for k in self.definition.writes if k in self.values)

    def read(self) -> tuple[Value, ...]:
        """Values that this row reads."""
        return tuple(self.values[k] for k in self.definition.reads if k in self.values)

    def origin_with(self, *rows: Row) -> tuple[str, ...]:
        """Origin of a row that does the work of this one and of others."""
        return tuple(dict.fromkeys(name for row in (self, *rows) for name in row.origin))


@dataclass
class Tape:
    """Values, parameters, states and rows, in the order they were added; what `train` does to the images before."""

    values: list[Value] = field(default_factory=list)
    params: list[Parameter] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    forward: list[Row] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    loss: Row | None = None
    augmentation: tuple[Augmentation, ...] = ()

    def value(self, shape: Shape, name: str, *, whole: bool = False) -> Value:
        """Add a value that nothing writes yet."""
        value = Value(len(self.values), tuple(int(n) for n in shape), name, whole)
        self.values.append(value)
        return value

    def input(self, shape: Shape, name: str = "input") -> Value:
        """Add the value the images are loaded into."""
        value = self.value(shape, name)
        self.inputs.append(value)
        return value

    def parameter(self, name: str, shape: Shape, **options: Any) -> Parameter:
        """Add a parameter behind those added before; `options` are the fields of `Parameter` that have a default."""
        param = Parameter(len(self.params), name, tuple(shape), self.size, prod(shape), **options)
        self.params.append(param)
        return param

    def state(self, name: str, shape: Shape, *, initial: float = 0.0) -> State:
        """Add a state behind those added before; all its elements start as `initial`."""
        state = State(len(self.states), name, tuple(shape), self.state_size, prod(shape), initial)
        self.states.append(state)
        return state

    @property
    def size(self) -> int:
        """Elements of the flat parameter vector."""
        return self.params[-1].offset + self.params[-1].size if self.params else 0

    @property
    def state_size(self) -> int:
        """Elements of the flat state vector."""
        return self.states[-1].offset + self.states[-1].size if self.states else 0

    @property
    def output(self) -> Value:
        """What the last forward row writes first."""
        row = self.forward[-1]
        return row.values[row.definition.writes[0]]

    def add(self, op: str, *, name: str = "", **operands: Any) -> Value:
        """Add the forward row of `op` and return what it writes first.

        Keyword arguments that are values, parameters or states become operands, None is an operand left out, and
        the rest are the op's attributes.
        """
        row = self._row(op, name, operands)
        self.forward.append(row)
        return row.values[row.definition.writes[0]]

    def set_loss(self, op: str, prediction: Value, **attrs: Any) -> None:
        """Choose the loss on `prediction`; its row also writes the gradient of the prediction."""
        self.loss = self._row(op, "loss", {"prediction": prediction, **attrs})

    def _row(self, op: str, name: str, operands: Mapping[str, Any]) -> Row:
        definition = registry.get(op)
        kernel = definition.forward
        values = {k: v for k, v in operands.items() if isinstance(v, Value)}
        params = {k: v for k, v in operands.items() if isinstance(v, Parameter)}
        states = {k: v for k, v in operands.items() if isinstance(v, State)}
        known = {*values, *params, *states, *kernel.reads}
        attrs = {k: v for k, v in operands.items() if k not in known}
        owned: list[Parameter | State] = [*params.values(), *states.values()]
        for own in owned:
            if any(own in (*row.params.values(), *row.states.values()) for row in self.forward):
                kind = type(own).__name__.lower()
                raise ValueError(f"Tape: {kind} {own.name!r} is used by two rows; each needs one of its own")
        if definition.random:
            attrs["number"] = sum(registry.get(row.op).random for row in self.forward)
        bound: dict[str, Value | Parameter | State] = {**values, **params, **states}
        shapes = {k: v.shape for k, v in bound.items()}
        for out, shape in definition.shape(shapes, **attrs).items():
            values[out] = self.value(shape, f"{name or op}.{out}", whole=out in definition.whole)
        return Row(op, kernel.name, values, params, {}, attrs, states)

    def claim(self, first: int, name: str) -> None:
        """Say that the forward rows from number `first` on come from layer `name`, but for those claimed before."""
        self.forward[first:] = [row if row.origin else replace(row, origin=(name,)) for row in self.forward[first:]]

    def inference(self) -> list[Row]:
        """Return the forward rows as they run where nothing is trained."""
        return [
            row if (kernel := registry.get(row.op).inference) is None else replace(row, kernel=kernel.name)
            for row in self.forward
        ]

    def commits(self) -> list[Row]:
        """Return the rows that change states, at the end of a training step."""
        return [
            replace(row, kernel=kernel.name)
            for row in self.forward
            if (kernel := registry.get(row.op).commit) is not None
        ]

    @property
    def mixes(self) -> bool:
        """Whether samples are mixed in training."""
        return any(step.mixes for step in self.augmentation)

    def check_weights(self) -> None:
        """Raise ValueError where the loss cannot weigh its samples, or they are mixed."""
        if self.mixes:
            raise ValueError("sample_weight: samples that mixup mixes take none")
        if self.loss is not None and not registry.get(self.loss.op).weights:
            raise ValueError(f"sample_weight: the loss {self.loss.op!r} takes none")

    def check_batches(self, samples: int, batch_size: int) -> None:
        """Raise ValueError where `samples` cannot be trained on in batches of this size, the last one shorter."""
        for batch in sorted({min(samples, batch_size), samples % batch_size or batch_size}):
            for row in self.forward:
                if (check := registry.get(row.op).check) is not None:
                    check(row, batch)

    def backward(self, *, input_gradient: bool = False) -> list[Row]:
        """Derive the rows after the loss: last forward row to first, only the gradients somebody needs.

        The gradient of operand `v` is named `dv` in the kernels of the registry, which is all the wiring there
        is. A value read by k rows gets k gradients and k - 1 `add` rows that sum them, in the order of the tape.
        """
        if self.loss is None:
            raise ValueError("Tape.backward: the tape has no loss; call set_loss first")
        wanted = self._wanted(input_gradient)
        gradient: dict[int, Value] = {
            self.loss.values["prediction"].index: self.loss.values["d_prediction"],
        }
        rows: list[Row] = []
        for row in reversed(self.forward):
            outputs = {f"d{k}": gradient[v.index] for k in row.definition.writes
                       if (v := row.values[k]).index in gradient}
            if not outputs:
                continue
            for kernel in registry.get(row.op).backward:
                values, grads = dict(row.values), {}
                fresh: dict[str, Value] = {}
                for out in kernel.writes:
                    source = out[1:]
                    if source in row.params and row.params[source].trainable:
                        grads[out] = row.params[source]
                    elif source in row.values and row.values[source].index in wanted:
                        v = row.values[source]
                        fresh[out] = self.value(v.shape, f"{v.name}.gradient")
                if not grads and not fresh:
                    continue
                operands = {k: v for k, v in {**values, **outputs}.items() if k in kernel.reads} | fresh
                params = {k: p for k, p in row.params.items() if k in kernel.reads}
                states = {k: s for k, s in row.states.items() if k in kernel.reads}
                # The kernel's shape arguments (x_shape, w_shape) are known from the forward row.
                forward: dict[str, Value | Parameter] = {**row.values, **row.params}
                shapes = {f"{k}_shape": v.shape for k, v in forward.items()}
                attrs = {**row.attrs, "shapes": shapes}
                rows.append(Row(row.op, kernel.name, operands, params, grads, attrs, states, row.origin))
                for out, value in fresh.items():
                    self._accumulate(gradient, row.values[out[1:]], value, rows)
        return rows

    def _accumulate(self, gradient: dict[int, Value], value: Value, new: Value, rows: list[Row]) -> None:
        before = gradient.get(value.index)
        if before is not None:
            row = self._row("add", f"{value.name}.gradient", {"x": before, "z": new})
            row = replace(row, origin=rows[-1].origin)
            rows.append(row)
            new = row.values["y"]
        gradient[value.index] = new

    def _wanted(self, input_gradient: bool) -> set[int]:
        """Values whose gradient leads to a trainable parameter (or to the input, where that is asked for)."""
        wanted = {v.index for v in self.inputs} if input_gradient else set()
        for row in self.forward:
            if any(p.trainable for p in row.params.values()) or any(v.index in wanted for v in row.read()):
                wanted |= {v.index for v in row.written()}
        return wanted
