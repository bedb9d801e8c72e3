"""Convolutions with the lanes along the filters: exact, the same bits for any number of threads, finite."""

import numpy as np
import pytest
from tapes import threads
from test_conv_wide import arrays, fill_idle_memory, form_of_all, forms_seen

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import FEW_REGISTERS, lane_count

# Images, channels, height, width, filters, kernel, options; filters fill most lanes on every machine.
DEEP = [
    (3, 3, 32, 32, 16, (3, 3), {"padding": 1}),  # bands of rows
    (5, 6, 12, 12, 16, (5, 5), {}),  # images that are read where they are, several at a time
    (2, 9, 40, 33, 48, (1, 1), {}),
    (2, 16, 8, 64, 32, (1, 1), {"stride": 2}),
    (9, 5, 13, 11, 24, (3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    (2, 8, 17, 9, 40, (3, 3), {"padding": 2, "dilation": 2}),
    (33, 4, 3, 3, 32, (3, 3), {"padding": 1}),  # fewer pixels than lanes
    (2, 5, 40, 19, 17, (3, 7), {"padding": ((0, 2), (20, 18)), "dilation": (1, 3)}),  # more zeros than a vector
    (2, 3, 9, 64, 16, (4, 3), {"padding": "same"}),
    (3, 8, 6, 6, 16, (1, 1), {"padding": ((0, 1), (0, 1)), "stride": 2}),
    # Several bands, of which the last is smaller.
    (2, 8, 60, 50, 16, (1, 1), {"stride": 2}),
    (2, 4, 61, 31, 16, (3, 3), {"padding": 1, "stride": (2, 1)}),
    # Kernel elements in runs: a last tile that is not full, two runs a row.
    (2, 5, 9, 20, 16, (1, 3), {}),
    (2, 3, 9, 20, 16, (2, 6), {"padding": 1}),
]
# With enough channels for input gradients.
BACKWARD = [
    (5, 16, 32, 32, 16, (3, 3), {"padding": 1}),
    (2, 17, 12, 12, 16, (5, 5), {}),
    (9, 20, 13, 11, 24, (3, 2), {"padding": (1, 0)}),
    (3, 48, 9, 12, 32, (1, 1), {}),
    (33, 24, 3, 3, 32, (3, 3), {"padding": 1}),
    (2, 16, 17, 9, 40, (3, 3), {"padding": 2, "dilation": 2}),
    (3, 16, 6, 6, 16, (3, 3), {"padding": 3}),  # maps larger than the images
    (2, 16, 7, 33, 16, (3, 3), {"padding": ((3, 0), (0, 3))}),
    (7, 16, 5, 5, 120, (5, 5), {}),
    (1, 16, 5, 5, 16, (5, 5), {}),  # one output
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [*DEEP, *BACKWARD])
def test_outputs_are_exact_and_have_the_bits_of_the_flat_form(case, dtype):
    x, w, b, _, options = arrays(case, dtype, integers=True)
    with form_of_all("deep"):
        y = fk.conv2d(x, w, b, **options)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, ref.conv2d(x, w, b, **options))
    x, w, b, _, options = arrays(case, dtype)
    with form_of_all("flat"):
        expected = fk.conv2d(x, w, b, **options), fk.conv2d(x, w, **options)
    for count in (1, 2):
        with form_of_all("deep"), threads(count):
            np.testing.assert_array_equal(fk.conv2d(x, w, b, **options), expected[0])
            np.testing.assert_array_equal(fk.conv2d(x, w, **options), expected[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", BACKWARD)
def test_input_gradients_are_exact_and_have_the_bits_of_the_flat_form(case, dtype):
    x, w, _, dy, options = arrays(case, dtype, integers=True)
    with form_of_all("deep"):
        dx = fk.conv2d_backward_input(dy, w, x.shape, **options)
    assert dx.dtype == dtype
    np.testing.assert_array_equal(dx, ref.conv2d_backward_input(dy, w, x.shape, **options))
    x, w, _, dy, options = arrays(case, dtype)
    with form_of_all("flat"):
        expected = fk.conv2d_backward_input(dy, w, x.shape, **options)
    for count in (1, 2):
        with form_of_all("deep"), threads(count):
            np.testing.assert_array_equal(fk.conv2d_backward_input(dy, w, x.shape, **options), expected)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "w"])
@pytest.mark.parametrize("case", [DEEP[0], DEEP[1], BACKWARD[4]])
def test_outputs_of_what_is_not_finite_are_those_of_the_flat_form(case, where, value):
    x, w, b, _, options = arrays(case, np.float32)
    (x if where == "x" else w)[1, 2, 0, -1] = value
    with form_of_all("deep"):
        found = fk.conv2d(x, w, b, **options)
    with form_of_all("flat"):
        np.testing.assert_array_equal(found, fk.conv2d(x, w, b, **options))


@pytest.mark.parametrize("case", [BACKWARD[0], BACKWARD[1]])
def test_input_gradients_of_what_is_not_finite_are_those_of_the_flat_form(case):
    x, w, _, dy, options = arrays(case, np.float32)
    dy[1, 2, 0, -1], dy[0, 3, 2, 2] = np.inf, np.nan
    found = []
    for form in ("deep", "flat"):
        with form_of_all(form):
            found.append(fk.conv2d_backward_input(dy, w, x.shape, **options))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transposed_convolutions_with_a_bias_have_the_bits_of_the_flat_form(dtype):
    rng = np.random.default_rng(3)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((3, 5, 9, 8), (5, 32, 3, 2), 32))
    found = []
    for form in ("deep", "flat"):
        with form_of_all(form):
            found.append(fk.conv_transpose2d(x, w, b, padding=1))
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], ref.conv_transpose2d(x, w, b, padding=1), rtol=1e-4, atol=1e-4)


