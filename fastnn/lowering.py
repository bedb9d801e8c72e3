"""Layers -> tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Value

from .initializers import get as get_initializer
from .layers import chain
from .layers.base import Layer, ModelTape, Shape, Weight


@dataclass(frozen=True)
class Lowered:
    """A model as rows.

    Attributes
    ----------
    tape : ModelTape
        Its `outputs` say what each layer gives, by the layer's name, those inside others included.
    weights : dict of str to Weight
        By parameter name: "conv2d/w", "conv2d/b", "conv2d_1/w", "residual/conv2d/w", ...
    output : Value
        What the last layer gives.
    """

    tape: ModelTape
    weights: dict[str, Weight]
    output: Value

    def check_batches(self, function: str, samples: int, batch_size: int, *, drop_last: bool = False) -> None:
        """Raise ValueError where a layer cannot train on one of the batches, the last one included."""
        rest = samples % batch_size
        with chain.naming(function):
            self.tape.check_batches(samples - rest, batch_size)
            if drop_last or not rest:
                return
            try:
                self.tape.check_batches(rest, rest)
            except ValueError as error:
                raise ValueError(
                    f"{error}; the last batch of {samples} samples by {batch_size} has {rest}: "
                    "drop_last=True leaves it out"
                ) from None


def lower(layers: Sequence[Layer], input_shape: Shape, seed: int = 0) -> Lowered:
    """Put the layers on a new tape, one behind the other.

    Parameters
    ----------
    layers : sequence of Layer
    input_shape : tuple of int
        Shape of one sample.
    seed : int
        The model's; the random numbers of layers follow from it.

    Raises
    ------
    ValueError
        If a layer cannot take what the layer in front of it gives; the message names the layer.
    """
    tape = ModelTape(seed=_layer_seed(seed))
    x = tape.input(input_shape)
    with chain.naming("Sequential"):
        weights = chain.weights(layers, x.shape)
        params = tape.own(weights, chain.states(layers, x.shape))
        return Lowered(tape, weights, chain.lower(layers, tape, x, params=params))


def _layer_seed(seed: int) -> int:
    """Derive the key of the layers' random numbers, which then follow from no other use of the seed."""
    return int(np.random.SeedSequence(seed, spawn_key=tuple(b"layers")).generate_state(1, np.uint64)[0])


def initialize(lowered: Lowered, memory: Memory, seed: int) -> None:
    """Give every parameter its first values.

    Each parameter has a random stream of its own, keyed by the seed and the parameter's name, so that adding
    a layer changes no layer in front of it, and no layer of another kind behind it.
    """
    for name, view in memory.views(lowered.tape, memory.params).items():
        stream = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
        weight = lowered.weights[name]
        start = get_initializer(f"Sequential: initializer of {name}", weight.initializer)
        values = np.asarray(start(np.random.default_rng(stream), weight.shape, weight.fan_in, weight.fan_out))
        if values.shape != weight.shape:
            raise ValueError(
                f"Sequential: the initializer of {name} gave shape {values.shape}, {weight.shape} is needed"
            )
        view[...] = values
