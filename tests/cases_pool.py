"""Cases of pooling."""

from itertools import chain
from math import lcm
from typing import Any

import numpy as np
from case import Call, Case, Data
from geometry import POOLS, Geometry


def divisible(d: Data, kernel_size: tuple[int, int], *shape: int) -> Any:
    """Integers that the divisor of every window, clipped or not, divides: their averages are exact."""
    kh, kw = kernel_size
    return d.array(*shape) * (lcm(*range(1, kh + 1)) * lcm(*range(1, kw + 1)) if d.integers else 1)


def max_cases(g: Geometry) -> list[Case]:
    def backward(d: Data) -> Call:
        # Any pixel will do for a maximum: the kernel adds where argmax points.
        return (d.array(*g.pool_shape), d.rng.integers(0, g.h * g.w, g.pool_shape), g.x_shape), {}

    def forward(algorithm: str, label: str) -> Case:
        return Case(
            f"max_pool2d:{g.label}{label}",
            "max_pool2d",
            lambda d: ((d.array(*g.x_shape), g.kernel_size), {**g.pool_options, "algorithm": algorithm}),
            exact=True,
            gradient=lambda f, a, kw, dy: {
                0: f.max_pool2d_backward(dy, f.max_pool2d(*a, **kw)[1], a[0].shape)
            },
        )

    return [
        forward("direct", ""),
        forward("im2col", ":im2col"),
        Case(
            f"max_pool2d_backward:{g.label}",
            "max_pool2d_backward",
            backward,
            terms=g.kh * g.kw,
            exact=True,
            sparse=True,
        ),
    ]


def avg_cases(g: Geometry, include_pad: bool) -> list[Case]:
    options = {**g.options, "ceil_mode": g.ceil_mode, "count_include_pad": include_pad}
    label = g.label if include_pad else f"{g.label}:without-padding"

    def forward(algorithm: str, label: str) -> Case:
        return Case(
            f"avg_pool2d:{label}",
            "avg_pool2d",
            lambda d: (
                (divisible(d, g.kernel_size, *g.x_shape), g.kernel_size),
                {**options, "algorithm": algorithm},
            ),
            terms=g.kh * g.kw,
            exact=True,
            gradient=lambda f, a, kw, dy: {0: f.avg_pool2d_backward(dy, a[0].shape, g.kernel_size, **options)},
        )

    return [
        forward("direct", label),
        *([forward("im2col", f"{label}:im2col")] if include_pad else []),
        Case(
            f"avg_pool2d_backward:{label}",
            "avg_pool2d_backward",
            lambda d: ((divisible(d, g.kernel_size, *g.pool_shape), g.x_shape, g.kernel_size), options),
            terms=g.kh * g.kw,
            exact=True,
        ),
    ]


def global_cases(shape: tuple[int, int, int, int]) -> list[Case]:
    label, pixels = "x".join(map(str, shape)), shape[2:]

    def scaled(d: Data, *size: int) -> Any:
        return d.array(*size) * (int(np.prod(pixels)) if d.integers else 1)

    return [
        Case(
            f"global_avg_pool2d:{label}",
            "global_avg_pool2d",
            lambda d: ((scaled(d, *shape),), {}),
            terms=int(np.prod(pixels)),
            exact=True,
            gradient=lambda f, a, kw, dy: {0: f.global_avg_pool2d_backward(dy, a[0].shape)},
        ),
        Case(
            f"global_avg_pool2d_backward:{label}",
            "global_avg_pool2d_backward",
            lambda d: ((scaled(d, *shape[:2]), shape), {}),
            exact=True,
        ),
    ]


def adaptive_cases(shape: tuple[int, int, int, int], output_size: Any) -> list[Case]:
    label = f"{'x'.join(map(str, shape))}-to-{output_size}"
    out = (output_size, output_size) if isinstance(output_size, int) else output_size
    # The largest window along each side.
    largest = tuple(1 + -(-size // places) for size, places in zip(shape[2:], out, strict=True))
    return [
        Case(
            f"adaptive_avg_pool2d:{label}",
            "adaptive_avg_pool2d",
            lambda d: ((divisible(d, largest, *shape), output_size), {}),
            terms=largest[0] * largest[1],
            exact=True,
            gradient=lambda f, a, kw, dy: {0: f.adaptive_avg_pool2d_backward(dy, a[0].shape)},
        ),
        Case(
            f"adaptive_avg_pool2d_backward:{label}",
            "adaptive_avg_pool2d_backward",
            lambda d: ((divisible(d, largest, *shape[:2], *out), shape), {}),
            terms=4,
            exact=True,
        ),
    ]


CASES = [
    *chain.from_iterable(max_cases(g) for g in POOLS),
    *chain.from_iterable(avg_cases(g, True) for g in POOLS if g.dilation == 1),
    *chain.from_iterable(avg_cases(g, False) for g in POOLS if g.dilation == 1 and max(g.pads)),
    *chain.from_iterable(map(global_cases, [(1, 1, 1, 1), (3, 5, 7, 7), (2, 3, 5, 4)])),
    *chain.from_iterable(
        adaptive_cases(*sizes)
        for sizes in [((2, 3, 7, 5), (3, 2)), ((3, 2, 6, 8), (3, 4)), ((1, 3, 2, 3), (5, 4)), ((2, 2, 5, 6), 1)]
    ),
]
