"""Cases of im2col, col2im and convolution."""

from itertools import chain

from case import Case
from geometry import CONVOLUTIONS, Geometry


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


CASES = list(chain.from_iterable(im2col_cases(g) + conv2d_cases(g) for g in CONVOLUTIONS))
