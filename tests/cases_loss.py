"""Cases of losses."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
from case import Array, Call, Case, Data


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


CASES = list(
    chain.from_iterable(
        loss_cases(reduction, *s)
        for reduction in ("mean", "sum", "none")
        for s in [(1, 2), (3, 10), (16, 33), (17, 3), (3, 2, 4, 5)]
    )
)
