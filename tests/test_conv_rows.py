"""Public convolutions of many images in lane blocks: exact, the bits of the flat form where they are direct, finite."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import conv, conv_rows

# Images, channels, height, width, filters, kernel, options.
DIRECT = [
    (16, 2, 9, 7, 3, (3, 3), {"padding": 1}),
    (29, 2, 12, 12, 3, (5, 5), {}),
    (32, 2, 8, 9, 3, (3, 2), {"stride": (2, 1), "padding": ((0, 1), (1, 0)), "dilation": (1, 2)}),
    (13, 4, 3, 2, 2, (2, 1), {"padding": 1}),  # images of fewer pixels than a vector
]
POINTS = [
    (30, 16, 6, 8, 17, (3, 3), {"padding": 1}),
    (31, 32, 8, 6, 16, (3, 3), {}),
    (32, 35, 10, 10, 33, (3, 3), {"padding": 1}),
    (29, 6, 12, 12, 7, (5, 5), {}),
    (31, 5, 8, 12, 5, (3, 4), {"padding": ((0, 1), (2, 1))}),
]


def arrays(case, dtype, *, integers=False):
    n, c, h, w, k, kernel, options = case
    rng = np.random.default_rng(5)
    draw = (lambda *s: rng.integers(-4, 5, s)) if integers else (lambda *s: rng.standard_normal(s))
    x, weights, b = (draw(*s).astype(dtype) for s in ((n, c, h, w), (k, c, *kernel), (k,)))
    y = ref.conv2d(x.astype(np.float64), weights.astype(np.float64), b.astype(np.float64), **options)
    return x, weights, b, draw(*y.shape).astype(dtype), options


def results(kernels, x, w, b, dy, options):
    return kernels.conv2d(x, w, b, **options), *kernels.conv2d_backward(dy, x, w, **options)


@contextmanager
def flat():
    form = patch.object(conv, "sums_form", lambda *_, **__: "flat")
    with form, patch.object(conv, "weight_form", lambda *_: "flat"):
        yield


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [*DIRECT, *POINTS])
def test_small_integers_are_exact_up_to_the_rounding_of_points(case, dtype):
    given = arrays(case, dtype, integers=True)
    for actual, expected in zip(results(fk, *given), results(ref, *given), strict=True):
        assert actual.dtype == dtype
        if case in DIRECT:
            np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(np.rint(actual), expected)
        assert np.abs(actual - expected).max() <= (3e-6 if dtype == np.float32 else 1e-14) * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", DIRECT)
def test_direct_sums_have_the_bits_of_the_flat_form(case, dtype):
    x, w, b, dy, options = arrays(case, dtype)
    with patch.object(conv_rows, "sums", wraps=conv_rows.sums) as used:
        blocks = fk.conv2d(x, w, b, **options), fk.conv2d_backward_input(dy, w, x.shape, **options)
    assert used.call_count == 2
    with flat():
        apart = fk.conv2d(x, w, b, **options), fk.conv2d_backward_input(dy, w, x.shape, **options)
    for a, e in zip(blocks, apart, strict=True):
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("case", POINTS)
def test_direct_and_im2col_are_the_same_to_the_bit_and_auto_is_near(case):
    x, w, b, _, options = arrays(case, np.float32)
    direct = fk.conv2d(x, w, b, **options, algorithm="direct")
    np.testing.assert_array_equal(fk.conv2d(x, w, b, **options, algorithm="im2col"), direct)
    auto = fk.conv2d(x, w, b, **options)
    assert not np.array_equal(auto, direct)
    assert np.abs(auto - direct).max() < 2e-6 * np.abs(direct).max()


@pytest.mark.parametrize("case", [*DIRECT, *POINTS])
def test_the_bits_are_the_same_for_any_number_of_threads(case):
    given = arrays((64, *case[1:]), np.float32)
    found = []
    for count in (1, 2):
        with threads(count):
            found.append(results(fk, *given))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["x", "dy", "w"])
@pytest.mark.parametrize("case", [POINTS[0], POINTS[3]])
def test_what_is_not_finite_stays_where_it_belongs(value, where, case):
    x, w, b, dy, options = arrays(case, np.float32)
    {"x": x, "dy": dy, "w": w}[where][3, 2, 1, 2] = value
    found = results(fk, x, w, b, dy, options)
    with flat():
        expected = results(fk, x, w, b, dy, options)
    for name, a, e in zip(("y", "dx", "dw", "db"), found, expected, strict=True):
        if (where, name) == ("w", "dx"):
            continue  # the flat form multiplies what is infinite by zeros around the maps, which others leave out
        assert np.array_equal(np.isnan(a), np.isnan(e)), name
        sure = np.isfinite(e)
        scale = np.abs(e[sure]).max(initial=1.0)
        assert np.array_equal(a[~sure & ~np.isnan(e)], e[~sure & ~np.isnan(e)]), name
        assert np.abs(a[sure] / scale - e[sure] / scale).max(initial=0.0) < 2e-6, name


def test_out_is_used_and_programs_are_kept_apart():
    x, w, b, _, options = arrays(DIRECT[0], np.float32)
    out = np.empty_like(fk.conv2d(x, w, b, **options))
    assert fk.conv2d(x, w, b, **options, out=out) is out
    other = fk.conv2d(x, 2 * w, None, **options)
    np.testing.assert_array_equal(fk.conv2d(x, w, b, **options), out)
    np.testing.assert_allclose(other, 2 * (out - b[:, None, None]), rtol=1e-4, atol=1e-5)


def test_two_threads_of_python_may_convolve_at_once():
    from concurrent.futures import ThreadPoolExecutor

    cases = [arrays(case, np.float32) for case in (*DIRECT[:2], *POINTS)] * 3
    expected = [results(fk, *case) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        for found, case in zip(pool.map(lambda given: results(fk, *given), cases), expected, strict=True):
            for a, e in zip(found, case, strict=True):
                np.testing.assert_array_equal(a, e)
