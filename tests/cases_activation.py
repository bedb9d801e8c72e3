"""Cases of activations and softmax."""

from itertools import chain
from typing import Any

from case import Array, Call, Case, Data

FROM_INPUT = ("gelu", "silu", "softplus")  # their gradients take x, the others' y


def activation_cases(name: str, source: str, exact: bool, options: dict[str, Any], *shape: int) -> list[Case]:
    """`source` is the Data method that draws numbers as the gradient takes them: x, or y as the activation gives it."""
    size = "x".join(map(str, shape)) + "".join(f":{value}" for value in options.values())

    def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
        value = a[0] if name in FROM_INPUT else getattr(f, name)(*a, **kw)
        return {0: getattr(f, f"{name}_backward")(dy, value, **kw)}

    def backward(d: Data) -> Call:
        return (d.array(*shape), d.array(*shape) if d.integers else getattr(d, source)(*shape)), options

    def forward(d: Data) -> Call:
        return (d.array(*shape),), options

    terms = shape[1] if name in ("softmax", "log_softmax") else 1
    # Rational functions of dy and y, in which small integers are exact.
    exact_backward = name not in ("log_softmax", *FROM_INPUT)
    sparse = name in ("relu", "step") or 0 in options.values()
    return [
        Case(f"{name}:{size}", name, forward, terms=terms, exact=exact, sparse=sparse, gradient=gradient),
        Case(f"{name}_backward:{size}", f"{name}_backward", backward, terms=terms, exact=exact_backward, sparse=sparse),
    ]


ACTIVATIONS: list[tuple[str, str, bool, dict[str, Any]]] = [
    ("identity", "array", True, {}),
    ("step", "array", True, {}),
    ("relu", "array", True, {}),
    ("leaky_relu", "array", True, {"negative_slope": 0.25}),
    ("elu", "elu", False, {"alpha": 1.5}),
    ("sigmoid", "unit", False, {}),
    ("tanh", "array", False, {}),
    ("gelu", "array", False, {"approximate": "none"}),
    ("silu", "array", False, {}),
    ("softplus", "array", False, {}),
    ("softmax", "distribution", False, {}),
    ("log_softmax", "log_distribution", False, {}),
]
SHAPES = [(1, 1), (3, 10), (17, 33), (16, 6, 5, 7)]


CASES = [
    *chain.from_iterable(activation_cases(*row, *s) for row in ACTIVATIONS for s in SHAPES),
    *activation_cases("gelu", "array", False, {"approximate": "tanh"}, 17, 33),
    *activation_cases("gelu", "array", False, {"approximate": "tanh"}, 3, 2, 5),
    *activation_cases("leaky_relu", "array", True, {"negative_slope": 0}, 3, 5),
    *activation_cases("elu", "elu", False, {"alpha": 0.5}, 3, 5),
    *activation_cases("elu", "array", False, {"alpha": 0}, 3, 5),
]
