"""What of a model goes into a file: arrays by name, and everything else as one JSON value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Tape

from . import config, container
from .initializers import Array

if TYPE_CHECKING:
    from .model import Sequential


def save(model: Sequential, path: Any, *, include_optimizer: bool) -> None:
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


def describe(function: str, model: Sequential, progress: bool) -> dict[str, Any]:
    """Describe a model: how it is built, how it is trained, and, if asked for, how far it has been."""
    return {
        "model": describe_model(function, model),
        "class_names": list(model.class_names),
        "compile": None if model._loss is None else describe_training(function, model),
        "progress": {"step": model.training_state.step, "epoch": model.training_state.epoch} if progress else None,
    }


def describe_model(function: str, model: Sequential) -> dict[str, Any]:
    """Describe the architecture, and what random numbers follow from."""
    return {
        "layers": [config.encode(f"{function}: layers[{k}]", layer) for k, layer in enumerate(model.layers)],
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
    }


def describe_training(function: str, model: Sequential) -> dict[str, Any]:
    """Describe the arguments of `compile`."""
    return {
        "optimizer": config.encode(f"{function}: optimizer", model._optimizer),
        "loss": config.encode(f"{function}: loss", model._loss),
        "metrics": config.encode(f"{function}: metrics", model._metrics),
    }
