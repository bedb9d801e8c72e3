"""Pooling on the tape for blocks of one sample: planes with their lanes along the width, as in `pool_plane.py`.

Against the kernels for lane blocks, run with one lane: a training step of one thread, float32 with AVX2 (Zen 3, beside
other work; the best of 15 rounds, medians of five processes in turn, November 2026): LeNet-5 at batch 1 120 -> 100 us,
at batch 3 310 -> 289; 32 maps of 32x32 with maxima by 2, and of 14x14 with averages by 2, at batch 1 569 -> 388.
"""

from ..pool_plane import (
    EXACT,
    average_backward_plane,
    average_plane,
    fill_window_table,
    max_pool2d_backward_plane,
    max_pool2d_plane,
    windows_inside,
)
from ..simd import pointer_at, whole
from ..stage import Axis, Call, Space, Stage
from .narrow import is_narrow, is_wide, table_at, table_elements


def max_pool2d_narrow(t):
    """Maxima and their indices, which are floats here."""
    m, at, o = whole(t.arena), t.at, t.options
    size, outputs = o[1] * o[2], o[3] * o[4]
    y, argmax = pointer_at(m, at[1]), pointer_at(m, at[2])
    for plane in range(o[0]):
        max_pool2d_plane(m, at[0] + plane * size, y, argmax, plane * outputs, o[1], o[2], o[11], o[12], o[3], o[4],
                         o[5], o[6], o[7], o[8], o[9], o[10])
    return 0


def max_pool2d_narrow_backward(t):
    """Gradient of maxima."""
    m, at, o = whole(t.arena), t.at, t.options
    size, outputs = o[1] * o[2], o[3] * o[4]
    for plane in range(o[0]):
        max_pool2d_backward_plane(m, at[0] + plane * outputs, m, at[1] + plane * outputs, m, at[2] + plane * size,
                                  size, outputs)
    return 0


def _in_planes(row, machine):
    """Whether a plane's indices are exact as floats."""
    _, height, width = row.values["dx" if "dx" in row.values else "x"].shape
    return is_narrow(row, machine) and height * width <= EXACT


def _in_windows(row, machine):
    return not _in_planes(row, machine)


def max_stages(reads, writes, wide, numbers):
    """Stages of maxima or of their gradient; ``numbers(row, shape) -> kernel, options`` as `wide` has them."""

    def call(row, places, machine):
        kernel, options = numbers(row, places["dx" if "dx" in places else "x"].shape)
        return Call(max_pool2d_narrow if "x" in reads else max_pool2d_narrow_backward, (*options, *kernel))

    return (
        Stage(Axis.BLOCK, reads, writes, wide, wanted=_in_windows),
        Stage(Axis.BLOCK, reads, writes, call, plain=True, wanted=_in_planes),
    )


def average_narrow(t):
    """Averages over windows of one size, or as many as the output has places."""
    m, at, o = whole(t.arena), t.at, t.options
    height, width, oh, ow, kh, kw = o[1], o[2], o[3], o[4], o[5], o[6]
    rows = table_at(t, at[2])
    cols = pointer_at(rows, 3 * oh)
    fill_window_table(rows, height, oh, kh, o[7], o[9], o[10], o[13] != 0)
    fill_window_table(cols, width, ow, kw, o[8], o[11], o[12], o[13] != 0)
    first, last = windows_inside(ow, o[8], o[11], kw, width)
    last = last if kw > 0 else first
    sums = pointer_at(m, at[3])
    for plane in range(o[0]):
        average_plane(m, at[0] + plane * height * width, m, at[1] + plane * oh * ow, width, oh, ow, rows, cols,
                      first, last, o[8], o[11], kw, sums)
    return 0


def average_narrow_backward(t):
    """Gradient of averages."""
    m, at, o = whole(t.arena), t.at, t.options
    height, width, oh, ow = o[1], o[2], o[3], o[4]
    rows = table_at(t, at[2])
    cols = pointer_at(rows, 3 * oh)
    fill_window_table(rows, height, oh, o[5], o[7], o[9], o[10], o[13] != 0)
    fill_window_table(cols, width, ow, o[6], o[8], o[11], o[12], o[13] != 0)
    spread = pointer_at(m, at[3])
    for plane in range(o[0]):
        average_backward_plane(m, at[0] + plane * oh * ow, m, at[1] + plane * height * width, height, width, oh, ow,
                               rows, cols, spread)
    return 0


def average_stages(source, target, wide, numbers):
    """Stages of averages or of their gradient.

    ``numbers(row, images)`` are the kernel, stride, padding and whether it counts, for images of this shape.
    """
    function = average_narrow if source == "x" else average_narrow_backward

    def shapes(of):
        return (of[source], of[target]) if source == "x" else (of[target], of[source])

    def call(row, places, machine):
        images, pooled = (place.shape for place in shapes(places))
        return Call(function, (*images, *pooled[1:], *numbers(row, images)))

    def temps(row, machine):
        images, pooled = (value.shape for value in shapes(row.values))
        windows = sum(pooled[1:]) if len(pooled) == 3 else 2
        return {
            "table": (Space.WORK, table_elements(3 * windows)),
            "row": (Space.WORK, images[2] + machine.vector),
        }

    return (
        Stage(Axis.BLOCK, (source,), (target,), wide, wanted=is_wide),
        Stage(Axis.BLOCK, (source,), (target, "table", "row"), call, temps=temps, plain=True, wanted=is_narrow),
    )
