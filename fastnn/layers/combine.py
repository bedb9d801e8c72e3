"""Layers that hold other layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn_kernels.tape import Value

from . import chain
from .base import Layer, ModelTape, Owned, Shape, Statistic, Weight


@dataclass(frozen=True, init=False)
class Residual(Layer):
    """The sum of what some layers make of the input, and of the input itself or what a shortcut makes of it.

    >>> Residual(
    ...     Conv2D(32, 3, stride=2, padding=1, activation="relu"),
    ...     Conv2D(32, 3, padding="same"),
    ...     shortcut=Conv2D(32, 1, stride=2),
    ... )

    Parameters
    ----------
    *layers : Layer
        One behind the other; also as ``layers=[...]``.
    shortcut : Layer or list of Layer, optional
        The input as it is by default.
    trainable : bool
        False keeps the parameters of all layers inside as they are.

    Raises
    ------
    ValueError
        In a model, if the two sides have different shapes.
    """

    kind: ClassVar[str] = "residual"

    layers: tuple[Layer, ...]
    _: KW_ONLY
    shortcut: tuple[Layer, ...] = ()

    def __init__(
        self,
        *args: Layer,
        layers: Sequence[Layer] = (),
        shortcut: Layer | Sequence[Layer] | None = None,
        trainable: bool = True,
    ) -> None:
        inside = chain.as_layers("Residual: layers", _one_way("Residual", "layers", args, layers))
        if not inside:
            raise ValueError("Residual: layers is empty, at least one layer is needed")
        beside = () if shortcut is None else chain.as_layers("Residual: shortcut", shortcut)
        self._set(layers=inside, shortcut=beside, trainable=trainable)
        self.__post_init__()

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return the parameters of all layers: "conv2d/w", ..., "shortcut/conv2d/w", ..."""
        found = chain.weights(self.layers, input_shape)
        with chain.naming("shortcut"):
            return found | chain.weights(self.shortcut, input_shape, "shortcut/")

    def states(self, input_shape: Shape) -> Mapping[str, Statistic]:
        """Return the running statistics of all layers, named in the same way."""
        return chain.states(self.layers, input_shape) | chain.states(self.shortcut, input_shape, "shortcut/")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of both sides."""
        y = chain.output_shape(self.layers, input_shape)
        with chain.naming("shortcut"):
            beside = chain.output_shape(self.shortcut, input_shape)
        self._check(input_shape, y, beside)
        return y

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the rows of both sides, and their sum."""
        y = chain.lower(self.layers, tape, x, params=params, prefix=f"{name}/")
        with chain.naming("shortcut"):
            own = chain.part(params, "shortcut/")
            beside = chain.lower(self.shortcut, tape, x, params=own, prefix=f"{name}/shortcut/")
        self._check(x.shape, y.shape, beside.shape)
        return tape.add("add", name=name, x=y, z=beside)

    def _check(self, x: Shape, y: Shape, beside: Shape) -> None:
        """Refuse sides of different shapes."""
        if y != beside:
            side = "shortcut gives" if self.shortcut else "input has"
            hint = ""
            if not self.shortcut and len(y) == 3:
                hint = f": shortcut=Conv2D({y[0]}, 1, stride=...) can change channels and size"
            raise ValueError(
                f"Residual: for samples {x} the layers give {y} and the {side} {beside}, equal shapes are needed{hint}"
            )


@dataclass(frozen=True, init=False)
class Concat(Layer):
    """What several branches make of the same input, one behind the other along the channels (or features).

    >>> Concat(Conv2D(8, 1), [Conv2D(8, 1, activation="relu"), Conv2D(16, 3, padding="same")])

    Parameters
    ----------
    *branches : Layer or list of Layer
        At least two, of the same image size; an empty list is the input as it is. Also as ``branches=[...]``.
    trainable : bool
        False keeps the parameters of all layers inside as they are.

    Raises
    ------
    ValueError
        In a model, if the branches' outputs differ in more than their channels.
    """

    kind: ClassVar[str] = "concat"

    branches: tuple[tuple[Layer, ...], ...]

    def __init__(
        self,
        *args: Layer | Sequence[Layer],
        branches: Sequence[Layer | Sequence[Layer]] = (),
        trainable: bool = True,
    ) -> None:
        given = _one_way("Concat", "branches", args, branches)
        if len(given) < 2:
            raise ValueError(f"Concat: there are {len(given)} branches, at least 2 are needed")
        inside = tuple(chain.as_layers(f"Concat: branches[{k}]", branch) for k, branch in enumerate(given))
        self._set(branches=inside, trainable=trainable)
        self.__post_init__()

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return the parameters of all layers: "branch_0/conv2d/w", ..."""
        found: dict[str, Weight] = {}
        for k, branch in enumerate(self.branches):
            with chain.naming(f"branches[{k}]"):
                found |= chain.weights(branch, input_shape, f"branch_{k}/")
        return found

    def states(self, input_shape: Shape) -> Mapping[str, Statistic]:
        """Return the running statistics of all layers, named in the same way."""
        found: dict[str, Statistic] = {}
        for k, branch in enumerate(self.branches):
            found |= chain.states(branch, input_shape, f"branch_{k}/")
        return found

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with the channels of all branches."""
        shapes = []
        for k, branch in enumerate(self.branches):
            with chain.naming(f"branches[{k}]"):
                shapes.append(chain.output_shape(branch, input_shape))
        self._check(input_shape, shapes)
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the rows of all branches, then join them two by two, the first ones first."""
        values = []
        for k, branch in enumerate(self.branches):
            with chain.naming(f"branches[{k}]"):
                own = chain.part(params, f"branch_{k}/")
                values.append(chain.lower(branch, tape, x, params=own, prefix=f"{name}/branch_{k}/"))
        self._check(x.shape, [value.shape for value in values])
        y = values[0]
        for value in values[1:]:
            y = tape.add("concat", name=name, x=y, z=value)
        return y

    def _check(self, x: Shape, shapes: Sequence[Shape]) -> None:
        """Refuse branches that differ in more than their channels."""
        if any(len(shape) != len(shapes[0]) or shape[1:] != shapes[0][1:] for shape in shapes):
            raise ValueError(
                f"Concat: for samples {x} the branches give {', '.join(map(str, shapes))}, shapes that differ in "
                "their channels only are needed"
            )


def _one_way(name: str, keyword: str, args: Sequence[Any], given: Any) -> Any:
    """Take what was given one by one, or by keyword."""
    if args and given:
        raise TypeError(f"{name}: {keyword} are given one by one and by keyword, one way is needed")
    return args or given
