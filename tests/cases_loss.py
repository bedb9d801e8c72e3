"""Cases of losses."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
from case import Array, Call, Case, Data

ELEMENTWISE = ("mean_squared_error", "huber", "binary_cross_entropy_with_logits")


def loss_case(
    kernel: str,
    shape: tuple[int, ...],
    label: str,
    make: Callable[[Data], Call],
    *,
    exact: bool = False,
) -> Case:
    def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
        d_prediction = getattr(f, kernel)(*a, **kw)[1]
        return {0: d_prediction * dy.reshape(dy.shape + (1,) * (d_prediction.ndim - dy.ndim))}

    size = "x".join(map(str, shape))
    return Case(f"{kernel}:{label}:{size}", kernel, make, terms=int(np.prod(shape)), exact=exact, gradient=gradient)


def number_cases(reduction: str, *shape: int) -> list[Case]:
    """Losses of numbers; the mean of small integers is exact only where the divisor is a power of two."""

    def power_of_two(n: float) -> bool:
        return reduction != "mean" or float(np.log2(n)).is_integer()

    def case(kernel: str, exact: bool, target: Callable[[Data], Array], **options: Any) -> Case:
        def make(d: Data) -> Call:
            return (d.array(*shape), target(d)), {"reduction": reduction, **options}

        label = ":".join(map(str, (reduction, *options.values())))
        return loss_case(kernel, shape, label, make, exact=exact)

    def numbers(d: Data) -> Array:
        return d.array(*shape)

    elements = power_of_two(np.prod(shape))
    return [
        case("sum_squared_error", power_of_two(shape[0]), numbers),
        case("mean_squared_error", elements, numbers),
        case("huber", elements, numbers),
        case("huber", elements, numbers, delta=2.5),
        case("binary_cross_entropy_with_logits", False, lambda d: d.unit(*shape)),
    ]


def targets(d: Data, kind: str, n: int, classes: int) -> Array:
    if kind == "soft":
        return d.distribution(n, classes)
    if kind == "shares":  # that do not add up to 1
        return d.positive(n, classes)
    labels = d.labels(n, classes)
    if kind == "ignored":
        labels[:: 2 if n > 1 else 1] = -100
    return labels


def softmax_case(reduction: str, n: int, classes: int, kind: str, weighted: bool, smoothing: float) -> Case:
    def make(d: Data) -> Call:
        options: dict[str, Any] = {"reduction": reduction}
        if smoothing:
            options["label_smoothing"] = smoothing
        if weighted:
            options["class_weight"] = d.positive(classes)
        return (d.array(n, classes), targets(d, kind, n, classes)), options

    label = ":".join(map(str, (reduction, kind, *(["weights"] * weighted), *([smoothing] * bool(smoothing)))))
    return loss_case("softmax_cross_entropy", (n, classes), label, make)


def categorical_case(reduction: str, n: int, classes: int, one_hot: bool) -> Case:
    def make(d: Data) -> Call:
        target = np.eye(classes, dtype=d.dtype)[d.labels(n, classes)] if one_hot else d.distribution(n, classes)
        return (d.distribution(n, classes), target), {"reduction": reduction}

    label = f"{reduction}:{'one-hot' if one_hot else 'soft'}"
    return loss_case("categorical_cross_entropy", (n, classes), label, make)


def class_cases(reduction: str, n: int, classes: int) -> list[Case]:
    plain = [softmax_case(reduction, n, classes, kind, False, 0.0) for kind in ("labels", "soft", "shares", "ignored")]
    return [*plain, *(categorical_case(reduction, n, classes, one_hot) for one_hot in (True, False))]


REDUCTIONS = ("mean", "sum", "none")
CASES = list(
    chain(
        *(number_cases(r, *s) for r in REDUCTIONS for s in [(1, 2), (3, 10), (16, 33), (17, 3), (3, 2, 4, 5)]),
        *(class_cases(r, *s) for r in REDUCTIONS for s in [(1, 2), (3, 10), (16, 33), (17, 3)]),
        (
            softmax_case(r, 17, 5, kind, weighted, smoothing)
            for r in REDUCTIONS
            for kind in ("labels", "ignored", "soft")
            for weighted, smoothing in ((True, 0.0), (False, 0.1), (True, 1.0), (True, 0.3))
        ),
    )
)
