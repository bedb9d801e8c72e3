"""Gradients of weights with the lanes along filters ("deep") and along pixels ("dots"): exact, the same bits."""

from unittest.mock import patch

import numpy as np
import pytest
from tapes import threads
from test_conv_deep import DEEP
from test_conv_wide import arrays, fill_idle_memory, forms_seen

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import conv, conv_dots_weight
from fastnn_kernels._jit import FEW_REGISTERS, lane_count
from fastnn_kernels._threads import shares_for

# Images, channels, height, width, filters, kernel, options; rows are whole vectors on every machine.
DOTS = [
    (7, 3, 32, 32, 16, (3, 3), {"padding": 1}),  # several images at a time
    (2, 1, 16, 16, 5, (5, 5), {"padding": 2}),  # a last tile that overlaps, and a last one that is not full
    (3, 2, 9, 48, 7, (3, 2), {"padding": "same"}),  # zeros on one side alone
    (2, 2, 9, 16, 4, (2, 4), {"padding": ((0, 0), (3, 0))}),  # no rows of zeros; zeros on the left alone
    (2, 4, 5, 32, 6, (1, 1), {}),
    (2, 3, 4, 16, 8, (1, 3), {"padding": ((3, 2), (1, 1))}),  # rows of nothing but zeros
    (2, 2, 20, 32, 16, (3, 3), {"padding": 4, "dilation": 4}),
    (2, 8, 9, 16, 5, (3, 3), {"padding": 1}),  # sums of dy in a vector of their own
    (3, 1, 7, 16, 2, (3, 3), {"padding": ((2, 2), (2, 2)), "dilation": 2}),  # one group of filters
    (3, 2, 40, 16, 4, (3, 3), {"padding": ((2, 2), (8, 8)), "dilation": (2, 8)}),  # as many zeros as 8 lanes
    (2, 1, 1, 16, 4, (1, 3), {"padding": ((0, 0), (1, 1))}),  # a row of one vector
]
CASES = [("deep", case) for case in DEEP] + [("dots", case) for case in DOTS]
BANDS = ("dots", (1, 3, 130, 64, 16, (3, 3), {"padding": 1}))  # of rows, of which the last is smaller
CASES.append(BANDS)


def forced(form):
    """Make gradients in a form that is not chosen for all cases; where it cannot make them, in the one that is."""
    choose = conv.weight_form

    def force(numbers, dtype):
        return form if form != "dots" or conv_dots_weight.is_for_dots(numbers, dtype) else choose(numbers, dtype)

    return patch.object(conv, "weight_form", force)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cases_fit(dtype):
    fit = []
    for case in DOTS:
        x, w, _, dy, options = arrays(case, dtype)
        with patch.object(conv_dots_weight, "beats", lambda *_: True), forms_seen("weight_form") as seen:
            fk.conv2d_backward_weight(dy, x, w.shape, **options)
        fit.append(seen == ["dots"])
    filters = 4 if FEW_REGISTERS else 2
    lanes = lane_count(8 * np.dtype(dtype).itemsize)
    expected = [case[4] >= filters and (lanes >= 8 or case[-1].get("padding") != ((2, 2), (8, 8))) for case in DOTS]
    assert fit == expected or lanes < 4  # where more cases have too many zeros


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("form", "case"), CASES)
def test_small_integers_are_exact(form, case, dtype):
    x, w, _, dy, options = arrays(case, dtype, integers=True)
    with forced(form):
        _, dw, db = fk.conv2d_backward(dy, x, w, **options)
        alone = fk.conv2d_backward_weight(dy, x, w.shape, **options)
    _, expected, expected_db = ref.conv2d_backward(dy, x, w, **options)
    assert dw.dtype == db.dtype == dtype
    np.testing.assert_array_equal(dw, expected)
    np.testing.assert_array_equal(db, expected_db)
    np.testing.assert_array_equal(alone, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("form", "case"), CASES)
def test_sums_round_as_one_sum(form, case, dtype):
    x, w, _, dy, options = arrays(case, dtype)
    with forced(form):
        found = fk.conv2d_backward(dy, x, w, **options)[1:]
    exact = ref.conv2d_backward(*(a.astype(np.float64) for a in (dy, x, w)), **options)[1:]
    size = ref.conv2d_backward(*(np.abs(a).astype(np.float64) for a in (dy, x, w)), **options)[1:]
    for a, e, s in zip(found, exact, size, strict=True):
        assert (np.abs(a - e) <= 8 * np.finfo(dtype).eps * s).all()


@pytest.mark.parametrize("images", [1, 2, 7, 40])
@pytest.mark.parametrize(("form", "case"), CASES)
def test_bits_are_the_same_for_any_number_of_threads(form, case, images):
    x, w, _, dy, options = arrays((images, *case[1:]), np.float32)
    found = []
    for count in (1, 2):
        with forced(form), threads(count):
            found.append(fk.conv2d_backward(dy, x, w, **options)[1:])
            np.testing.assert_array_equal(fk.conv2d_backward_weight(dy, x, w.shape, **options), found[-1][0])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("form", "case"), [("deep", DEEP[0]), ("dots", DOTS[0]), ("dots", DOTS[1])])
