"""Activations: how exact they are, what they give at their edges, what they refuse."""

import types
from collections.abc import Callable
from typing import Any

import long_double as ld
import numba
import numpy as np
import pytest
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels import vlog, vmath
from fastnn_kernels._jit import HAS_FMA, THREAD_LIMIT
from fastnn_kernels.simd import lanes, vload, vstore

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Beyond these exp, or the tail of the normal distribution, has vanished or overflowed.
EXP = {np.float32: 112.0, np.float64: 760.0}
NORMAL = {np.float32: 15.0, np.float64: 40.0}
CUBIC = {np.float32: 12.0, np.float64: 25.0}
Exact = Callable[[Any], Any]


def measurable(dtype: type) -> None:
    if dtype == np.float64 and not ld.EXTENDED:
        pytest.skip("long double is no more exact than float64 here")


ACTIVATIONS: list[tuple[Callable[[Any], Any], Exact, dict[type, float]]] = [
    (fk.sigmoid, ld.logistic, EXP),
    (fk.tanh, np.tanh, EXP),
    (fk.elu, ld.elu, EXP),
    (fk.softplus, ld.softplus, EXP),
    (fk.silu, ld.silu, EXP),
    (fk.gelu, ld.gelu, NORMAL),
    (lambda x: fk.gelu(x, approximate="tanh"), ld.gelu_tanh, CUBIC),
]


@both_dtypes
@pytest.mark.parametrize("row", ACTIVATIONS, ids=lambda row: row[1].__name__)
def test_activations_are_within_3_ulp(row: Any, dtype: type) -> None:
    measurable(dtype)
    function, exact, limits = row
    x = ld.samples(dtype, -limits[dtype], limits[dtype])
    assert ld.worst_ulp(function(x), x, exact) <= (3 if HAS_FMA else 4)


SLOPES: list[tuple[Callable[[Any, Any], Any], Any, dict[type, float], float]] = [
    (fk.silu_backward, ld.silu_terms, EXP, 3),
    (fk.gelu_backward, ld.gelu_terms, NORMAL, 3),
    (lambda dy, x: fk.gelu_backward(dy, x, approximate="tanh"), ld.gelu_tanh_terms, CUBIC, 5),
]


@both_dtypes
@pytest.mark.parametrize("row", SLOPES, ids=lambda row: row[1].__name__)
def test_derivatives_are_exact_to_a_few_ulp_of_their_larger_term(row: Any, dtype: type) -> None:
    """Each is a sum of two terms that cancel where it is 0; there, ulp of the sum itself would tell nothing."""
    measurable(dtype)
    backward, terms, limits, bound = row
    x = ld.samples(dtype, -limits[dtype], limits[dtype])
    both_terms = terms(x.astype(ld.LONG))
    slope = backward(np.ones_like(x), x)
    assert ld.worst_ulp(slope, x, lambda x: both_terms[0] + both_terms[1], *both_terms) <= bound + (not HAS_FMA)


@both_dtypes
@pytest.mark.parametrize(
    ("backward", "exact"),
    [(fk.sigmoid_backward, lambda y: y * (1 - y)), (fk.tanh_backward, lambda y: (1 - y) * (1 + y))],
    ids=["sigmoid", "tanh"],
)
def test_derivatives_from_the_output_are_within_3_ulp(backward: Any, exact: Exact, dtype: type) -> None:
    measurable(dtype)
    y = np.concatenate([ld.samples(dtype, 0, 1), 1 - ld.samples(dtype, 0, 1e-3)]).astype(dtype)
    assert ld.worst_ulp(backward(np.ones_like(y), y), y, exact) <= 3


def vectors(function: Any) -> Callable[[Any], Any]:
    """A function of vectors, for whole arrays of a multiple of the lanes."""

    @numba.njit
    def run(x, y):
        for i in range(0, x.size, lanes(x)):
            vstore(y, i, function(vload(x, i)))

    def call(x: Any) -> Any:
        y = np.empty_like(x)
        run(x, y)
        return y

    return call


