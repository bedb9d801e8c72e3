"""Convolution, transposed convolution and im2col: by hand, exact for drawn options, and what is refused."""

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import assume, given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
dtypes = st.sampled_from([np.float32, np.float64])
pairs = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-4, 5, shape)


@st.composite
def windows(draw: Any) -> dict[str, Any]:
    """Draw images, a kernel and options that fit."""
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    side = st.integers(0, 4)
    padding = draw(
        st.one_of(
            side,
            st.tuples(side, side),
            st.tuples(st.tuples(side, side), st.tuples(side, side)),
            st.sampled_from(["valid", "same"]),
        )
    )
    stride, dilation = 1 if padding == "same" else draw(pairs), draw(pairs)
    shape = draw(st.tuples(st.integers(0, 19), st.integers(1, 6), st.integers(1, 18), st.integers(1, 40)))
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    try:
        ref.im2col(np.zeros(shape), kernel, **options)
    except ValueError:
        assume(False)
    return {"shape": shape, "kernel": kernel, "options": options}


def assert_exact(actual: Any, expected: Any, dtype: Any) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, e)


def assert_integers(actual: Any, expected: Any, dtype: Any) -> None:
    """Compare what Winograd's algorithm may have made, whose weights are no integers, with integers."""
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(np.rint(a), e)
        assert np.abs(a - e).max(initial=0.0) <= (5e-6 if dtype == np.float32 else 1e-14) * np.abs(e).max(initial=0.0)


def is_plain(shape: tuple[int, ...], options: dict[str, Any]) -> bool:
    """Whether Winograd's algorithm may be chosen: for many images, and windows next to each other."""
    steps = (options["stride"], options["dilation"])
    return shape[0] > 1 and options["groups"] == 1 and all(step in (1, (1, 1)) for step in steps)


