"""Layers one behind the other: in a model, and in layers that hold others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastnn_kernels.tape import Value

from .base import Layer, ModelTape, Owned, Shape, Statistic, Weight


def layer_names(layers: Sequence[Layer]) -> list[str]:
    """Name each layer after its kind, numbered from the second on: conv2d, conv2d_1, dense."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for layer in layers:
        count = seen.get(layer.kind, 0)
        names.append(f"{layer.kind}_{count}" if count else layer.kind)
        seen[layer.kind] = count + 1
    return names


def as_layers(name: str, value: Any) -> tuple[Layer, ...]:
    """Check one layer, or a list or tuple of layers; `name` is the argument's, for the message."""
    if isinstance(value, Layer):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} is {value!r}, a layer or a list of layers is needed")
    for k, layer in enumerate(value):
        if not isinstance(layer, Layer):
            raise TypeError(f"{name}[{k}] is {layer!r}, a layer is needed")
    return tuple(value)


def weights(layers: Sequence[Layer], input_shape: Shape, prefix: str = "") -> dict[str, Weight]:
    """Return the parameters of all layers, by name behind `prefix`: "conv2d/w"."""
    found: dict[str, Weight] = {}
    for name, layer, shape in _walk(layers, input_shape):
        for key, weight in layer.weights(shape).items():
            trainable = weight.trainable and layer.trainable
            found[f"{prefix}{name}/{key}"] = replace(weight, trainable=trainable)
    return found


def states(layers: Sequence[Layer], input_shape: Shape, prefix: str = "") -> dict[str, Statistic]:
    """Return the running statistics of all layers, by name behind `prefix`."""
    return {
        f"{prefix}{name}/{key}": statistic
        for name, layer, shape in _walk(layers, input_shape)
        for key, statistic in layer.states(shape).items()
    }


def output_shape(layers: Sequence[Layer], input_shape: Shape) -> Shape:
    """Return the shape of one sample behind all layers."""
    for k, (name, layer) in enumerate(zip(layer_names(layers), layers, strict=True)):
        with naming(f"layers[{k}] ({name})"):
            input_shape = layer.output_shape(input_shape)
    return input_shape


def lower(layers: Sequence[Layer], tape: ModelTape, x: Value, *, params: Owned, prefix: str = "") -> Value:
    """Add the rows of the layers, called `prefix` + name; `params` are those of `weights` and `states`."""
    for k, (name, layer) in enumerate(zip(layer_names(layers), layers, strict=True)):
        first = len(tape.forward)
        with naming(f"layers[{k}] ({name})"):
            x = layer.lower(tape, x, name=f"{prefix}{name}", params=part(params, f"{name}/"))
        tape.claim(first, f"{prefix}{name}")
        tape.outputs[f"{prefix}{name}"] = x
    return x


def part(owned: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Take what is called `prefix` and more, by what is behind it."""
    return {key.removeprefix(prefix): value for key, value in owned.items() if key.startswith(prefix)}


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Let a ValueError say where it comes from."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _walk(layers: Sequence[Layer], shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
    """Go through the layers, each with its name and the shape it is given."""
    for k, (name, layer) in enumerate(zip(layer_names(layers), layers, strict=True)):
        with naming(f"layers[{k}] ({name})"):
            following = layer.output_shape(shape)
        yield name, layer, shape
        shape = following