def test_scratch_of_other_calls_does_not_show():
    given = [arrays(case, np.float32) for case in (*DEEP, *BACKWARD)]
    with form_of_all("deep"):
        expected = [fk.conv2d(x, w, b, **o) for x, w, b, _, o in given]
        gradients = [fk.conv2d_backward_input(dy, w, x.shape, **o) for x, w, _, dy, o in given[len(DEEP) :]]
        fill_idle_memory()
        for (x, w, b, _, o), y in zip(given, expected, strict=True):
            np.testing.assert_array_equal(fk.conv2d(x, w, b, **o), y)
        for (x, w, _, dy, o), dx in zip(given[len(DEEP) :], gradients, strict=True):
            np.testing.assert_array_equal(fk.conv2d_backward_input(dy, w, x.shape, **o), dx)


@pytest.mark.parametrize("offset", [0, 1, 3, 8, 13])
def test_outputs_may_start_anywhere(offset):
    x, w, _, dy, options = arrays(DEEP[0], np.float32)
    memory = np.zeros(dy.size + 16, np.float32)
    w, b = np.ones_like(w) / 3, np.zeros(len(w), np.float32)
    y = memory[offset : offset + dy.size].reshape(dy.shape)
    with form_of_all("deep"):
        np.testing.assert_array_equal(fk.conv2d(x, w, b, **options, out=y), fk.conv2d(x, w, b, **options))


@pytest.mark.parametrize("backward", [False, True])
def test_sums_are_made_so_where_it_wins(backward):
    # Outputs by Winograd's algorithm along rows gain too little where a tile has half of its points.
    by_rows = "deep" if FEW_REGISTERS else "blocks"
    choose = [
        ((1, 16, 12, 12, 16, (5, 5), {}), "deep", "deep"),
        ((32, 16, 12, 12, 16, (5, 5), {}), by_rows, "blocks"),
        ((32, 16, 12, 12, 16, (3, 3), {"dilation": 2}), "deep", "blocks"),  # too many zeros around the maps
        ((32, 16, 12, 12, 32, (3, 3), {"padding": 1}), "blocks", "blocks"),  # by Winograd's algorithm
        ((32, 16, 12, 12, 32, (3, 3), {"padding": 1, "stride": 2}), "deep", "blocks"),
        ((lane_count(32), 16, 12, 12, 32, (3, 3), {"padding": 1}), "deep", "deep"),  # one block
        ((2, 16, 32, 32, 32, (3, 3), {"padding": 1, "stride": 2}), "deep", "flat"),
        ((2, 16, 32, 32, 16, (3, 3), {"padding": 1}), "wide", "wide"),  # by Winograd's algorithm
        ((2, 3, 32, 32, 16, (3, 3), {"padding": 1}), "wide", "flat"),  # few terms
        ((2, 6, 12, 12, 6, (5, 5), {}), "flat", "flat"),
        ((2, 32, 12, 12, 32, (5, 5), {"groups": 2}), "flat", "flat"),
        ((2, 16, 1, 2, 16, (25, 25), {"padding": 12}), "flat", "flat"),  # hardly anything but zeros
        ((40, 64, 7, 7, 64, (1, 1), {}), "deep", "deep"),
        ((40, 64, 32, 32, 64, (1, 1), {}), "flat", "flat"),
    ]
    for case, *forms in choose:
        x, w, _, dy, options = arrays(case, np.float32)
        with forms_seen() as seen:
            if backward:
                fk.conv2d_backward_input(dy, w, x.shape, **options)
            else:
                fk.conv2d(x, w, **options)
        assert seen == [forms[backward]], case
