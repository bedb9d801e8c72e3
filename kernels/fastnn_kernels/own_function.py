"""Functions of the user inside a step: what may be one, and what it returns."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from numba import typeof, types
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target
from numba.core.types import Type
from numba.np.numpy_support import from_dtype

from ._jit import own


def dispatcher(what: str, function: Any) -> Any:
    """Return the compiled form of a user's function; `what` is "register_op: forward" or the like.

    A function compiled by ``numba.njit`` is taken as it is, with the flags its user chose; a plain Python function is
    compiled here.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If its own loops are parallel: it runs inside the threads of a step, and one of Numba's threading layers aborts
        the process when two threads enter such loops at once.
    """
    if isinstance(function, Dispatcher):
        if function.targetoptions.get("parallel"):
            raise ValueError(f"{what} has parallel loops; it runs inside the threads of a step: compile it without")
        return function
    if not inspect.isfunction(function):
        raise TypeError(
            f"{what} is {function!r} ({type(function).__name__}), a function is needed, plain or compiled by numba.njit"
        )
    return _compiled(function)


@functools.lru_cache(maxsize=64)
def _compiled(function: Any) -> Any:
    return own(function)


def parameters(what: str, function: Any) -> tuple[str, ...]:
    """Names of the arguments of a dispatcher: all positional, none optional."""
    found = inspect.signature(function.py_func).parameters.values()
    for parameter in found:
        if parameter.kind != parameter.POSITIONAL_OR_KEYWORD or parameter.default is not parameter.empty:
            raise ValueError(f"{what} has the argument {parameter}, positional ones without defaults are needed")
    return tuple(parameter.name for parameter in found)


def return_type(what: str, function: Any, arguments: tuple[Type, ...]) -> Type:
    """Compile a dispatcher for these types and return the type of its result.

    Raises
    ------
    TypeError
        If it does not compile for them; Numba's message is in it.
    """
    try:
        signature = typeof(function).get_call_type(cpu_target.typing_context, arguments, {})
    except Exception as error:  # mostly Numba's, but an unknown function of NumPy is an AttributeError
        given = ", ".join(str(argument) for argument in arguments)
        raise TypeError(f"{what} does not compile for ({given}): {error}") from error
    return signature.return_type


@functools.cache
def check_loss(what: str, function: Any, dtype: Any, ndim: int, target_dtype: Any, target_ndim: int) -> None:
    """Compile a loss function ``(prediction, target) -> (loss, gradient)`` and check the types of what it returns.

    Raises
    ------
    TypeError
        If it does not compile for arrays of these dtypes and numbers of axes, or returns anything else than a number
        and an array of floats with the axes of the prediction.
    """
    prediction = types.Array(from_dtype(dtype), ndim, "C")
    target = types.Array(from_dtype(target_dtype), target_ndim, "C")
    returned = return_type(what, function, (prediction, target))
    if not isinstance(returned, types.BaseTuple) or len(returned) != 2:
        raise TypeError(f"{what} returns {returned}, (loss, gradient) is needed")
    loss, gradient = (types.unliteral(entry) for entry in returned)
    if not isinstance(loss, (types.Float, types.Integer)):
        raise TypeError(f"{what} returns {loss} as the loss, one number, that of the batch, is needed")
    if not isinstance(gradient, types.Array) or not isinstance(gradient.dtype, types.Float) or gradient.ndim != ndim:
        raise TypeError(f"{what} returns {gradient} as the gradient, an array of floats with the {ndim} axes of the "
                        "prediction is needed")


def same_place(first: Any, second: Any) -> bool:
    """Whether two functions are one piece of source, as a notebook cell that ran twice: same module, same name."""
    one, other = first.py_func, second.py_func
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