def test_two_threads_take_part(form, case):
    x, w, _, dy, options = arrays(case, np.float32)
    with forced(form), threads(2) as used:
        fk.conv2d_backward_weight(dy, x, w.shape, **options)
    assert used == {2}


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "dy"])
@pytest.mark.parametrize("place", [(0, 1, 0, -1), (-1, 0, 1, 0)])
@pytest.mark.parametrize(("form", "case"), [*CASES[:2], CASES[4], *CASES[len(DEEP) : len(DEEP) + 4], BANDS])
def test_what_is_not_finite_is_where_it_is_in_the_flat_form(form, case, place, where, value):
    x, w, _, dy, options = arrays((*case[:1], max(2, case[1]), *case[2:]), np.float32)
    (x if where == "x" else dy)[place] = value
    with forced(form):
        found = fk.conv2d_backward(dy, x, w, **options)[1:]
    with forced("flat"):
        expected = fk.conv2d_backward(dy, x, w, **options)[1:]
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("offset", [0, 1, 3, 8, 13])
@pytest.mark.parametrize(("form", "case"), [("deep", DEEP[0]), ("dots", DOTS[0])])
def test_memory_may_start_anywhere(form, case, offset):
    x, w, _, dy, options = arrays(case, np.float32)
    moved = []
    for given in (dy, x):
        memory = np.full(given.size + 48, np.nan, np.float32)
        moved.append(memory[16 + offset : 16 + offset + given.size].reshape(given.shape))
        moved[-1][...] = given
    with forced(form):
        found, expected = fk.conv2d_backward(*moved, w, **options), fk.conv2d_backward(dy, x, w, **options)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scratch_of_other_calls_does_not_show():
    given = [(form, *arrays(case, np.float32)) for form, case in CASES]
    for form, x, w, _, dy, options in given:
        with forced(form):
            expected = fk.conv2d_backward(dy, x, w, **options)
            fill_idle_memory()
            found = fk.conv2d_backward(dy, x, w, **options)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_each_form_is_chosen_where_it_wins():
    choose = [
        ((2, 6, 12, 12, 16, (5, 5), {}), "deep"),
        ((32, 6, 12, 12, 16, (5, 5), {}), "blocks"),  # by Winograd's algorithm along rows
        ((32, 6, 12, 12, 16, (3, 3), {"stride": 2}), "deep"),
        ((32, 16, 12, 12, 32, (3, 3), {"padding": 1}), "blocks"),  # the same in tiles of two dimensions
        ((2, 16, 12, 12, 32, (3, 3), {"padding": 1}), "deep"),
        ((lane_count(32), 16, 12, 12, 32, (3, 3), {"padding": 1}), "deep"),  # one block, which one thread works on
        ((32, 6, 12, 12, 20, (5, 5), {}), "blocks"),  # lanes in vain
        ((2, 6, 12, 12, 3, (5, 5), {}), "flat"),  # too few filters
        ((2, 16, 12, 12, 32, (5, 5), {"groups": 2}), "flat"),
        ((2, 6, 2, 2, 16, (3, 3), {"padding": 9, "dilation": 9}), "flat"),  # hardly anything but zeros
        ((2, 3, 32, 32, 16, (3, 3), {"padding": 1}), "dots"),
        ((32, 3, 32, 32, 16, (3, 3), {"padding": 1}), "dots"),
        ((32, 3, 32, 32, 4, (3, 3), {"padding": 1}), "dots"),
        ((32, 1, 32, 32, 16, (5, 5), {"padding": 2}), "dots"),
        ((32, 2, 32, 32, 16, (5, 5), {"padding": 2}), "blocks"),  # by Winograd's algorithm along rows
        ((32, 1, 28, 28, 16, (5, 5), {"padding": 2}), "dots" if lane_count(32) == 4 else "blocks"),
        ((2, 8, 32, 32, 16, (3, 3), {"padding": 1}), "deep"),  # too many kernel elements
        ((2, 8, 32, 32, 4, (3, 3), {"padding": 1}), "dots"),  # not beside the flat form
        ((2, 3, 16, 16, 16, (3, 3), {"padding": 1}), "deep"),  # too few pixels
        ((2, 3, 32, 32, 16, (1, 1), {}), "dots"),  # too few kernel elements for "deep"
        ((2, 16, 32, 32, 16, (1, 1), {}), "deep"),
        ((2, 3, 30, 30, 16, (3, 3), {"padding": 1}), "deep"),  # rows that are not whole vectors
        ((2, 3, 34, 34, 16, (3, 3), {}), "deep"),  # maps narrower than images
        ((2, 3, 32, 32, 16, (3, 3), {"padding": 1, "stride": 2}), "deep"),
        ((2, 2, 4, 1024, 16, (9, 3), {"padding": "same"}), "deep"),  # rows would be staged several times
    ]
    for case, form in choose:
        x, w, _, dy, options = arrays(case, np.float32, integers=True)
        with forms_seen("weight_form") as seen:
            fk.conv2d_backward_weight(dy, x, w.shape, **options)
        assert seen == [form], case


@pytest.mark.parametrize(("parts", "workers", "shares"), [
    (8, 1, 1), (8, 2, 1), (3, 2, 2), (6, 4, 2), (5, 3, 3), (16, 4, 1), (8, 4, 1), (8, 16, 2), (1, 64, 64), (100, 7, 1),
])  # fmt: skip
def test_shares_are_as_few_as_leave_no_worker_behind(parts, workers, shares):
    assert shares_for(parts, workers) == shares
