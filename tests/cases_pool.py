"""Cases of pooling."""

from itertools import chain

from case import Call, Case, Data
from geometry import POOLS, Geometry


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


CASES = list(chain.from_iterable(pool_cases(g) for g in POOLS))
