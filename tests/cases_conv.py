"""Cases of im2col, col2im and convolution."""

from itertools import chain
from typing import Any

import numpy as np
from case import Case
from geometry import CONVOLUTIONS, Geometry

Shape = tuple[int, int, int, int]


def im2col_cases(g: Geometry) -> list[Case]:
    k, options, padded = g.kernel_size, g.window_options, max(g.pads) > 0
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
            sparse=g.gaps,
            gradient=lambda f, a, kw, dy: {0: f.im2col(dy, k, **kw)},
        ),
    ]


def convolution_cases(name: str, label: str, n: int, x: Shape, w: Shape, y: Shape, options: dict[str, Any],
                      inner: int, outer: int, gaps: tuple[bool, bool]) -> list[Case]:
    """Cases of a convolution and its gradients; an element of y sums `inner` products, one of dx `outer` of them.

    `gaps` tells whether most of y, or of dx, is 0.
    """
    places, filters = n * min(x[2] * x[3], y[2] * y[3]), y[1]
    return [
        Case(
            f"{name}:{label}:no-bias",
            name,
            lambda d: ((d.array(*x), d.factors(inner, *w)), options),
            terms=inner,
            exact=True,
            sparse=gaps[0],
        ),
        Case(
            f"{name}:{label}",
            name,
            lambda d: ((d.array(*x), d.factors(inner, *w), d.array(filters)), options),
            terms=inner,
            exact=True,
            gradient=lambda f, a, kw, dy: dict(enumerate(getattr(f, f"{name}_backward")(dy, a[0], a[1], **kw))),
        ),
        Case(
            f"{name}_backward:{label}",
            f"{name}_backward",
            lambda d: ((d.factors(places, *y), d.array(*x), d.array(*w)), options),
            terms=max(places, y[2] * y[3] * n, outer),
            exact=True,
            sparse=gaps[1],
        ),
        Case(
            f"{name}_backward_input:{label}",
            f"{name}_backward_input",
            lambda d: ((d.array(*y), d.factors(outer, *w), x), options),
            terms=outer,
            exact=True,
            sparse=gaps[1],
        ),
        Case(
            f"{name}_backward_weight:{label}",
            f"{name}_backward_weight",
            lambda d: ((d.factors(places, *y), d.array(*x), w), options),
            terms=places,
            exact=True,
        ),
    ]


def conv2d_cases(g: Geometry) -> list[Case]:
    inner, outer = g.w_shape[1] * g.kh * g.kw, g.o // g.groups * g.kh * g.kw
    shapes = (g.x_shape, g.w_shape, g.y_shape)
    cases = convolution_cases("conv2d", g.label, g.n, *shapes, g.conv_options, inner, outer, (False, g.gaps))
    columns = Case(
        f"conv2d:{g.label}:im2col",
        "conv2d",
        lambda d: ((d.array(*g.x_shape), d.factors(inner, *g.w_shape)), {**g.conv_options, "algorithm": "im2col"}),
        terms=inner,
        exact=True,
    )
    return [*cases, columns]


def conv_transpose2d_cases(g: Geometry, extra: Any) -> list[Case]:
    """The convolution from y to x, run backwards; `extra` rows and columns of y make no further window."""
    inner, outer = g.o // g.groups * g.kh * g.kw, g.w_shape[1] * g.kh * g.kw
    high, wide = np.broadcast_to(extra, (2,))
    sizes = [(g.out[0] - 1, g.h, int(high)), (g.out[1] - 1, g.w, int(wide))]
    steps, pads = np.broadcast_to(g.stride, (2,)), g.pads
    out = [int(k * s - pads[2 * a] - pads[2 * a + 1] + g.span[a] + e)
           for a, ((k, _, e), s) in enumerate(zip(sizes, steps, strict=True))]
    y_shape = (g.n, g.c, out[0], out[1])
    options = {**g.conv_options, "output_padding": extra}
    return convolution_cases("conv_transpose2d", f"{g.label}:{extra}", g.n, g.y_shape, g.w_shape, y_shape, options,
                             inner, outer, (g.gaps, False))


TRANSPOSED = [
    ("one-pixel", 0), ("odd", 0), ("stride-2", 1), ("asymmetric", 0), ("pairs", (1, 0)), ("gaps", 2),
    ("dilated", 1), ("groups", 0), ("depthwise-3", (0, 1)), ("all-options", (2, 0)),
]  # fmt: skip
NAMED = {g.label: g for g in CONVOLUTIONS}

CASES = [
    *chain.from_iterable(im2col_cases(g) + conv2d_cases(g) for g in CONVOLUTIONS),
    *chain.from_iterable(conv_transpose2d_cases(NAMED[label], extra) for label, extra in TRANSPOSED),
]
