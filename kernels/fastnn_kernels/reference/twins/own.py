"""User's functions in the reference interpreter: called on plain (N, ...) arrays, as the compiled interpreter does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from ..._checks import Array
from . import Shapes

Function = Callable[..., Any]


def read_only(array: Array) -> Array:
    """View that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def call_or_raise(function: Any, call: Callable[[Function], Any]) -> Any:
    """Return ``call(function)``; where compiled code raises, raise from plain Python, whose traceback has the line.

    An exception that only the compiled form raises (a division by zero is one there) is raised as it came.
    """
    try:
        return call(function)
    except Exception as raised:
        error = raised
    call(function.py_func)
    raise error


@dataclass(frozen=True)
class OwnTwin:
    """One kernel of an op of the user's.

    Attributes
    ----------
    name : str
        "swish: forward", for messages.
    function : compiled function
        Writes into its last arguments, the outputs; its `py_func` is the same in plain Python.
    arguments, outputs, attributes : tuple of str
        All its arguments in their order, and which of them are written or are attributes.
    twin : callable, optional
        Runs in the place of ``function.py_func``: the same arguments without the outputs, which it returns.
    """

    name: str
    function: Any
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]
    twin: Function | None = None

    def __call__(self, *, shapes: Shapes, **operands: Any) -> tuple[Array, ...]:
        """Return the outputs."""
        given, outputs = self._arrays(shapes, operands)
        if self.twin is None:
            self.function.py_func(*given, *outputs)
            return tuple(outputs)
        results = self.twin(*given)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) != len(outputs):
            raise ValueError(f"{self.name}: the twin returns {len(results)} arrays, needed: {', '.join(self.outputs)}")
        for name, result, output in zip(self.outputs, results, outputs, strict=True):
            if np.shape(result) != output.shape:
                raise ValueError(
                    f"{self.name}: {name} of the twin has shape {np.shape(result)}, {output.shape} is needed"
                )
            output[...] = result
        return tuple(outputs)

    def again(self, *, shapes: Shapes, **operands: Any) -> tuple[Array, ...]:
        """Do what the compiled interpreter does, to raise what was raised there."""

        def call(function: Function) -> tuple[Array, ...]:
            given, outputs = self._arrays(shapes, operands)
            function(*given, *outputs)
            return tuple(outputs)

        result: tuple[Array, ...] = call_or_raise(self.function, call)
        return result

    def _arrays(self, shapes: Shapes, operands: dict[str, Any]) -> tuple[list[Any], list[Array]]:
        """Return the arguments that are read, and zeros for those that are written."""
        sizes = {name: len(shapes[key]) for name in operands if (key := f"{name}_shape") in shapes}
        samples = next(operands[name] for name, axes in sizes.items() if operands[name].ndim == axes + 1)
        given: list[Any] = []
        for name in self.arguments[: len(self.arguments) - len(self.outputs)]:
            value = operands[name]
            if name not in self.attributes:
                value = read_only(np.ascontiguousarray(value))
            elif isinstance(value, float):
                value = samples.dtype.type(value)
            given.append(value)
        outputs = [
            np.zeros_like(operands[name[1:]], order="C")
            if name[0] == "d" and name[1:] in operands
            else np.zeros((len(samples), *shapes[f"{name}_shape"]), samples.dtype)
            for name in self.outputs
        ]
        return given, outputs


class FunctionLoss:
    """A loss that is a function ``(prediction, target) -> (loss, gradient)``."""

    def __call__(self, prediction: Array, target: Array, *, function: Any, **attrs: Any) -> tuple[float, Array]:
        """Return the loss of the batch and its gradient."""
        return checked(function, function.py_func(prediction.copy(), target.copy()), prediction)

    def again(self, prediction: Array, target: Array, *, function: Any, **attrs: Any) -> tuple[float, Array]:
        """Do what the compiled interpreter does, to raise what was raised there."""
        result = call_or_raise(function, lambda called: called(prediction.copy(), target.copy()))
        return checked(function, result, prediction)


def checked(function: Any, result: Any, prediction: Array) -> tuple[float, Array]:
    """Check what a loss function returns; give the gradient in the model's dtype."""
    name = function.__name__
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{name} returns {type(result).__name__}, (loss, gradient) is needed")
    loss, gradient = result
    if isinstance(loss, (bool, np.bool_)) or not isinstance(loss, (Real, np.integer, np.floating)):
        raise TypeError(f"{name}: the loss is {type(loss).__name__}, one number, the mean of the batch, is needed")
    if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
        kind = gradient.dtype if isinstance(gradient, np.ndarray) else type(gradient).__name__
        raise TypeError(f"{name}: the gradient is {kind}, an array of floats is needed")
    if gradient.shape != prediction.shape:
        raise ValueError(
            f"{name}: the gradient has shape {gradient.shape}, that of the prediction is needed: {prediction.shape}"
        )
    return float(loss), gradient.astype(prediction.dtype, copy=False)
