"""Ops of the user's own: functions on plain (N, ...) arrays become a row of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import own_function, registry
from .own_row import ARRAYS, Function, OwnOp, Shape

# Keyword arguments of `Tape.add` and of twins that are no operands.
_RESERVED = ("self", "op", "name", "shapes")
_OWN: dict[str, OwnOp] = {}


def register_op(
    name: str,
    forward: Function,
    backward: Function,
    twin: tuple[Function, Function] | None = None,
    *,
    attributes: Iterable[str] = (),
    saves: Iterable[str] = (),
    shape: Callable[..., Shape | Mapping[str, Shape]] | None = None,
    replace: bool = False,
) -> None:
    """Register an op of one's own, for layers to put on a tape: ``tape.add(name, x=x, w=params["w"])``.

    Both functions are called with plain C-contiguous arrays of the model's dtype, the outputs last::

        forward(x, w, y)                     # writes y
        backward(dy, x, w, dx, dw)           # writes the gradients of all operands

    The names of the arguments say what they are. Those of `forward` but the last are operands: values of the model
    (N, features) or (N, C, H, W), or parameters in a shape of their own, as the layer puts them on the tape. Those of
    `backward` are ``d`` and the output's name, then any of `forward`'s, and last ``d`` and the name of each operand.
    Outputs arrive filled with zeros; operands cannot be written.

    Each call gets the samples of a lane block (16 at most, fewer in a small batch), not the whole batch: what a sample
    gives must not depend on the others. Gradients of parameters are sums over the samples given; the blocks are summed
    behind it in a fixed order. Several threads call the functions at the same time.

    Parameters
    ----------
    name : str
        The name on tapes.
    forward, backward : function
        Compiled by ``numba.njit``, without explicit types and without parallel loops, or plain Python that Numba can
        compile, which is done here. They are compiled anew in each process. An exception in them stops the step before
        its update, and is raised. Compiled code does not check indices: a write outside of an array damages other
        memory. The backend "reference" runs them in plain Python, which does check.
    twin : (callable, callable), optional
        Both in NumPy for the backend "reference": arguments as above without the outputs, which are returned. By
        default the functions themselves run in plain Python.
    attributes : iterable of str
        Arguments that are numbers, bools, strings or tuples of them, given by keyword to ``tape.add``. Floats arrive
        in the model's dtype; with each other value the op compiles once more.
    saves : iterable of str
        Further outputs of `forward`, behind the output proper, for `backward` to read.
    shape : callable, optional
        ``shape(x, w, **attributes)``, given the shapes of the operands, those of values without the samples, returns
        the output's, with `saves` a dict of all outputs. By default that of the first operand.
    replace : bool
        Take the place of an op of this name. The same code run again, as a cell of a notebook, always does. Models made
        before keep what they have compiled.

    Raises
    ------
    TypeError, ValueError
        If something is no function or no name, the arguments are not as above, or the name is taken.

    Examples
    --------
    >>> def forward(x, w, y):
    ...     y[:] = x * w
    >>> def backward(dy, x, w, dx, dw):
    ...     dx[:] = dy * w
    ...     dw[:] = (dy * x).sum(axis=0)
    >>> register_op("scale", forward, backward)
    """
    own = _own_op(name, forward, backward, twin, _names("attributes", attributes), _names("saves", saves), shape)
    before = _OWN.get(name)
    if before is None and name in registry.names():
        raise ValueError(f"register_op: {name!r} is an op of the package, another name is needed")
    if before is not None and not replace and not own_function.same_place(before.forward, own.forward):
        taken = before.forward.py_func
        raise ValueError(
            f"register_op: {name!r} is taken by {taken.__module__}.{taken.__qualname__}; replace=True takes its place"
        )
    registry.register(own.op(), replace=before is not None)
    _OWN[name] = own


def _names(what: str, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"register_op: {what} is {names!r}, a list of names of arguments is needed")
    return tuple(names)


def _own_op(
    name: Any, forward: Any, backward: Any, twin: Any, attributes: tuple[str, ...], saves: tuple[str, ...], shape: Any
) -> OwnOp:
    """Check all that can be checked without arrays."""
    if not isinstance(name, str):
        raise TypeError(f"register_op: name is {name!r} ({type(name).__name__}), a str is needed")
    if not name.isidentifier():
        raise ValueError(f"register_op: name is {name!r}, letters, digits and _ are needed")
    if shape is not None and not callable(shape):
        raise TypeError(f"register_op: shape is {shape!r}, a function is needed")
    if twin is not None and not (isinstance(twin, tuple) and len(twin) == 2 and all(map(callable, twin))):
        raise TypeError(f"register_op: twin is {twin!r}, a pair of functions, (forward, backward), is needed")
    forward = own_function.dispatcher("register_op: forward", forward)
    backward = own_function.dispatcher("register_op: backward", backward)
    first = own_function.parameters("register_op: forward", forward)
    second = own_function.parameters("register_op: backward", backward)
    operands, outputs = _forward_names(first, attributes, saves)
    _check_backward_names(second, operands, outputs, attributes)
    if unused := [a for a in attributes if a not in (*first, *second)]:
        raise ValueError(f"register_op: the attribute {unused[0]} is an argument of neither function")
    for arguments in (first, second):
        if (count := len({*arguments} - {*attributes})) > ARRAYS:
            raise ValueError(f"register_op: a function takes {count} arrays, {ARRAYS} at most are needed")
    return OwnOp(name, forward, backward, twin, shape, operands, attributes, outputs, (first, second))


def _forward_names(
    names: tuple[str, ...], attributes: tuple[str, ...], saves: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Divide the arguments of `forward` into operands and outputs."""
    outputs = names[max(0, len(names) - 1 - len(saves)):]
    operands = tuple(n for n in names[: len(names) - len(outputs)] if n not in attributes)
    if not operands or outputs[1:] != saves or {*outputs} & {*attributes}:
        behind = f", {', '.join(saves)}" if saves else ""
        raise ValueError(
            f"register_op: forward has the arguments ({', '.join(names)}), needed: at least one operand, the "
            f"attributes, and last the output{behind}"
        )
    for name in (*operands, *attributes, *outputs):
        if name in _RESERVED:
            raise ValueError(f"register_op: {name} is the name of something else on a tape, forward needs another")
        if f"d{name}" in names:
            raise ValueError(f"register_op: d{name} is the name of the gradient of {name}, forward needs another")
    return operands, outputs


def _check_backward_names(
    names: tuple[str, ...], operands: tuple[str, ...], outputs: tuple[str, ...], attributes: tuple[str, ...]
) -> None:
    gradients = tuple(f"d{name}" for name in operands)
    reads = names[: len(names) - len(operands)]
    known = {f"d{outputs[0]}", *operands, *outputs, *attributes}
    if {*names[len(reads):]} != {*gradients} or f"d{outputs[0]}" not in reads or not {*reads} <= known:
        raise ValueError(
            f"register_op: backward has the arguments ({', '.join(names)}), needed: d{outputs[0]}, any of "
            f"{', '.join((*operands, *outputs, *attributes))}, then {', '.join(gradients)}"
        )
