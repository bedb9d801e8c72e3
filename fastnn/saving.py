"""What of a model goes into a file, arrays by name and one JSON value, and whether what is in a file fits a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Tape

from . import config, container
from .container import Declared
from .initializers import Array

if TYPE_CHECKING:
    from .trainable import Trainable


def save(model: Trainable, path: Any, *, include_optimizer: bool) -> None:
    """Write a model; see `Sequential.save`."""
    target = container.as_path("save", path)
    slots = include_optimizer and model._loss is not None
    container.write(target, views(model._lowered.tape, model._memory, slots=slots), describe("save", model, slots))


def views(tape: Tape, memory: Memory, *, slots: bool) -> dict[str, Array]:
    """Name all arrays of a model: "params/dense/w", "state/batch_norm/running_mean", "slots/0/dense/w"."""
    found = {f"params/{name}": view for name, view in memory.views(tape, memory.params).items()}
    found |= {f"state/{name}": view for name, view in memory.state_views(tape, memory.state).items()}
    for k, slot in enumerate(memory.slots if slots else ()):
        found |= {f"slots/{k}/{name}": view for name, view in memory.views(tape, slot).items()}
    return found


def shapes(tape: Tape, slots: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of `views`."""
    found = {f"params/{p.name}": p.shape for p in tape.params} | {f"state/{s.name}": s.shape for s in tape.states}
    return found | {f"slots/{k}/{p.name}": p.shape for k in range(slots) for p in tape.params}


def describe(function: str, model: Trainable, progress: bool) -> dict[str, Any]:
    """Describe a model: how it is built, how it is trained, and, if asked for, how far it has been."""
    return {
        "model": describe_model(function, model),
        "class_names": list(model.class_names),
        "compile": None if model._loss is None else describe_training(function, model),
        "progress": {"step": model.training_state.step, "epoch": model.training_state.epoch} if progress else None,
    }


def describe_model(function: str, model: Trainable) -> dict[str, Any]:
    """Describe the architecture, and what random numbers follow from."""
    layers = [config.encode(f"{function}: layers[{k}]", layer) for k, layer in enumerate(model.layers)]
    config.check_count(model.layers)
    return {
        "layers": layers,
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
    }


def describe_training(function: str, model: Trainable) -> dict[str, Any]:
    """Describe the arguments of `compile`."""
    return {
        "optimizer": config.encode(f"{function}: optimizer", model._optimizer),
        "loss": config.encode(f"{function}: loss", model._loss),
        "metrics": config.encode(f"{function}: metrics", model._metrics),
    }


def check_parts(content: Any) -> dict[str, Any]:
    """Check the outermost level of a description."""
    if not isinstance(content, dict):
        raise ValueError("its description is no object")
    for key in ("model", "compile", "progress"):
        if key not in content:
            raise ValueError(f"its description has no {key!r}")
    return content


def section(content: dict[str, Any], name: str, *keys: str) -> dict[str, Any]:
    """Return a part of a description that must have exactly these keys."""
    part = content[name]
    if not isinstance(part, dict) or part.keys() != set(keys):
        raise ValueError(f"its {name} has other keys than {', '.join(keys)}")
    return part


def check_arrays(declared: Declared, tape: Tape, dtype: np.dtype[Any], slots: int, unread: tuple[str, ...]) -> set[str]:
    """Compare the arrays of a file with those of a model; return the names of those that are to be read.

    Arrays whose names start as one of `unread` may be there or not.

    Raises
    ------
    ValueError
        If one is missing, has another shape or dtype, or is one too many.
    """
    needed = shapes(tape, slots)
    for name, shape in needed.items():
        if name not in declared:
            raise ValueError(f"it has no array {name!r}")
        if declared[name] != (dtype, shape):
            kind, found = declared[name]
            raise ValueError(f"array {name!r} has shape {found} and dtype {kind}, the layers have {shape} and {dtype}")
    for name in declared.keys() - needed.keys():
        if not name.startswith(unread):
            raise ValueError(f"array {name!r} belongs to no layer")
    return set(needed)
