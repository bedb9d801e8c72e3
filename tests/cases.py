"""The one table of cases: every public kernel, with shapes that have odd edges.

Twin tests, gradient tests, the PyTorch oracle and the benchmarks read it. A new kernel needs a row here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from geometry import CONVOLUTIONS, POOLS, Geometry

Array = np.ndarray
Call = tuple[tuple[Any, ...], dict[str, Any]]
Gradient = Callable[[Any, tuple[Any, ...], dict[str, Any], Array], dict[int, Array]]


class Data:
    """Where a case draws its arrays from: seeded, of one dtype, real numbers or small integers."""

    def __init__(self, dtype: Any, *, integers: bool = False) -> None:
        self.dtype = np.dtype(dtype)
        self.integers = integers or self.dtype.kind == "i"
        self.rng = np.random.default_rng(20)

    def array(self, *shape: int) -> Array:
        """Integers from -4 to 4 without 0, or normal numbers at least 0.01 away from 0, the kink of relu."""
        if self.integers:
            values = self.rng.integers(1, 5, shape) * self.rng.choice([-1, 1], shape)
        else:
            values = self.rng.standard_normal(shape)
            values += np.copysign(0.01, values)
        return values.astype(self.dtype)

    def factors(self, terms: int, *shape: int) -> Array:
        """Numbers whose products with normal ones, `terms` of them summed, are about 1, as first weights are.

        Sums of large terms that cancel would be compared far below their own rounding.
        """
        values = self.array(*shape)
        return values if self.integers else (values / np.sqrt(terms)).astype(self.dtype)

    def positive(self, *shape: int) -> Array:
        return np.abs(self.array(*shape))

    def labels(self, n: int, classes: int) -> Array:
        return self.rng.integers(0, classes, n)

    def unit(self, *shape: int) -> Array:
        """Numbers between 0 and 1, as sigmoid gives them."""
        return (1 / (1 + np.exp(-self.array(*shape)))).astype(self.dtype)

    def distribution(self, *shape: int) -> Array:
        """Positive, with sum 1 over axis 1, as softmax gives it."""
        values = np.exp(self.rng.standard_normal(shape))
        return (values / values.sum(axis=1, keepdims=True)).astype(self.dtype)


@dataclass(frozen=True)
class Case:
    """One call of one kernel.

    name: unique; kernel: the public name; make: Data -> (args, kwargs); terms: how many products or addends
    one output element sums, for the tolerance; exact: no transcendental function, so small integers must come
    out equal to int64; sparse: more than half of the outputs may be 0; in_place: the arguments written;
    gradient: (kernels, args, kwargs, dy) -> {argument: gradient of sum(dy * first output)}.
    """

    name: str
    kernel: str
    make: Callable[[Data], Call]
    terms: int = 1
    exact: bool = False
    sparse: bool = False
    in_place: tuple[int, ...] = ()
    gradient: Gradient | None = None

    def call(self, dtype: Any, *, integers: bool = False) -> Call:
        """Return the arguments, the same numbers at every call."""
        return self.make(Data(dtype, integers=integers))


def im2col_cases(g: Geometry) -> list[Case]:
    k, options, padded = g.kernel_size, g.options, max(g.pads) > 0
    return [
        Case(
            f"im2col:{g.label}",
            "im2col",
            lambda d: ((d.array(*g.x_shape), k), options),
            exact=True,
            sparse=padded,
            gradient=lambda f, a, kw, dy: {0: f.col2im(dy, a[0].shape, k, **kw)},
        ),
        Case(
            f"col2im:{g.label}",
            "col2im",
            lambda d: ((d.array(*g.cols_shape), g.x_shape, k), options),
            terms=g.kh * g.kw,
            exact=True,
            sparse=g.label == "gaps",
            gradient=lambda f, a, kw, dy: {0: f.im2col(dy, k, **kw)},
        ),
    ]


def conv2d_cases(g: Geometry) -> list[Case]:
    options, forward, places = g.options, g.c * g.kh * g.kw, g.n * g.out[0] * g.out[1]
    gaps = g.label == "gaps"
    return [
        Case(
            f"conv2d:{g.label}:no-bias",
            "conv2d",
            lambda d: ((d.array(*g.x_shape), d.factors(forward, *g.w_shape)), options),
            terms=forward,
            exact=True,
        ),
        Case(
            f"conv2d:{g.label}",
            "conv2d",
            lambda d: ((d.array(*g.x_shape), d.factors(forward, *g.w_shape), d.array(g.o)), options),
            terms=forward,
            exact=True,
            gradient=lambda f, a, kw, dy: dict(enumerate(f.conv2d_backward(dy, a[0], a[1], **kw))),
        ),
        Case(
            f"conv2d_backward:{g.label}",
            "conv2d_backward",
            lambda d: ((d.factors(places, *g.y_shape), d.array(*g.x_shape), d.array(*g.w_shape)), options),
            terms=max(places, g.o * g.kh * g.kw),
            exact=True,
            sparse=gaps,
        ),
        Case(
            f"conv2d_backward_input:{g.label}",
            "conv2d_backward_input",
            lambda d: ((d.array(*g.y_shape), d.factors(g.o * g.kh * g.kw, *g.w_shape), g.x_shape), options),
            terms=g.o * g.kh * g.kw,
            exact=True,
            sparse=gaps,
        ),
        Case(
            f"conv2d_backward_weight:{g.label}",
            "conv2d_backward_weight",
            lambda d: ((d.factors(places, *g.y_shape), d.array(*g.x_shape), g.w_shape), options),
            terms=places,
            exact=True,
        ),
    ]


def pool_cases(g: Geometry) -> list[Case]:
    options = g.options

    def backward(d: Data) -> Call:
        # Any pixel will do for a maximum: the kernel adds where argmax points.
        return (d.array(*g.pool_shape), d.rng.integers(0, g.h * g.w, g.pool_shape), g.x_shape), {}

    return [
        Case(
            f"max_pool2d:{g.label}",
            "max_pool2d",
            lambda d: ((d.array(*g.x_shape), g.kernel_size), options),
            exact=True,
            gradient=lambda f, a, kw, dy: {
                0: f.max_pool2d_backward(dy, f.max_pool2d(*a, **kw)[1], a[0].shape)
            },
        ),
        Case(
            f"max_pool2d_backward:{g.label}",
            "max_pool2d_backward",
            backward,
            terms=g.kh * g.kw,
            exact=True,
            sparse=True,
        ),
    ]


def dense_cases(n: int, n_in: int, n_out: int) -> list[Case]:
    size = f"{n}x{n_in}x{n_out}"
    return [
        Case(
            f"dense:{size}",
            "dense",
            lambda d: ((d.array(n, n_in), d.array(n_in, n_out), d.array(n_out)), {}),
            terms=n_in,
            exact=True,
            gradient=lambda f, a, kw, dy: dict(enumerate(f.dense_backward(dy, a[0], a[1]))),
        ),
        Case(
            f"dense:{size}:no-bias",
            "dense",
            lambda d: ((d.array(n, n_in), d.array(n_in, n_out)), {}),
            terms=n_in,
            exact=True,
        ),
        Case(
            f"dense_backward:{size}",
            "dense_backward",
            lambda d: ((d.array(n, n_out), d.array(n, n_in), d.array(n_in, n_out)), {}),
            terms=max(n, n_out),
            exact=True,
        ),
    ]


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


def loss_cases(reduction: str, *shape: int) -> list[Case]:
    n, features = shape[0], int(np.prod(shape[1:]))
    size = "x".join(map(str, shape)) + f":{reduction}"
    options = {"reduction": reduction}
    terms = features if reduction == "none" else n * features

    def case(kernel: str, variant: str, target: Callable[[Data], Array], exact: bool) -> Case:
        def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
            d_prediction = getattr(f, kernel)(*a, **kw)[1]
            return {0: d_prediction * dy.reshape(dy.shape + (1,) * (d_prediction.ndim - dy.ndim))}

        def make(d: Data) -> Call:
            return (d.array(*shape), target(d)), options

        return Case(f"{kernel}:{variant}{size}", kernel, make, terms=terms, exact=exact, gradient=gradient)

    # The mean of small integers is exact only where N is a power of two.
    exact = reduction != "mean" or n in (1, 16)
    cases = [case("sum_squared_error", "", lambda d: d.array(*shape), exact)]
    if len(shape) == 2:
        cases.append(case("softmax_cross_entropy", "labels:", lambda d: d.labels(n, features), False))
        cases.append(case("softmax_cross_entropy", "soft:", lambda d: d.distribution(*shape), False))
        cases.append(case("softmax_cross_entropy", "weights:", lambda d: d.positive(*shape), False))
    return cases


def optimizer_cases(size: int) -> list[Case]:
    def case(kernel: str, label: str, state: int, options: dict[str, Any], *, exact: bool = False) -> Case:
        def make(d: Data) -> Call:
            params, grads = d.array(size), d.array(size)
            return (params, grads, *(d.positive(size) for _ in range(state))), options

        in_place = (0, *range(2, 2 + state))
        return Case(f"{kernel}:{size}:{label}", kernel, make, exact=exact, in_place=in_place)

    return [
        case("sgd_update", "plain", 0, {"lr": 3, "weight_decay": 0}, exact=True),
        case("sgd_update", "decay", 0, {"lr": 2, "weight_decay": 3}, exact=True),
        case("sgd_update", "real", 0, {"lr": 0.1, "weight_decay": 0.01}),
        case("momentum_update", "integer", 1, {"lr": 2, "momentum": 0, "weight_decay": 1}, exact=True),
        case("momentum_update", "default", 1, {"lr": 0.1}),
        case("momentum_update", "decay", 1, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
        case("adam_update", "first", 2, {"step": 1, "lr": 0.01}),
        case("adam_update", "late", 2, {"step": 1000, "lr": 0.01, "weight_decay": 0.01}),
        case("adam_update", "betas", 2, {"step": 3, "lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}),
    ]


CASES: list[Case] = [
    *chain.from_iterable(im2col_cases(g) + conv2d_cases(g) for g in CONVOLUTIONS),
    *chain.from_iterable(pool_cases(g) for g in POOLS),
    *chain.from_iterable(dense_cases(*s) for s in [(1, 1, 1), (3, 5, 4), (16, 33, 10), (17, 120, 84)]),
    *chain.from_iterable(activation_cases(*row, *s) for row in ACTIVATIONS for s in SHAPES),
    *activation_cases("leaky_relu", "array", True, {"negative_slope": 0}, 3, 5),
    *chain.from_iterable(
        loss_cases(reduction, *s)
        for reduction in ("mean", "sum", "none")
        for s in [(1, 2), (3, 10), (16, 33), (17, 3), (3, 2, 4, 5)]
    ),
    *chain.from_iterable(optimizer_cases(size) for size in (1, 33, 1000)),
]


def one_per_kernel(cases: list[Case]) -> list[Case]:
    """Return the middle row of each kernel, for tests of behaviour rather than of numbers."""
    rows: dict[str, list[Case]] = {}
    for case in cases:
        rows.setdefault(case.kernel, []).append(case)
    return [kernel_rows[len(kernel_rows) // 2] for kernel_rows in rows.values()]
