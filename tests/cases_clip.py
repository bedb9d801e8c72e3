"""Cases of limits on gradients and weights."""

from itertools import chain
from typing import Any

from case import Case

LIMITS = (0.5, 3, 1e6)


def clip_cases(size: int) -> list[Case]:
    return [
        case
        for limit in LIMITS
        for case in (
            Case(
                f"clip_by_value:{size}:{limit}",
                "clip_by_value",
                lambda d, limit=limit: ((d.array(size), limit), {}),
                exact=limit == 3,
                in_place=(0,),
            ),
            Case(
                f"clip_by_global_norm:{size}:{limit}",
                "clip_by_global_norm",
                lambda d, limit=limit: ((d.array(size), limit), {}),
                terms=size,
                in_place=(0,),
            ),
        )
    ]


def max_norm_cases(*shape: int, **axis: int) -> list[Case]:
    label = ":".join([f"max_norm:{'x'.join(map(str, shape))}", *map(str, axis.values())])

    def case(limit: float) -> Case:
        def make(d: Any) -> Any:
            return (d.array(*shape), limit), axis

        return Case(f"{label}:{limit}", "max_norm", make, terms=max(shape), in_place=(0,))

    return [case(limit) for limit in (0.5, 3.0, 8.0)]


CASES = [
    *chain.from_iterable(clip_cases(size) for size in (1, 33, 9000)),
    *max_norm_cases(1, 1),
    *max_norm_cases(5, 33),
    *max_norm_cases(6, 1, 5, 5),
    *max_norm_cases(33, 3, 3, 2),
    *max_norm_cases(17, 9, axis=0),
    *max_norm_cases(4, 35, 3, 1, axis=1),
    *max_norm_cases(3, 4, 5, axis=-1),
]
