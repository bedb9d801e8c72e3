"""Cases of activations and softmax."""

from itertools import chain
from typing import Any

from case import Array, Call, Case, Data


def activation_cases(name: str, output: str, exact: bool, options: dict[str, Any], *shape: int) -> list[Case]:
    """`output` is the Data method that draws numbers as the activation's output has them."""
    size = "x".join(map(str, shape)) + "".join(f":{value}" for value in options.values())

    def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
        return {0: getattr(f, f"{name}_backward")(dy, getattr(f, name)(*a, **kw), **kw)}

    def backward(d: Data) -> Call:
        return (d.array(*shape), d.array(*shape) if d.integers else getattr(d, output)(*shape)), options

    def forward(d: Data) -> Call:
        return (d.array(*shape),), options

    terms = shape[1] if name == "softmax" else 1
    sparse = name == "relu" or options.get("negative_slope") == 0
    return [
        Case(f"{name}:{size}", name, forward, terms=terms, exact=exact, sparse=sparse, gradient=gradient),
        Case(f"{name}_backward:{size}", f"{name}_backward", backward, terms=terms, exact=True, sparse=sparse),
    ]


ACTIVATIONS: list[tuple[str, str, bool, dict[str, Any]]] = [
    ("identity", "array", True, {}),
    ("relu", "array", True, {}),
    ("leaky_relu", "array", True, {"negative_slope": 0.25}),
    ("sigmoid", "unit", False, {}),
    ("tanh", "array", False, {}),
    ("softmax", "distribution", False, {}),
]
SHAPES = [(1, 1), (3, 10), (17, 33), (16, 6, 5, 7)]


CASES = [
    *chain.from_iterable(activation_cases(*row, *s) for row in ACTIVATIONS for s in SHAPES),
    *activation_cases("leaky_relu", "array", True, {"negative_slope": 0}, 3, 5),
]
