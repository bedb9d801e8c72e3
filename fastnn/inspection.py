"""What goes on inside a model: the output of each layer, and how large the gradients are that reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Row, Value

from .engine import Engine
from .initializers import Array
from .layers.base import Layer, ModelTape
from .layers.chain import layer_names


def layer_name(function: str, layer: Any, layers: Sequence[Layer], names: Sequence[str]) -> str:
    """Find a layer by name, or by its index in the model, from the end if negative.

    Parameters
    ----------
    function : str
        For messages.
    layer : str or int
    layers : sequence of Layer
        Those of the model, without the layers inside them.
    names : sequence of str
        Of all layers, those inside others included.
    """
    if isinstance(layer, str):
        return options.choice(f"{function}: layer", layer, names)
    index = options.integer(f"{function}: layer", layer, -len(layers))
    if index >= len(layers):
        raise ValueError(f"{function}: layer is {index}, the model has {len(layers)} layers")
    return layer_names(layers)[index]


def up_to(engine: Engine, tape: ModelTape, value: Value) -> Engine:
    """Return an engine on the same arrays whose output is `value`: what it needs, and nothing else."""
    rows: list[Row] = []
    needed = {value.index}
    for row in reversed(tape.forward):
        if needed & {v.index for v in row.written()}:
            rows.append(row)
            needed |= {v.index for v in row.read()}
    short = Engine(replace(tape, forward=rows[::-1], loss=None), engine.memory)
    short.backend = engine.backend
    return short


def norms_by_layer(gradients: Mapping[str, Array]) -> dict[str, float]:
    """Return the Euclidean norm over each layer's parameters, "conv2d/w" and "conv2d/b", in their order."""
    squares: dict[str, float] = {}
    for name, gradient in gradients.items():
        layer = name.rpartition("/")[0]
        squares[layer] = squares.get(layer, 0.0) + float((gradient.astype(np.float64) ** 2).sum())
    return {layer: float(np.sqrt(square)) for layer, square in squares.items()}
