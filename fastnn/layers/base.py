"""What all layers have in common: a layer is a description, which lowers itself to rows of a tape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Parameter, State, Tape, Value

from ..initializers import Initializer

Shape = tuple[int, ...]
# What a layer owns on the tape, by the names of its `weights` and `states`.
Owned = Mapping[str, Any]


@dataclass(frozen=True)
class Weight:
    """A parameter that a layer asks for: its shape and how it starts.

    Attributes
    ----------
    shape : tuple of int
    initializer : str or callable
        As "he_normal" or "zeros", or called with a random generator, shape, fan_in and fan_out.
    fan_in, fan_out : int
        Inputs of one output, and outputs that one input reaches.
    decay : bool
        False leaves it out of weight decay.
    trainable : bool
        False keeps it as it is.
    max_norm : float, optional
        Bound on the norm of the weights of each output.
    unit_axis : int, optional
        The axis of the outputs: by default the last of two axes, the first of four.
    unit_groups : int
        The first axis is cut into so many parts, each with outputs of its own.
    """

    shape: Shape
    initializer: str | Initializer
    fan_in: int = 1
    fan_out: int = 1
    decay: bool = True
    trainable: bool = True
    max_norm: float | None = None
    unit_axis: int | None = None
    unit_groups: int = 1


@dataclass(frozen=True)
class Statistic:
    """A state that a layer asks for: numbers that training moves without a gradient, all starting at `initial`."""

    shape: Shape
    initial: float = 0.0


@dataclass
class ModelTape(Tape):
    """A tape that also knows what a model knows of its layers.

    Attributes
    ----------
    seed : int
        Key of the layers' random numbers, 0 <= seed < 2**64; each row draws its own.
    outputs : dict of str to Value
        What each layer gives, by its name in the model; layers inside others in front of these.
    """

    seed: int = 0
    outputs: dict[str, Value] = field(default_factory=dict)

    def own(self, weights: Mapping[str, Weight], states: Mapping[str, Statistic]) -> dict[str, Parameter | State]:
        """Add the parameters and the running statistics of layers; return them by the same names."""
        owned: dict[str, Parameter | State] = {}
        for name, weight in weights.items():
            more: dict[str, Any] = {"decay": weight.decay, "trainable": weight.trainable}
            if weight.max_norm is not None:
                more["max_norm"] = weight.max_norm
                if weight.unit_axis is not None:
                    more |= {"unit_axis": weight.unit_axis, "unit_groups": weight.unit_groups}
            owned[name] = self.parameter(name, weight.shape, **more)
        for name, statistic in states.items():
            owned[name] = self.state(name, statistic.shape, initial=statistic.initial)
        return owned


@dataclass(frozen=True)
class Layer:
    """A description of one layer; it computes nothing.

    Attributes
    ----------
    trainable : bool
        False keeps the layer's parameters as they are; of a layer that holds others, those of all inside.
    """

    kind: ClassVar[str] = "layer"  # what its name in a model starts with: "conv2d", "conv2d_1", ...

    _: KW_ONLY
    trainable: bool = True

    def __post_init__(self) -> None:
        self._set(trainable=options.flag(f"{type(self).__name__}: trainable", self.trainable))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return the parameters the layer needs for samples of `input_shape`, by their name in the layer."""
        return {}

    def states(self, input_shape: Shape) -> Mapping[str, Statistic]:
        """Return the running statistics the layer needs, by their name in the layer."""
        return {}

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add the layer's rows to the tape and return its output.

        Parameters
        ----------
        tape : ModelTape
        x : Value
            The layer's input.
        name : str
            The layer's name in the model.
        params : mapping
            The tape's parameters and states, by the names of `weights` and `states`.
        """
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one sample behind the layer, as the ops of the tape have it."""
        tape = ModelTape()
        x = tape.input(input_shape)
        params = tape.own(self.weights(x.shape), self.states(x.shape))
        return self.lower(tape, x, name=self.kind, params=params).shape

    def _set(self, **values: Any) -> None:
        """Replace what the user wrote by its normal form, in the constructor only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)
