"""Public convolutions of maps as wide as whole vectors: exact, the bits of the flat form where direct, finite."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import conv
from fastnn_kernels._jit import FEW_REGISTERS, lane_count

# Zeros right of the last whole vector alone.
ZEROS = (2, 5, 9, 24, 8, (2, 1), {"padding": ((0, 0), (0, 8))})
# Images, channels, height, width, filters, kernel, options: columns of outputs are whole vectors on every machine.
WIDE = [
    (3, 3, 9, 32, 16, (3, 3), {"padding": 1}),
    (2, 16, 16, 32, 32, (3, 3), {"padding": 1, "stride": 2}),
    (1, 4, 20, 36, 15, (5, 5), {}),
    (2, 8, 12, 32, 13, (3, 3), {"padding": 2, "dilation": 2}),
    (2, 3, 6, 32, 8, (2, 3), {"padding": ((1, 0), (1, 1))}),
    (2, 8, 11, 32, 8, (5, 3), {"stride": (2, 1), "padding": ((2, 1), (1, 1))}),
    (2, 5, 7, 64, 14, (3, 4), {"stride": (1, 2), "padding": ((0, 2), (1, 1))}),
    (2, 5, 8, 62, 8, (1, 1), {"stride": (1, 2), "padding": ((0, 0), (0, 2))}),
    ZEROS,
    (9, 16, 8, 64, 8, (1, 1), {"stride": 2}),
    (2, 5, 8, 63, 8, (1, 1), {"stride": 2, "padding": ((1, 0), (1, 0))}),
    (2, 4, 9, 48, 8, (3, 3), {"padding": 1}),
]
POINTS = [
    (3, 16, 8, 32, 17, (3, 3), {"padding": 1}),
    (1, 32, 16, 16, 32, (3, 3), {"padding": 1}),
    (2, 17, 18, 16, 33, (3, 3), {"padding": 1}),  # rows of outputs that are no multiple of 4
    (1, 16, 10, 34, 20, (3, 3), {}),  # fewer images than lane blocks would take for input gradients
    (2, 16, 8, 64, 24, (3, 3), {"padding": ((2, 0), (0, 2))}),
]
PLANES = [
    (3, 5, 32, 32, (3, 3), {"padding": 1}),
    (2, 3, 11, 48, (3, 3), {"padding": 1}),
    (2, 3, 9, 16, (3, 3), {"padding": 1}),
    (2, 4, 22, 64, (3, 3), {"padding": 1, "stride": 2}),
    (2, 3, 20, 32, (3, 3), {"padding": ((1, 0), (1, 0)), "stride": 2}),
    (2, 3, 10, 34, (3, 3), {"padding": ((1, 1), (0, 0))}),
    (2, 3, 12, 16, (5, 5), {"padding": 2}),
    (2, 3, 16, 32, (3, 3), {"padding": 2, "dilation": 2}),
    (2, 3, 17, 63, (3, 3), {"padding": 1, "stride": 2}),
]
ALL = [*WIDE, *POINTS, *[(n, c, h, w, c, k, o | {"groups": c}) for n, c, h, w, k, o in PLANES]]


@pytest.fixture(autouse=True)
def without_lanes_of_filters():
    """Some of these win with the lanes along the filters, which have tests of their own."""
    conv.sums_form.cache_clear()
    with patch.object(conv.conv_deep, "is_deep", lambda *_, **__: False):
        yield
    conv.sums_form.cache_clear()


def arrays(case, dtype, *, integers=False):
    n, c, h, w, k, kernel, options = case
    rng = np.random.default_rng(7)
    draw = (lambda *s: rng.integers(-4, 5, s)) if integers else (lambda *s: rng.standard_normal(s))
    shapes = (n, c, h, w), (k, c // options.get("groups", 1), *kernel), (k,)
    x, weights, b = (draw(*s).astype(dtype) for s in shapes)
    y = ref.conv2d(x.astype(np.float64), weights.astype(np.float64), b.astype(np.float64), **options)
    return x, weights, b, draw(*y.shape).astype(dtype), options


def results(kernels, x, w, b, dy, options, **more):
    return kernels.conv2d(x, w, b, **options, **more), kernels.conv2d_backward_input(dy, w, x.shape, **options)


def wide_or_flat(case, dtype):
    """Form of a case of WIDE here: there may be no more zeros than a vector has lanes."""
    return "flat" if case is ZEROS and lane_count(8 * np.dtype(dtype).itemsize) < 8 else "wide"


def fill_idle_memory():
    """Write NaN to all that calls have left for the next."""
    assert fk.idle_memory._idle
    for memory in list(fk.idle_memory._idle):
        memory[...] = 255


@contextmanager
def form_of_all(form):
    with patch.object(conv, "sums_form", lambda *_, **__: form):
        yield


@contextmanager
def forms_seen(name="sums_form"):
    """List the forms that are chosen, of sums or, by "weight_form", of weight gradients."""
    seen, choose = [], getattr(conv, name)

    def note(*args, **options):
        seen.append(choose(*args, **options))
        return seen[-1]

    with patch.object(conv, name, note):
        yield seen


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ALL)
def test_small_integers_are_exact(case, dtype):
    given = arrays(case, dtype, integers=True)
    with forms_seen() as seen:
        found = results(fk, *given)
    assert seen[0] == ("planes" if "groups" in given[-1] else wide_or_flat(case, dtype))
    for actual, expected in zip(found, results(ref, *given), strict=True):
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ALL)
def test_direct_sums_have_the_bits_of_the_flat_form(case, dtype):
    given = arrays(case, dtype)
    found = results(fk, *given, algorithm="direct")
    with form_of_all("flat"):
        expected = results(fk, *given)
    np.testing.assert_array_equal(found[0], expected[0])
    if case not in POINTS:
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("case", POINTS)
def test_winograd_is_near_direct_sums(case):
    given = arrays(case, np.float32)
    found = results(fk, *given)
    with form_of_all("flat"):
        expected = results(fk, *given)
    assert not np.array_equal(found[0], expected[0])
    for a, e in zip(found, expected, strict=True):
        assert np.abs(a - e).max() < 1.4e-6 * np.abs(e).max()


@pytest.mark.parametrize("images", [1, 2, 7, 8])
@pytest.mark.parametrize("case", ALL)
def test_the_bits_are_the_same_for_any_number_of_threads(case, images):
    given = arrays((images, *case[1:]), np.float32)
    with threads(1):
        one = results(fk, *given)
    with patch.object(conv._threads, "_WORK_EACH", 1), threads(2):
        two = results(fk, *given)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_much_weight_is_shared_by_the_workers():
    given = arrays((9, 96, 4, 64, 96, (3, 3), {"padding": 1}), np.float32)
    found = []
    for count in (1, 2):
        with threads(count):
            found.append(results(fk, *given))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["x", "dy", "w"])
@pytest.mark.parametrize("case", [WIDE[0], POINTS[0], POINTS[1]])
def test_what_is_not_finite_stays_where_it_belongs(case, value, where):
    x, w, b, dy, options = arrays((9, *case[1:]), np.float32)
    if where == "w":
        w[3, 1, 1, 0] = value
    else:
        (x if where == "x" else dy)[5, 2, 1, 4] = value
    found = results(fk, x, w, b, dy, options)
    with form_of_all("flat"):
        expected = results(fk, x, w, b, dy, options)
    for a, e in zip(found, expected, strict=True):
        if np.isfinite(e).all():
            assert np.abs(a - e).max() < 1.4e-6 * np.abs(e).max()
        else:
            np.testing.assert_array_equal(a, e)


# Depthwise; those whose gradients are made plane by plane, not in the flat form.
PLANE_WEIGHTS = [(n, c, h, w, c, k, o | {"groups": c}) for n, c, h, w, k, o in (*PLANES[:1], *PLANES[2:5])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", PLANE_WEIGHTS)
def test_weight_gradients_of_small_integers_are_exact(case, dtype):
    x, w, _, dy, options = arrays(case, dtype, integers=True)
    form = conv.conv_planes_weight
    with patch.object(form, "gradients", wraps=form.gradients) as used:
        found = fk.conv2d_backward(dy, x, w, **options)
    assert used.call_count == 1
    for actual, expected in zip(found, ref.conv2d_backward(dy, x, w, **options), strict=True):
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("images", [1, 2, 7, 40])
@pytest.mark.parametrize("case", PLANE_WEIGHTS)
def test_weight_gradients_have_the_same_bits_for_any_number_of_threads(case, images):
    x, w, _, dy, options = arrays((images, *case[1:]), np.float32)
    with threads(1):
        one = fk.conv2d_backward(dy, x, w, **options)
    with patch.object(conv._threads, "_WORK_EACH", 1), threads(2):
        two = fk.conv2d_backward(dy, x, w, **options)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "dy"])
@pytest.mark.parametrize("case", [PLANE_WEIGHTS[0], PLANE_WEIGHTS[2]])
def test_weight_gradients_of_what_is_not_finite_are_those_of_the_flat_form(case, value, where):
    x, w, _, dy, options = arrays(case, np.float32)
    (x if where == "x" else dy)[1, 2, 0, -1] = value
    found = fk.conv2d_backward(dy, x, w, **options)
    with patch.object(conv, "weight_form", lambda *_: "flat"):
        expected = fk.conv2d_backward(dy, x, w, **options)
    for a, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-4)


def test_scratch_of_other_calls_does_not_show():
    given = [arrays(case, np.float32) for case in ALL]
    expected = [results(fk, *case) for case in given]
    for memory in (rest := list(fk.idle_memory._idle)):
        memory[...] = 255  # NaN
    assert rest
    for case, before in zip(given, expected, strict=True):
        for a, e in zip(results(fk, *case), before, strict=True):
            np.testing.assert_array_equal(a, e)


def test_only_maps_that_fit_are_convolved_so():
    choose = [
        ((2, 8, 8, 32, 8, (3, 35), {"padding": ((0, 0), (17, 17))}), "flat"),  # more zeros than a vector
        ((2, 8, 8, 96, 8, (3, 3), {"padding": ((1, 1), (0, 0)), "stride": (1, 3)}), "flat"),
        ((2, 8, 8, 31, 8, (3, 3), {"padding": 1}), "flat"),
        ((2, 3, 8, 32, 3, (3, 3), {"padding": 1}), "flat"),  # too few filters
        # Too small for tiles of outputs as lanes, on all machines and on those with many registers.
        ((2, 32, 2, 16, 32, (3, 3), {"padding": 1}), "flat"),
        ((2, 32, 4, 16, 32, (3, 3), {"padding": 1}), "wide" if FEW_REGISTERS else "flat"),
    ]
    for case, form in choose:
        given = arrays(case, np.float32, integers=True)
        with forms_seen() as seen:
            y = fk.conv2d(*given[:3], **given[-1])
        assert seen == [form], case
        np.testing.assert_array_equal(y, ref.conv2d(*given[:3], **given[-1]))