@examples
@given(windows(), st.integers(1, 6), st.sampled_from(["one", "all", "some"]), st.booleans(), dtypes)
def test_convolutions_are_exact(drawn: dict[str, Any], per: int, groups: str, bias: bool, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    channels = drawn["shape"][1]
    count = {"one": 1, "all": channels, "some": 2 if channels % 2 == 0 else 1}[groups]
    options, filters = {**drawn["options"], "groups": count}, per * count
    x, w = integers(rng, *drawn["shape"]), integers(rng, filters, channels // count, *drawn["kernel"])
    b = integers(rng, filters) if bias else None
    floats = [None if a is None else a.astype(dtype) for a in (x, w, b)]
    expected = ref.conv2d(x, w, b, **options)
    for algorithm in ("direct", "im2col"):
        assert_exact([fk.conv2d(*floats, **options, algorithm=algorithm)], [expected], dtype)
    dy = integers(rng, *expected.shape)
    actual = fk.conv2d_backward(dy.astype(dtype), *floats[:2], **options)
    compare = assert_integers if is_plain(x.shape, options) else assert_exact
    compare(actual, ref.conv2d_backward(dy, x, w, **options), dtype)
    compare([fk.conv2d(*floats, **options)], [expected], dtype)


@examples
@given(windows(), st.integers(1, 6), st.booleans(), st.integers(0, 2), dtypes)
def test_transposed_convolutions_are_exact(
    drawn: dict[str, Any], per: int, grouped: bool, extra: int, dtype: Any
) -> None:
    rng = np.random.default_rng(1)
    channels = drawn["shape"][1]
    groups = channels if grouped else 1
    options = {**drawn["options"], "groups": groups, "output_padding": extra}
    x, w = integers(rng, *drawn["shape"]), integers(rng, channels, per, *drawn["kernel"])
    b = integers(rng, per * groups)
    try:
        expected = ref.conv_transpose2d(x, w, b, **options)
    except ValueError:
        assume(False)
    floats = [a.astype(dtype) for a in (x, w, b)]
    assert_exact([fk.conv_transpose2d(*floats, **options)], [expected], dtype)
    dy = integers(rng, *expected.shape)
    actual = fk.conv_transpose2d_backward(dy.astype(dtype), *floats[:2], **options)
    compare = assert_integers if is_plain(x.shape, options) else assert_exact
    compare(actual, ref.conv_transpose2d_backward(dy, x, w, **options), dtype)


@examples
@given(windows(), dtypes)
def test_im2col_and_col2im_are_exact(drawn: dict[str, Any], dtype: Any) -> None:
    rng = np.random.default_rng(2)
    kernel, options = drawn["kernel"], drawn["options"]
    x = integers(rng, *drawn["shape"])
    cols = ref.im2col(x, kernel, **options)
    assert_exact([fk.im2col(x.astype(dtype), kernel, **options)], [cols], dtype)
    dcols = integers(rng, *cols.shape)
    expected = ref.col2im(dcols, x.shape, kernel, **options)
    assert_exact([fk.col2im(dcols.astype(dtype), x.shape, kernel, **options)], [expected], dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_depend_neither_on_the_algorithm_nor_on_the_batch_nor_on_the_threads(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(s).astype(dtype) for s in ((37, 6, 21, 19), (8, 3, 3, 4)))
    options: dict[str, Any] = {"stride": (1, 2), "padding": 2, "dilation": (2, 1), "groups": 2}
    y = fk.conv2d(x, w, **options)
    np.testing.assert_array_equal(fk.conv2d(x, w, **options, algorithm="im2col"), y)
    np.testing.assert_array_equal(np.concatenate([fk.conv2d(x[:5], w, **options), fk.conv2d(x[5:], w, **options)]), y)
    dy = rng.standard_normal(y.shape).astype(dtype)
    results = []
    for count in (1, 2, 2):
        with threads(count) as used:
            results.append([fk.conv2d(x, w, **options), *fk.conv2d_backward(dy, x, w, **options)])
        assert used == {count}
    for other in results[1:]:
        for a, e in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_belongs(value: float) -> None:
    """Between the rows that are computed lies what no output may see."""
    x, w, dy = np.ones((3, 2, 5, 5)), np.ones((4, 2, 3, 3)), np.ones((3, 4, 5, 5))
    x[1, 1, 0, 4] = x[2, 0, 4, 0] = value
    with np.errstate(invalid="ignore"):
        for actual, expected in (
            [k.conv2d(x, w, padding=1) for k in (fk, ref)],
            [k.conv2d_backward_weight(dy, x, w.shape, padding=1) for k in (fk, ref)],
        ):
            np.testing.assert_array_equal(actual, expected)


@both
def test_conv2d_by_hand(kernels: types.ModuleType) -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = kernels.conv2d(x, w, np.array([10.0]))
    # 0*1 + 1*2 + 3*3 + 4*4 + 10: the kernel is not flipped.
    np.testing.assert_array_equal(y, [[[[37, 47], [67, 77]]]])
    dx, dw, db = kernels.conv2d_backward(np.ones((1, 1, 2, 2)), x, w)
    np.testing.assert_array_equal(dx, [[[[1, 3, 2], [4, 10, 6], [3, 7, 4]]]])
    np.testing.assert_array_equal(dw, [[[[8, 12], [20, 24]]]])
    np.testing.assert_array_equal(db, [4])


@both
def test_same_padding_puts_the_odd_one_at_the_end(kernels: types.ModuleType) -> None:
    x, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    np.testing.assert_array_equal(kernels.conv2d(x, w, padding="same"), [[[[4, 2], [2, 1]]]])


@both
def test_im2col_by_hand(kernels: types.ModuleType) -> None:
    x = np.arange(8.0).reshape(2, 1, 2, 2)
    np.testing.assert_array_equal(kernels.im2col(x, (1, 2)), [[0, 2, 4, 6], [1, 3, 5, 7]])
    ones = np.ones((4, 4))
    # A 2x2 kernel over 3x3 images: the middle pixel is in all four windows.
    np.testing.assert_array_equal(
        kernels.col2im(ones, (1, 1, 3, 3), 2), [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]
    )


@both
def test_conv_transpose2d_by_hand(kernels: types.ModuleType) -> None:
    x, w = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 10.0, 100.0]]]])
    np.testing.assert_array_equal(kernels.conv_transpose2d(x, w, np.array([0.5])), [[[[1.5, 12.5, 120.5, 200.5]]]])
    spread = kernels.conv_transpose2d(x, w, stride=(1, 2), output_padding=(0, 1))
    np.testing.assert_array_equal(spread, [[[[1, 10, 102, 20, 200, 0]]]])
    dx, dw, db = kernels.conv_transpose2d_backward(np.ones((1, 1, 1, 4)), x, w)
    np.testing.assert_array_equal(dx, [[[[111, 111]]]])
    np.testing.assert_array_equal(dw, [[[[3, 3, 3]]]])
    np.testing.assert_array_equal(db, [4])


@both
def test_dilation_and_groups_by_hand(kernels: types.ModuleType) -> None:
    x = np.arange(8.0).reshape(1, 2, 1, 4)
    y = kernels.conv2d(x, np.array([[[[1.0, 10.0]]], [[[1.0, 10.0]]]]), dilation=(1, 2), groups=2)
    np.testing.assert_array_equal(y, [[[[20, 31]], [[64, 75]]]])