FUNCTIONS: list[tuple[str, Any, Exact, Any, list[float], list[float]]] = [
    ("exp", vmath.vexp, np.exp, EXP, [0.0, -0.0, np.inf, -np.inf, np.nan], [1, 1, np.inf, 0, np.nan]),
    ("expm1", vmath.vexpm1, np.expm1, EXP, [0.0, -0.0, np.inf, -np.inf, np.nan], [0, -0.0, np.inf, -1, np.nan]),
    ("log", vlog.vlog, np.log, None, [1, 0.0, -0.0, -1, np.inf, -np.inf, np.nan],
     [0, -np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan]),
    ("log1p", vlog.vlog1p, np.log1p, None, [0.0, -0.0, -1, -2, np.inf, np.nan],
     [0, -0.0, -np.inf, np.nan, np.inf, np.nan]),
]  # fmt: skip


@both_dtypes
@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row[0])
def test_vector_functions_are_within_2_ulp_and_right_at_their_edges(row: Any, dtype: type) -> None:
    name, function, exact, limits, edges, expected = row
    run = vectors(function)
    x = np.resize(np.array(edges, dtype), 64)
    y = run(x)
    np.testing.assert_array_equal(y, np.resize(np.array(expected, dtype), 64))
    zeros = np.resize(np.array(expected), 64) == 0
    np.testing.assert_array_equal(np.signbit(y)[zeros], np.signbit(np.resize(expected, 64))[zeros])
    measurable(dtype)
    if limits is not None:
        x = ld.samples(dtype, -limits[dtype], limits[dtype])
    else:
        x = ld.samples(dtype, 0.0 if name == "log" else -1.0, float(np.finfo(dtype).max))
    x = x[: x.size // 64 * 64]
    with np.errstate(over="ignore"):
        assert ld.worst_ulp(run(x), x, exact) <= 2


INF, NAN = np.inf, np.nan
X = [-INF, -1e30, -0.0, 0.0, 1e30, INF, NAN]
# y, and the derivative, at X.
EDGES: list[tuple[str, dict[str, Any], list[float], list[float]]] = [
    ("identity", {}, X, [1] * 7),
    ("step", {}, [0, 0, 0, 0, 1, 1, NAN], [0] * 7),
    ("relu", {}, [0, 0, 0, 0, 1e30, INF, NAN], [0, 0, 0, 0, 1, 1, 1]),
    ("leaky_relu", {"negative_slope": 0.5}, [-INF, -5e29, -0.0, 0, 1e30, INF, NAN], [0.5] * 4 + [1, 1, 0.5]),
    ("leaky_relu", {"negative_slope": 0}, [NAN, -0.0, -0.0, 0, 1e30, INF, NAN], [0] * 4 + [1, 1, 0]),
    ("elu", {}, [-1, -1, -0.0, 0, 1e30, INF, NAN], [0, 0, 1, 1, 1, 1, NAN]),
    ("elu", {"alpha": 0.25}, [-0.25, -0.25, -0.0, 0, 1e30, INF, NAN], [0, 0, 0.25, 0.25, 1, 1, NAN]),
    ("sigmoid", {}, [0, 0, 0.5, 0.5, 1, 1, NAN], [0, 0, 0.25, 0.25, 0, 0, NAN]),
    ("tanh", {}, [-1, -1, -0.0, 0, 1, 1, NAN], [0, 0, 1, 1, 0, 0, NAN]),
    ("gelu", {}, [-0.0, -0.0, -0.0, 0, 1e30, INF, NAN], [0, 0, 0.5, 0.5, 1, 1, NAN]),
    ("gelu", {"approximate": "tanh"}, [-0.0, -0.0, -0.0, 0, 1e30, INF, NAN], [0, 0, 0.5, 0.5, 1, 1, NAN]),
    ("silu", {}, [-0.0, -0.0, -0.0, 0, 1e30, INF, NAN], [0, 0, 0.5, 0.5, 1, 1, NAN]),
    ("softplus", {}, [0, 0, np.log(2), np.log(2), 1e30, INF, NAN], [0, 0, 0.5, 0.5, 1, 1, NAN]),
]


@both
@both_dtypes
@pytest.mark.parametrize("row", EDGES, ids=lambda row: "-".join([row[0], *map(str, row[1].values())]))
def test_values_and_derivatives_at_the_edges(row: Any, dtype: type, kernels: types.ModuleType) -> None:
    name, options, expected, slopes = row
    x = np.array(X, dtype)
    with np.errstate(invalid="ignore"):  # 0 * inf in the twin of leaky_relu
        y = getattr(kernels, name)(x, **options)
    np.testing.assert_array_equal(y, np.array(expected, dtype))
    if kernels is fk and name not in ("relu", "step"):
        numbers = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(y)[numbers], np.signbit(expected)[numbers])
    value = x if name in ("gelu", "silu", "softplus") else y
    dx = getattr(kernels, f"{name}_backward")(np.ones_like(x), value, **options)
    np.testing.assert_array_equal(dx, np.array(slopes, dtype))


