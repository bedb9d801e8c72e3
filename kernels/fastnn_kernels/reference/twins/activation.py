"""Activations and softmax on the tape, in terms of the public twins."""

from collections.abc import Callable
from typing import Any

from ... import reference
from ..._checks import Array


def twin_pair(
    name: str, source: str = "y", attribute: str | None = None
) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return forward(x) and backward(dy, y or x) of the public twins called `name`.

    `source` is what the gradient is taken from, "y" or "x"; `attribute` the one of the row that the twins take.
    """

    def option(attrs: dict[str, Any]) -> dict[str, Any]:
        return {} if attribute is None else {attribute: attrs[attribute]}

    def forward(x: Array, **attrs: Any) -> Array:
        result: Array = getattr(reference, name)(x, **option(attrs))
        return result

    def backward(dy: Array, **operands: Any) -> Array:
        result: Array = getattr(reference, f"{name}_backward")(dy, operands[source], **option(operands))
        return result

    return forward, backward
