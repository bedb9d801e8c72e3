"""Convolutions on the tape: exact on small integers for any options, gradients of whole nets, refusals."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from exact_layers import assert_exact_layer
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st
from tape_nets import SMALL, Net
from tapes import assert_equal_gradients, both, data, direct_sums, make

from fastnn_kernels import tile_choice
from fastnn_kernels.executor import Executor
from fastnn_kernels.ops import conv_taps
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine

NETS = ("dilated", "channel_groups", "depthwise", "stride_and_dilation", "transposed")


def one_of_three(rows, cols, *_):
    """Choose among three tiles instead of as many as there are shapes: each is an op to compile."""
    return (2 if rows > 1 else 1, 3) if cols > 2 else (1, 1)


few_tiles = patch.multiple(tile_choice, product_tile=one_of_three, input_gradient_tile=one_of_three)


@st.composite
def sides(draw):
    """One direction of a kernel: elements, stride, dilation, padding before and behind, pixels that it spans."""
    taps, stride, gap = (draw(st.integers(1, 4)) for _ in range(3))
    before, behind = (draw(st.integers(0, 4)) for _ in range(2))
    return taps, stride, gap, before, behind, gap * (taps - 1) + 1


def options_of(high, wide, groups):
    return {
        "kernel_size": (high[0], wide[0]),
        "stride": (high[1], wide[1]),
        "dilation": (high[2], wide[2]),
        "padding": (*high[3:5], *wide[3:5]),
        "groups": groups,
    }


@st.composite
def convolutions(draw):
    """Input shape, filters and options of a conv2d whose kernel fits, often just so."""
    high, wide = draw(sides()), draw(sides())
    groups, channels, filters = (draw(st.integers(1, 3)) for _ in range(3))
    sizes = [max(1, span - before - behind) + draw(st.integers(0, 6)) for *_, before, behind, span in (high, wide)]
    return (groups * channels, *sizes), groups * filters, options_of(high, wide, groups)


@st.composite
def transposed_convolutions(draw):
    """The same of a conv_transpose2d, with an output of at least one pixel."""
    high, wide = draw(sides()), draw(sides())
    groups, channels, filters = (draw(st.integers(1, 3)) for _ in range(3))
    sizes, extra = [], []
    for _, stride, gap, before, behind, span in (high, wide):
        extra.append(draw(st.integers(0, max(stride, gap) - 1)))
        least = 1 + max(0, -(-(before + behind - span - extra[-1] + 1) // stride))
        sizes.append(least + draw(st.integers(0, 3)))
    options = {**options_of(high, wide, groups), "output_padding": tuple(extra)}
    return (groups * channels, *sizes), groups * filters, options


# Blocks of a vector's lanes, the last one not full, and blocks of one sample.
batches = st.sampled_from([(np.float32, 17), (np.float32, 40), (np.float64, 19), (np.float64, 3)])


def assert_exact(layer, geometry, batch, bias):
    """Compare one layer."""
    x_shape, filters, options = geometry
    with few_tiles:
        assert_exact_layer(x_shape, lambda net: getattr(net, layer)(filters, bias=bias, **options), *batch)


@examples
@given(convolutions(), batches, st.booleans())
def test_conv2d_is_exact(geometry, batch, bias):
    assert_exact("conv", geometry, batch, bias)


@examples
@given(transposed_convolutions(), batches, st.booleans())
def test_conv_transpose2d_is_exact(geometry, batch, bias):
    assert_exact("conv_transpose", geometry, batch, bias)


@pytest.mark.parametrize("net", NETS)
def test_gradients_equal_central_differences(net):
    tape = SMALL[net]()
    executor = make(Executor, tape, np.float64)
    x, y = data(tape, 3, np.float64)
    executor.gradients(x, y)
    params, grads = executor.memory.params, executor.memory.grads.copy()
    rng, eps = np.random.default_rng(11), 1e-6
    for p in tape.params:
        for k in p.offset + rng.choice(p.size, min(4, p.size), replace=False):
            losses = []
            for shift in (eps, -2 * eps):
                params[k] += shift
                losses.append(executor.evaluate(x, y, 3)[0] / 3)
            params[k] += eps
            np.testing.assert_allclose(grads[k], (losses[0] - losses[1]) / (2 * eps), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("frozen", ["w", "b"])
@pytest.mark.parametrize("layer", ["conv", "conv_transpose"])
def test_a_frozen_weight_with_a_trained_bias_and_the_other_way_round(layer, frozen):
    net = Net(2, 5, 6).conv(4, (3, 3), padding=(1, 1, 1, 1))
    tape = getattr(net, layer)(4, (3, 3), padding=(1, 1, 1, 1)).layer("tanh").done("sum_squared_error")
    (row,) = [row for row in tape.forward if "layer1/w" in {p.name for p in row.params.values()}]
    stopped = replace(row.params[frozen], trainable=False)
    tape.params[stopped.index] = stopped
    tape.forward[tape.forward.index(row)] = replace(row, params={**row.params, frozen: stopped})
    executor, reference = both(tape, np.float64)
    assert_equal_gradients(executor, reference, *data(tape, 19, np.float64))


# Channels, height and width; filters; kernel; padding; groups: next to each other in both maps and kernel.
ROWS = [
    ((1, 9, 11), 3, (5, 5), (0, 0, 0, 0), 1),
    ((6, 12, 12), 16, (5, 5), (0, 0, 0, 0), 1),
    ((3, 5, 9), 5, (1, 3), (0, 0, 1, 1), 1),  # columns of the maps that the unrolled steps do not divide
    ((2, 6, 8), 2, (2, 2), (1, 0, 0, 1), 1),
    ((2, 8, 13), 7, (4, 7), (3, 1, 6, 2), 1),
    ((4, 3, 5), 6, (3, 4), (4, 3, 6, 5), 2),  # columns that no tap meets
    ((3, 7, 30), 3, (3, 3), (1, 1, 1, 1), 3),  # rows too wide for a tile of an input gradient
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x_shape", "filters", "kernel", "padding", "groups"), ROWS)
def test_unrolled_rows_give_exact_sums_and_the_bits_of_the_general_form(
    x_shape, filters, kernel, padding, groups, dtype
):
    options = {"padding": padding, "groups": groups}
    for layer in ("conv", "conv_transpose"):
        if layer == "conv_transpose" and max(padding) > 3:
            continue
        with direct_sums():
            assert_exact_layer(x_shape, lambda net: getattr(net, layer)(filters, kernel, **options), dtype, 19)  # noqa: B023
        # The second layer has an input gradient.
        net = Net(*x_shape).conv(x_shape[0], (1, 1))
        tape = getattr(net, layer)(filters, kernel, **options).done("sum_squared_error")
        x, y = data(tape, 19, dtype)
        results = []
        for unrolled in (True, False):
            rows = patch.object(conv_taps, "has_rows", conv_taps.has_rows if unrolled else lambda s: False)
            with direct_sums(), rows:
                executor = make(Executor, tape, dtype)
                executor.clock = []
                executor.gradients(x, y)
            functions = {call.function.__name__ for call in executor.clock[0].program.calls}
            assert any("taps" in name for name in functions) == unrolled
            results.append(executor.memory.grads.copy())
        np.testing.assert_array_equal(*results)


def test_options_compile_nothing_of_their_own():
    def functions(**options):
        tape = Net(4, 9, 9).conv(4, (3, 3)).conv(4, (3, 3), **options).done("sum_squared_error")
        program = make_program(tape, Machine(16, 24, 64), backward=True, loss=True, update=None)
        return {call.function for call in program.calls}

    # The maps are equally wide, so the tiles are the same.
    assert functions(padding=(1, 1, 1, 1), dilation=(2, 2)) == functions(dilation=(2, 1))
    assert functions(padding=(1, 1, 0, 0)) == functions(padding=(2, 0, 0, 0))


REFUSED = [
    ("conv", (3, 6, 6), 4, {"groups": 2}, r"conv2d: groups is 2, it must divide both the 3 channels"),
    ("conv", (4, 6, 6), 3, {"groups": 2}, r"conv2d: groups is 2, it must divide .* the 3 filters"),
    ("conv", (2, 6, 6), 4, {"dilation": (1, 3)}, r"conv2d: a 3x3 kernel that spans 3x7 pixels does not fit"),
    ("conv", (2, 6, 6), 4, {"dilation": (0, 1)}, r"conv2d: dilation is 0, at least 1 is needed"),
    ("conv", (2, 6, 6), 4, {"stride": (1, -1)}, r"conv2d: stride is -1, at least 1 is needed"),
    ("conv", (2, 6, 6), 4, {"padding": (0, 0, -1, 0)}, r"conv2d: padding is -1, at least 0 is needed"),
    ("conv", (30,), 4, {}, r"conv2d: x has 2 axes"),
    ("conv_transpose", (3, 6, 6), 4, {"groups": 2}, r"conv_transpose2d: groups is 2, it must divide the 3 channels"),
    ("conv_transpose", (2, 6, 6), 4, {"output_padding": (0, 1)}, r"conv_transpose2d: output_padding is \(0, 1\)"),
    ("conv_transpose", (2, 1, 1), 4, {"padding": (1, 1, 2, 2)}, r"conv_transpose2d: the output would be 1x-1"),
]


@pytest.mark.parametrize(("layer", "x_shape", "filters", "options", "message"), REFUSED)
def test_a_layer_that_does_not_fit_is_refused(layer, x_shape, filters, options, message):
    net = Net(*x_shape)
    rows = len(net.tape.forward)
    with pytest.raises(ValueError, match=message):
        getattr(net, layer)(filters, (3, 3), **options)
    assert len(net.tape.forward) == rows


def test_the_channels_must_be_those_of_the_weights():
    tape = Net(3, 6, 6).tape
    x = tape.inputs[0]
    w = tape.parameter("w", (4, 2, 3, 3))
    with pytest.raises(ValueError, match=r"conv2d: x has 3 channels .* but w expects 2"):
        tape.add("conv2d", x=x, w=w, b=None, stride=(1, 1), padding=(0, 0, 0, 0))
    with pytest.raises(ValueError, match=r"conv_transpose2d: x has 3 channels .* but w expects 4"):
        tape.add("conv_transpose2d", x=x, w=w, b=None, stride=(1, 1), padding=(0, 0, 0, 0))
