"""Layers -> tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Tape, Value

from .layers.base import Layer, Shape, Weight


@dataclass(frozen=True)
class Lowered:
    """A model as rows.

    Attributes
    ----------
    tape : Tape
    weights : dict of str to Weight
        By parameter name: "conv2d/w", "conv2d/b", "conv2d_1/w", ...
    outputs : dict of str to Value
        What each layer gives, by the layer's name.
    """

    tape: Tape
    weights: dict[str, Weight]
    outputs: dict[str, Value]

    @property
    def output(self) -> Value:
        """What the last layer gives."""
        return list(self.outputs.values())[-1]


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """Name each layer after its kind, numbered from the second on: conv2d, conv2d_1, dense."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for layer in layers:
        count = seen.get(layer.kind, 0)
        names.append(f"{layer.kind}_{count}" if count else layer.kind)
        seen[layer.kind] = count + 1
    return names


def lower(layers: Sequence[Layer], input_shape: Shape) -> Lowered:
    """Put the layers on a new tape, one behind the other.

    Raises
    ------
    ValueError
        If a layer cannot take what the layer in front of it gives; the message names the layer.
    """
    tape = Tape()
    lowered = Lowered(tape, {}, {})
    x = tape.input(input_shape)
    for k, (name, layer) in enumerate(zip(layer_names(layers), layers, strict=True)):
        try:
            weights = {f"{name}/{key}": weight for key, weight in layer.weights(x.shape).items()}
            params = {
                full.removeprefix(f"{name}/"): tape.parameter(
                    full, weight.shape, decay=weight.decay, trainable=layer.trainable
                )
                for full, weight in weights.items()
            }
            x = layer.lower(tape, x, name=name, params=params)
        except ValueError as error:
            raise ValueError(f"Sequential: layers[{k}] ({name}): {error}") from None
        lowered.weights.update(weights)
        lowered.outputs[name] = x
    return lowered


def initialize(lowered: Lowered, memory: Memory, seed: int) -> None:
    """Give every parameter its first values.

    Each parameter has a random stream of its own, keyed by the seed and the parameter's name, so that adding
    a layer changes no layer in front of it, and no layer of another kind behind it.
    """
    for name, view in memory.views(lowered.tape, memory.params).items():
        stream = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
        weight = lowered.weights[name]
        values = np.asarray(
            weight.initializer(np.random.default_rng(stream), weight.shape, weight.fan_in, weight.fan_out)
        )
        if values.shape != weight.shape:
            raise ValueError(
                f"Sequential: the initializer of {name} gave shape {values.shape}, {weight.shape} is needed"
            )
        view[...] = values
