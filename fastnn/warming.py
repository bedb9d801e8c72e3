"""Compile before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn_kernels import _options as options
from fastnn_kernels.memory import Memory

from . import metrics
from .losses import FunctionLoss

if TYPE_CHECKING:
    from .model import Sequential

# What images may come as; each has a kernel of its own that reads it.
_IMAGES = (np.uint8, np.float32, np.float64)


def warmup(model: Sequential, batch_size: int = 32) -> float:
    """Compile all kernels that a model needs, or load them from the cache, so that later calls start at once.

    The model is left as it is. After compile() these are the kernels of fit, train_step, evaluate, gradients and
    predict, before it those of predict alone. Small batches have kernels of their own.

    Parameters
    ----------
    model : Sequential
    batch_size : int
        A batch as it will be used.

    Returns
    -------
    float
        Seconds that it took; next to nothing with the backend "reference", and the second time.

    Raises
    ------
    TypeError, ValueError
        If `model` is no model, or `batch_size` no number of at least 1.
    """
    from .model import Sequential

    if not isinstance(model, Sequential):
        raise TypeError(f"warmup: model is {model!r}, a fastnn.Sequential is needed")
    n = options.integer("warmup: batch_size", batch_size, 1)
    if model.backend == "reference":
        return 0.0
    before = model.compile_seconds
    with _unchanged(model._memory):
        for dtype in _IMAGES:
            _run_all(model, np.zeros((n, *model.input_shape), dtype))
    return model.compile_seconds - before


def _run_all(model: Sequential, x: np.ndarray) -> None:
    """Make every call of the interpreter once."""
    engine, loss, n = model._engine, model._loss, len(x)
    engine.call("forward", x, n)
    if loss is None:
        return
    own = isinstance(loss, FunctionLoss)
    # A function of the user's may make something of labels where numbers are meant, hence numbers first.
    forms = [np.zeros(n, np.int64), np.zeros((n, *model.output_shape))]
    first, second = reversed(forms) if own else forms
    try:
        y = loss.targets("warmup", first, model.output_shape, model.dtype)
    except (TypeError, ValueError):
        y = loss.targets("warmup", second, model.output_shape, model.dtype)
    room = None
    if metrics.need_predictions(model._metrics):
        room = np.empty((n, *model.output_shape), model.dtype)
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("train", (x, y, np.arange(n), n, 1, np.zeros(1)), {"predictions": room}),
        ("evaluate", (x, y, n), {"predictions": room}),
        ("gradients", (x, y), {}),
    ]
    for method, args, given in calls:
        try:
            engine.call(method, *args, **given)
        except Exception:
            if not own:  # which may refuse zeros, when all is compiled
                raise


@contextmanager
def _unchanged(memory: Memory) -> Iterator[None]:
    """Put all arrays back to what they hold now, whatever the block does."""
    arrays = (memory.params, memory.grads, memory.slots, memory.state)
    saved = [array.copy() for array in arrays]
    try:
        yield
    finally:
        for array, before in zip(arrays, saved, strict=True):
            array[...] = before
