"""Layers, losses, optimizers and the like as plain JSON values, and back.

A class of ours is written as its name in a fixed list, with its fields; reading looks names up in that list, and in
the `custom_objects` that the caller gives, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np

from .layers.base import Layer

# Where the classes are, and what they derive from there.
_MODULES = {
    "layers": "Layer",
    "initializers": None,
    "losses": "Loss",
    "optimizers": "Optimizer",
    "schedules": "Schedule",
    "metrics": "Metric",
}
# Lists and objects inside each other.
MAX_DEPTH = 32
# Putting layers on a tape takes time that grows with their square: some seconds for as many as this.
MAX_LAYERS = 1000


@cache
def known() -> dict[str, type]:
    """Return the classes that a file may name: {"layers.Conv2D": Conv2D, ...}."""
    found: dict[str, type] = {}
    for module, base_name in _MODULES.items():
        contents = import_module(f".{module}", __package__)
        base = object if base_name is None else getattr(contents, base_name)
        for name in contents.__all__:
            cls = getattr(contents, name)
            if isinstance(cls, type) and is_dataclass(cls) and issubclass(cls, base) and cls is not base:
                found[f"{module}.{name}"] = cls
    return found


def encode(name: str, value: Any, depth: int = 0) -> Any:
    """Make a JSON value of a number, a string, a dataclass, or a list, tuple or dict of these.

    A function that starts weights (a field whose name ends with "_init") is left out: its weights are saved. Any
    other function is written as its name.

    Parameters
    ----------
    name : str
        Where the value stands, for the message.
    value : Any
    depth : int
        Objects around it.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If objects are nested more deeply than `decode` takes.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"{name}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, (list, tuple)):
        return [encode(f"{name}[{k}]", item, depth + 1) for k, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: encode(f"{name}[{key!r}]", item, depth + 1) for key, item in value.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        contents = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        kept = {
            key: encode(f"{name}.{key}", item, depth + 1)
            for key, item in contents.items()
            if not (key.endswith("_init") and _is_foreign(item))
        }
        return {"class": _name_of(type(value)), "fields": kept}
    if isinstance(value, FunctionType) or hasattr(value, "py_func"):
        return {"function": value.__name__}
    raise TypeError(
        f"{name} is {value!r} ({type(value).__name__}), which cannot be saved: numbers, strings, dataclasses and "
        "lists, tuples and dicts of these can"
    )


@dataclass(frozen=True)
class Decoder:
    """Makes objects of what `encode` has written, or of what claims to be that.

    Attributes
    ----------
    custom : mapping of str to class or function
        By the name that is in the file: the class's or function's `__name__`.
    """

    custom: Mapping[str, Any] = field(default_factory=dict)

    def decode(self, name: str, value: Any, depth: int = 0) -> Any:
        """Make the object; lists become tuples.

        Raises
        ------
        ValueError
            If the value is nothing that `encode` writes, names an unknown class or field, or is refused by the
            class; the message starts with `name`.
        """
        if depth > MAX_DEPTH:
            raise ValueError(f"{name}: nested more than {MAX_DEPTH} deep")
        if isinstance(value, list):
            return tuple(self.decode(f"{name}[{k}]", item, depth + 1) for k, item in enumerate(value))
        if not isinstance(value, dict):
            return value
        if value.keys() == {"class", "fields"}:
            return self._object(name, value["class"], value["fields"], depth)
        if value.keys() == {"dict"} and isinstance(value["dict"], dict):
            return {key: self.decode(f"{name}[{key!r}]", item, depth + 1) for key, item in value["dict"].items()}
        if value.keys() == {"float"} and value["float"] in ("inf", "-inf", "nan"):
            return float(value["float"])
        if value.keys() == {"function"} and isinstance(value["function"], str):
            return self._custom(name, "function", value["function"])
        raise ValueError(f"{name}: an object with the keys {', '.join(map(repr, value))[:200]} means nothing")

    def _object(self, name: str, kind: Any, contents: Any, depth: int) -> Any:
        if not isinstance(kind, str) or not isinstance(contents, dict):
            raise ValueError(f"{name}: a class is a string and its fields an object")
        cls = known().get(kind) or self._custom(name, "class", kind)
        if not is_dataclass(cls) or not isinstance(cls, type):
            raise ValueError(f"{name}: custom_objects[{kind!r}] is no dataclass")
        types = {f.name: f.type for f in fields(cls) if f.init}
        arguments = {}
        for key, item in contents.items():
            if key not in types:
                raise ValueError(f"{name}: {kind} has no field {key!r}")
            if types[key] in ("bool", bool) and not isinstance(item, bool):
                raise ValueError(f"{name}.{key}: true or false is needed")
            arguments[key] = self.decode(f"{name}.{key}", item, depth + 1)
        try:
            return cls(**arguments)
        except Exception as error:  # whatever a constructor makes of values of any kind
            raise ValueError(f"{name}: {error}") from error

    def _custom(self, name: str, what: str, key: str) -> Any:
        try:
            return self.custom[key]
        except KeyError:
            raise ValueError(
                f"{name} is the {what} {key!r}, which is none of fastnn's: load(..., custom_objects={{{key!r}: ...}})"
            ) from None


def check_count(layers: Sequence[Any]) -> None:
    """Raise ValueError for more layers than can be saved and loaded, those inside others included."""
    if (count := _count(layers)) > MAX_LAYERS:
        raise ValueError(f"there are {count} layers, at most {MAX_LAYERS} can be saved and loaded")


def _count(value: Any) -> int:
    if isinstance(value, (list, tuple)):
        return sum(map(_count, value))
    if not is_dataclass(value):
        return 0
    return isinstance(value, Layer) + sum(_count(getattr(value, f.name)) for f in fields(value))


def check_custom_objects(function: str, custom: Any) -> dict[str, Any]:
    """Check what the caller gives: classes and functions by name, or None."""
    if custom is None:
        return {}
    if not isinstance(custom, Mapping):
        raise TypeError(f"{function}: custom_objects is a {type(custom).__name__}, a dict by name is needed")
    for name, value in custom.items():
        if not isinstance(name, str) or not callable(value):
            raise TypeError(f"{function}: custom_objects[{name!r}] is {value!r}, a class or function is needed")
    return dict(custom)


def _name_of(cls: type) -> str:
    """Return the name in the list of known classes, for any other class its own."""
    return next((name for name, value in known().items() if value is cls), cls.__name__)


def _is_foreign(value: Any) -> bool:
    """Whether it is a callable that is no object of a known class."""
    return callable(value) and type(value) not in known().values()
