"""Cases of batch, layer and group normalisation."""

from math import prod
from typing import Any

import numpy as np
from case import Array, Call, Case, Data

Shape = tuple[int, ...]


def spread(d: Data, *shape: int) -> Array:
    """Draw numbers that have a deviation in every channel and group, which small integers may lack."""
    return d.array(*shape) + np.resize(np.array([0, 2, 5], d.dtype), shape)


def batch_norm_cases(*shape: int) -> list[Case]:
    channels = shape[1]
    size, terms = "x".join(map(str, shape)), prod(shape) // shape[1]

    def statistics(d: Data) -> dict[str, Any]:
        return {"running_mean": d.array(channels), "running_var": d.positive(channels)}

    def forward(training: bool) -> Any:
        def make(d: Data) -> Call:
            arrays = (spread(d, *shape), d.array(channels), d.array(channels))
            return arrays, {**statistics(d), "training": training, "eps": 1e-3, "momentum": 0.25}

        return make

    def backward(training: bool) -> Any:
        def make(d: Data) -> Call:
            arrays = (d.array(*shape), spread(d, *shape), d.array(channels), d.array(channels))
            return (*arrays, (d.positive(channels) / np.sqrt(terms)).astype(d.dtype)), {"training": training}

        return make

    def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
        _, mean, inv_std = f.batch_norm(*a, **kw)
        found = f.batch_norm_backward(dy, a[0], a[1], mean, inv_std, training=kw["training"])
        return dict(enumerate(found))

    cases = []
    for training in (True, False)[terms == 1 :]:
        label = f"{size}:{'training' if training else 'inference'}"
        cases += [
            Case(f"batch_norm:{label}", "batch_norm", forward(training), terms=terms, gradient=gradient),
            Case(f"batch_norm_backward:{label}", "batch_norm_backward", backward(training), terms=terms),
        ]
    return cases


def run_cases(kernel: str, shape: Shape, own: Shape, rows: Shape, **kw: int) -> list[Case]:
    """Cases of group_norm or layer_norm: `own` is the shape of gamma, `rows` that of the statistics."""
    size = "x".join(map(str, shape)) + ":" + "x".join(map(str, kw.values() or own))

    def forward(d: Data) -> Call:
        return (spread(d, *shape), d.array(*own), d.array(*own)), {**kw, "eps": 1e-3}

    def backward(d: Data) -> Call:
        arrays = (d.array(*shape), spread(d, *shape), d.array(*own), d.array(*rows))
        return (*arrays, (d.positive(*rows) / np.sqrt(prod(shape))).astype(d.dtype)), kw

    def gradient(f: Any, a: tuple[Any, ...], options: dict[str, Any], dy: Array) -> dict[int, Array]:
        _, mean, inv_std = getattr(f, kernel)(*a, **options)
        return dict(enumerate(getattr(f, f"{kernel}_backward")(dy, a[0], a[1], mean, inv_std, **kw)))

    terms = prod(shape)
    return [
        Case(f"{kernel}:{size}", kernel, forward, terms=terms, gradient=gradient),
        Case(f"{kernel}_backward:{size}", f"{kernel}_backward", backward, terms=terms),
    ]


def group_norm_cases(groups: int, *shape: int) -> list[Case]:
    return run_cases("group_norm", shape, shape[1:2], (shape[0], groups), groups=groups)


def layer_norm_cases(axes: int, *shape: int) -> list[Case]:
    return run_cases("layer_norm", shape, shape[-axes:], shape[:-axes])


CASES = [
    *batch_norm_cases(1, 3),
    *batch_norm_cases(17, 33),
    *batch_norm_cases(3, 70, 1, 2),
    *batch_norm_cases(1, 2, 40, 37),  # more pixels than are summed at a time
    *batch_norm_cases(16, 5, 5, 7),
    *group_norm_cases(1, 1, 4),
    *group_norm_cases(3, 17, 6, 2, 3),
    *group_norm_cases(4, 70, 4, 5),  # each channel by itself, more samples than chunks
    *group_norm_cases(2, 3, 4, 9, 8),
    *group_norm_cases(1, 2, 3, 71, 63),
    *layer_norm_cases(1, 17, 33),
    *layer_norm_cases(3, 3, 2, 5, 7),
    *layer_norm_cases(2, 2, 3, 5, 4),
    *layer_norm_cases(1, 70, 3),
]