X, W = np.ones((2, 4, 6, 5), np.float32), np.ones((6, 2, 3, 3), np.float32)
DY, TW = np.ones((2, 6, 4, 3), np.float32), np.ones((4, 3, 3, 3), np.float32)
HUGE = 2**62
REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda k: k.conv2d(X, W, groups=0), ValueError, r"conv2d: groups is 0, at least 1"),
    (lambda k: k.conv2d(X, W, groups=-2), ValueError, r"conv2d: groups is -2, at least 1"),
    (lambda k: k.conv2d(X, W, groups=3), ValueError, r"conv2d: groups is 3, it must divide both the 4 channels"),
    (lambda k: k.conv2d(X, W, groups=2.0), TypeError, r"conv2d: groups is 2\.0 \(float\), an int"),
    (lambda k: k.conv2d(X, W, groups=HUGE), ValueError, rf"conv2d: groups is {HUGE}, at most 2147483647"),
    (lambda k: k.conv2d(X, W), ValueError, r"conv2d: x has 4 channels .* but w expects 2 .*groups = 1"),
    (lambda k: k.conv2d(X, W, groups=2, dilation=0), ValueError, r"conv2d: dilation is 0, at least 1"),
    (lambda k: k.conv2d(X, W, groups=2, dilation=(1, -1)), ValueError, r"conv2d: dilation is -1, at least 1"),
    (lambda k: k.conv2d(X, W, groups=2, dilation=HUGE), ValueError, rf"conv2d: dilation is {HUGE}, at most"),
    (lambda k: k.conv2d(X, W, groups=2, dilation=3), ValueError, r"that spans 7x7 pixels does not fit .*6x5"),
    (lambda k: k.conv2d(X, W, groups=2, stride=HUGE), ValueError, rf"conv2d: stride is {HUGE}, at most 2147483647"),
    (lambda k: k.conv2d(X, W, groups=2, padding=HUGE), ValueError, rf"conv2d: padding is {HUGE}, at most 2147483647"),
    (lambda k: k.conv2d(X, W, groups=2, padding=2**31 - 1), ValueError, r"conv2d: .*no memory can hold"),
    (lambda k: k.im2col(X, 3, padding=2**31 - 1), ValueError, r"im2col: .*no memory can hold"),
    (lambda k: k.im2col(X, 3, dilation=0), ValueError, r"im2col: dilation is 0"),
    (lambda k: k.col2im(W[0, 0], (1, 1, HUGE, 3), 3), ValueError, rf"col2im: x_shape is {HUGE}, at most"),
    (lambda k: k.conv2d(X, W, groups=2, algorithm="fft"), ValueError, r"algorithm is 'fft', .*'direct', 'im2col'"),
    (lambda k: k.conv2d_backward_input(DY, W, X.shape), ValueError, r"x has 4 channels .*groups = 1"),
    (lambda k: k.conv2d_backward_weight(DY, X, W.shape, groups=4), ValueError, r"groups is 4, it must divide"),
    (lambda k: k.conv_transpose2d(X[0], TW), ValueError, r"conv_transpose2d: x has 3 axes"),
    (lambda k: k.conv_transpose2d(X, TW[0]), ValueError, r"conv_transpose2d: w has 3 axes"),
    (lambda k: k.conv_transpose2d(X, W), ValueError, r"conv_transpose2d: x has 4 channels .* but w expects 6"),
    (lambda k: k.conv_transpose2d(X, TW, groups=3), ValueError, r"groups is 3, it must divide the 4 channels of x"),
    (lambda k: k.conv_transpose2d(X, TW, np.ones(4, np.float32)), ValueError, r"b has shape \(4,\), .*: 3"),
    (lambda k: k.conv_transpose2d(X, TW, stride=0), ValueError, r"conv_transpose2d: stride is 0"),
    (lambda k: k.conv_transpose2d(X, TW, output_padding=1), ValueError, r"output_padding is \(1, 1\), less than"),
    (lambda k: k.conv_transpose2d(X, TW, output_padding=-1), ValueError, r"output_padding is -1, at least 0"),
    (lambda k: k.conv_transpose2d(X, TW, padding=4), ValueError, r"the output would be 0x-1, at least 1x1"),
    (lambda k: k.conv_transpose2d(X, TW, stride=2**31 - 1), ValueError, r"conv_transpose2d: .*no memory can hold"),
    (lambda k: k.conv_transpose2d_backward(DY, X, TW), ValueError, r"dy has shape \(2, 6, 4, 3\), .*\(2, 3, 8, 7\)"),
    (lambda k: k.conv_transpose2d_backward_input(DY, TW, (2, 4, 6)), ValueError, r"x_shape is \(2, 4, 6\), 4 sizes"),
]


@both
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[2])
def test_what_does_not_fit_is_refused(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    assert_refused(error, message, functools.partial(call, kernels), X, W, DY, TW)


@pytest.mark.parametrize("options", [
    {"stride": True}, {"stride": 1.0}, {"stride": (1.0, 1)}, {"padding": (0, False)}, {"dilation": 1.0},
    {"groups": True},
])  # fmt: skip
def test_what_was_right_does_not_let_equal_options_of_other_types_pass(options):
    x, w = np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3))
    for right in ({}, {"stride": (1, 1), "padding": (0, 0)}):
        fk.conv2d(x, w, **right)
    with pytest.raises(TypeError, match=next(iter(options))):
        fk.conv2d(x, w, **options)