@both
@both_dtypes
def test_values_by_hand(dtype: type, kernels: types.ModuleType) -> None:
    one = np.ones((1, 1), dtype)
    for name, at_one, at_minus_one, slope in [
        ("elu", 1.0, 1 / np.e - 1, 1.0),
        ("gelu", 0.8413447460685429, -0.15865525393145707, 1.0833154705876862),
        ("silu", 0.7310585786300049, -0.2689414213699951, 0.9276705118714867),
        ("softplus", 1.3132616875182228, 0.3132616875182228, 0.7310585786300049),
    ]:
        function, backward = getattr(kernels, name), getattr(kernels, f"{name}_backward")
        np.testing.assert_allclose([function(one)[0, 0], function(-one)[0, 0]], [at_one, at_minus_one], rtol=1e-6)
        np.testing.assert_allclose(backward(one, one), [[slope]], rtol=1e-6)
    np.testing.assert_allclose(kernels.gelu(one, approximate="tanh"), [[0.8411919906082768]], rtol=1e-6)
    np.testing.assert_array_equal(kernels.step(np.array([-2, 0, 1e-30, 3], dtype)), [0, 0, 1, 1])


@both
@both_dtypes
def test_the_far_tail_of_gelu_is_not_lost(dtype: type, kernels: types.ModuleType) -> None:
    """1 + erf(x / sqrt(2)) would be 0 there."""
    x = np.array([-8, -12], dtype)
    np.testing.assert_allclose(kernels.gelu(x), [-4.976768e-15, -2.1317892e-32], rtol=1e-5)
    np.testing.assert_allclose(kernels.silu(np.array([-80], dtype)), [-1.4438807e-33], rtol=1e-5)


@both
@both_dtypes
def test_log_softmax_at_the_edges(dtype: type, kernels: types.ModuleType) -> None:
    large = np.full((2, 4), 1e30, dtype)
    np.testing.assert_allclose(kernels.log_softmax(large), np.full((2, 4), -np.log(4)), rtol=1e-6)
    x = np.array([[0, -INF, 0], [-INF, 5, -INF], [-INF] * 3, [0, INF, 0], [1000, 0, -1000]], dtype)
    y = kernels.log_softmax(x)
    half = dtype(-np.log(2))
    np.testing.assert_allclose(y[:2], [[half, -INF, half], [-INF, 0, -INF]], rtol=1e-6)
    assert np.isnan(y[2:4]).all()
    np.testing.assert_array_equal(y[4], [0, -1000, -2000])
    dx = kernels.log_softmax_backward(np.ones((2, 3), dtype), y[:2])
    np.testing.assert_allclose(dx, [[-0.5, 1, -0.5], [1, -2, 1]], rtol=1e-6)
    assert kernels.log_softmax(np.zeros((0, 3), dtype)).shape == (0, 3)
    np.testing.assert_array_equal(kernels.log_softmax(np.ones((2, 1, 3), dtype)), np.zeros((2, 1, 3)))


