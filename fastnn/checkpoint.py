"""Checkpoints: a saved model with all that its training needs to go on bit for bit, also in the middle of an epoch.

The order of the samples and the random numbers of layers follow from the model's seed and the numbers of epoch and
step, so that these are all there is to keep of them.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn_kernels import _options as options

from . import config, container, saving
from .initializers import Array
from .interrupts import held_back
from .state import TrainingState

if TYPE_CHECKING:
    from .trainable import Trainable

MAX_DEPTH = 16
_PREFIX = "training/"  # of the names of arrays in the training's state


@dataclass(frozen=True)
class Checkpoint:
    """What a file says, checked; nothing of it is in a model yet.

    Attributes
    ----------
    state : TrainingState
    arrays : dict of str to array
        By the names of `saving.views`.
    """

    state: TrainingState
    arrays: dict[str, Array]

    def restore(self, model: Trainable) -> None:
        """Put all of it into the model that it was read for."""
        with held_back():
            for name, view in saving.views(model._lowered.tape, model._memory, slots=True).items():
                view[...] = self.arrays[name]
            model.training_state = self.state


def save(model: Trainable, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint; see `Sequential.save_checkpoint`."""
    function = "save_checkpoint"
    target = container.as_path(function, path)
    if model._loss is None:
        raise RuntimeError(f"{function}: the model is not compiled: model.compile(optimizer=..., loss=...)")
    arrays = saving.views(model._lowered.tape, model._memory, slots=True)
    content = saving.describe(function, model, True)
    content["training"] = _pack(_PREFIX.rstrip("/"), model.training_state.as_dict(), arrays)
    container.write(target, arrays, content)


def read(model: Trainable, path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of this model's training; the model is left as it is.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, is no checkpoint, or is one of another model, optimizer, loss or metrics.
    """
    file_path = container.as_path("fit: resume", path)
    try:
        with container.opened(file_path) as file:
            content = saving.check_parts(file.description)
            if "training" not in content:
                raise ValueError("it is a saved model, no checkpoint: model.save_checkpoint writes one")
            _check_same(content, model)
            memory = model._memory
            names = saving.check_arrays(
                file.declared, model._lowered.tape, model.dtype, len(memory.slots), unread=(_PREFIX,)
            )
            state = _state(_unpack(content["training"], file), model)
            return Checkpoint(state, {name: file.read(name) for name in names})
    except ValueError as error:
        raise ValueError(f"fit: resume: {file_path}: {str(error)[:1000]}") from error


def _check_same(content: dict[str, Any], model: Trainable) -> None:
    """Refuse the checkpoint of another model, or of another training."""
    given = {"model": saving.describe_model("fit: resume", model)}
    given["compile"] = saving.describe_training("fit: resume", model)
    for part, described in given.items():
        then, now = _entries(saving.section(content, part, *described)), _entries(json.loads(json.dumps(described)))
        for name in [*then, *(name for name in now if name not in then)]:
            if then.get(name) != now.get(name):
                raise ValueError(f"{name} was {_short(then.get(name))} there and is {_short(now.get(name))} here")


def _entries(part: dict[str, Any]) -> dict[str, Any]:
    """Name what may differ, each layer by itself."""
    rest = {name: value for name, value in part.items() if name != "layers"}
    return {f"layers[{k}]": layer for k, layer in enumerate(part.get("layers", ()))} | rest


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}..."


def _state(plain: Any, model: Trainable) -> TrainingState:
    """Make the state; refuse what no training can have left."""
    types = {"int": (int,), "float": (int, float), "bool": (bool,)}
    try:
        for field in fields(TrainingState):
            value = plain[field.name]
            wanted = types.get(str(field.type))
            if wanted and (type(value) not in wanted or (field.type == "int" and value < 0)):
                raise ValueError(f"its {field.name} is {value!r}")
        state = TrainingState.from_dict(plain)
        if state.lr is not None:
            options.number("its lr", state.lr)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its training is no state of one: {error!r}") from error
    if state.position > state.samples:
        raise ValueError(f"its position is {state.position} after {state.samples} samples")
    if not isinstance(state.source, dict):
        raise ValueError(f"its source is {state.source!r}")
    measured = state.history.history.values()
    if any(len(column) != len(state.history.epochs) or set(map(type, column)) - {float} for column in measured):
        raise ValueError("its history has not one number for each epoch")
    for name, needed in (("predictions", (state.samples, *model.output_shape)), ("targets", (state.samples,))):
        found = getattr(state, name)
        if found is not None and getattr(found, "shape", (None,))[: len(needed)] != needed:
            raise ValueError(f"its {name} are no array of shape {needed}")
    if state.predictions is not None and state.predictions.dtype != model.dtype:  # compiled code will write into them
        raise ValueError(f"its predictions have dtype {state.predictions.dtype}, the model has {model.dtype}")
    return state


def _pack(name: str, value: Any, arrays: dict[str, Array], depth: int = 0) -> Any:
    """Make a JSON value; arrays, and lists of numbers, which may be long, go to `arrays`."""
    if depth > MAX_DEPTH:
        raise ValueError(f"save_checkpoint: {name}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, np.ndarray):
        if value.dtype not in container.DTYPES.values():
            raise TypeError(f"save_checkpoint: {name} is an array of dtype {value.dtype}, numbers are needed")
        arrays[name] = value
        return {"array": name}
    if isinstance(value, (list, tuple)):
        if value and ({float} == set(map(type, value)) or all(type(n) is int and abs(n) < 2**63 for n in value)):
            arrays[name] = np.array(value)
            return {"numbers": name}
        return [_pack(f"{name}/{k}", item, arrays, depth + 1) for k, item in enumerate(value)]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"save_checkpoint: {name} is a dict with keys that are no strings: {list(value)[:5]}")
        return {"dict": {key: _pack(f"{name}/{key}", item, arrays, depth + 1) for key, item in value.items()}}
    return config.encode(f"save_checkpoint: {name}", value, depth)


def _unpack(value: Any, file: container.Reader, depth: int = 0) -> Any:
    """Make what `_pack` was given; tuples have become lists."""
    if depth > MAX_DEPTH:
        raise ValueError(f"its training is nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_unpack(item, file, depth + 1) for item in value]
    if not isinstance(value, dict) or len(value) != 1:
        return config.Decoder().decode("training", value, depth)
    ((kind, inner),) = value.items()
    if kind == "dict" and isinstance(inner, dict):
        return {key: _unpack(item, file, depth + 1) for key, item in inner.items()}
    if kind in ("array", "numbers") and isinstance(inner, str) and inner.startswith(_PREFIX):
        if not isinstance(file.declared.get(inner, ("",))[0], np.dtype):
            raise ValueError(f"it has no array {inner!r}")
        array = file.read(inner)
        return array.tolist() if kind == "numbers" else array
    return config.Decoder().decode("training", value, depth)
