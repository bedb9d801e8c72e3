"""Model files made by hand: changed descriptions, headers and arrays."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import safe_open

import fastnn as fn
from fastnn import container


def tiny(path: Path) -> Path:
    """Save a model of 18 parameters with momentum."""
    model = fn.Sequential([fn.Flatten(), fn.Dense(4, activation="relu"), fn.Dense(2)], input_shape=(1, 1, 1))
    model.backend = "reference"
    model.compile(fn.Momentum(0.1), "softmax_cross_entropy", ["accuracy"])
    model.train_step(np.ones((2, 1, 1, 1)), np.array([0, 1]))
    model.save(path)
    return path


def contents(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Return a file's arrays and its description."""
    with container.opened(path) as file:
        return {name: file.read(name) for name in file.declared}, file.description


def forge(path: Path, change: Callable[[dict[str, np.ndarray], Any], Any]) -> Path:
    """Change a file, with checksums that suit; `change` gets the arrays and the description, or returns another."""
    arrays, description = contents(path)
    changed = change(arrays, description)
    container.write(path, arrays, description if changed is None else changed)
    return path


def forge_text(path: Path, change: Callable[[str], str]) -> Path:
    """Change the text in the metadata."""
    arrays, _ = contents(path)
    with safe_open(path, framework="np") as file:
        text = file.metadata()["fastnn"]
    path.write_bytes(safetensors.numpy.save(arrays, {"fastnn": change(text)}))
    return path


def write_header(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    """Write a safetensors file with this header, and any length told of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path