@examples
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    st.sampled_from([0, 0.25, 0.5, 1, 2]),
    st.sampled_from([np.float32, np.float64]),
)
def test_rational_kernels_are_exact_on_small_integers(shape: tuple[int, ...], option: float, dtype: type) -> None:
    rng = np.random.default_rng(3)
    x, dy = rng.integers(-4, 5, shape), rng.integers(-4, 5, shape)
    fx, fdy = x.astype(dtype), dy.astype(dtype)
    options = {"leaky_relu": {"negative_slope": option}, "elu": {"alpha": option}}
    for name in ("identity", "step", "relu", "leaky_relu"):
        kw = options.get(name, {})
        np.testing.assert_array_equal(getattr(fk, name)(fx, **kw), getattr(ref, name)(x, **kw))
    for name in ("identity", "step", "relu", "leaky_relu", "elu", "sigmoid", "tanh"):
        backward, kw = f"{name}_backward", options.get(name, {})
        np.testing.assert_array_equal(getattr(fk, backward)(fdy, fx, **kw), getattr(ref, backward)(dy, x, **kw))
    if len(shape) > 1:
        np.testing.assert_array_equal(fk.softmax_backward(fdy, fx), ref.softmax_backward(dy, x))


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@both_dtypes
def test_one_thread_and_two_give_the_same_bits(dtype: type) -> None:
    x = np.random.default_rng(4).standard_normal((40, 1003)).astype(dtype)
    for kernel in (fk.gelu, fk.log_softmax, lambda x: fk.silu_backward(x, x), lambda x: fk.log_softmax_backward(x, x)):
        with threads(1):
            one = kernel(x)
        with threads(2) as used:
            np.testing.assert_array_equal(kernel(x), one)
            assert used == {2}


P = np.ones((3, 4), np.float32)
REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda k: k.step_backward(P, P.T), ValueError, r"step_backward: y has shape \(4, 3\)"),
    (lambda k: k.gelu_backward(P, P.T), ValueError, r"gelu_backward: x has shape \(4, 3\)"),
    (lambda k: k.silu_backward(P, P[:2]), ValueError, r"silu_backward: x has shape \(2, 4\)"),
    (lambda k: k.softplus_backward(P, P[0]), ValueError, r"softplus_backward: x has shape \(4,\)"),
    (lambda k: k.elu(P, alpha=-0.5), ValueError, r"elu: alpha is -0\.5"),
    (lambda k: k.elu(P, alpha=np.nan), ValueError, r"elu: alpha is nan"),
    (lambda k: k.elu(P, alpha=np.inf), ValueError, r"elu: alpha is inf"),
    (lambda k: k.elu(P, alpha=None), TypeError, r"elu: alpha is None"),
    (lambda k: k.elu_backward(P, P, alpha=-1), ValueError, r"elu_backward: alpha is -1"),
    (lambda k: k.leaky_relu(P, negative_slope=10**400), ValueError, r"leaky_relu: negative_slope is too large"),
    (lambda k: k.leaky_relu_backward(P, P, negative_slope=-1), ValueError, r"_backward: negative_slope is -1"),
    (lambda k: k.gelu(P, approximate="erf"), ValueError, r"gelu: approximate is 'erf', .*'none', 'tanh'"),
    (lambda k: k.gelu(P, approximate=True), ValueError, r"gelu: approximate is True"),
    (lambda k: k.gelu_backward(P, P, approximate=None), ValueError, r"gelu_backward: approximate is None"),
    (lambda k: k.log_softmax(P[0]), ValueError, r"log_softmax: x has shape \(4,\)"),
    (lambda k: k.log_softmax(P[:, :0]), ValueError, r"log_softmax: x has shape \(3, 0\)"),
    (lambda k: k.log_softmax_backward(P, P.T), ValueError, r"log_softmax_backward: y has shape"),
]


@both
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[2])
def test_what_is_refused(row: Any, kernels: types.ModuleType) -> None:
    call, error, message = row
    with pytest.raises(error, match=message):
        call(kernels)
    np.testing.assert_array_equal(P, np.ones((3, 4)))
