"""Batch, layer and group normalisation: hand-computed values, digits, running statistics, edges, refusals."""


import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def numbers(*shape, dtype=np.float64, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def running(channels, dtype=np.float64):
    return {"running_mean": np.zeros(channels, dtype), "running_var": np.ones(channels, dtype)}


def affine(*shape, dtype=np.float64):
    return numbers(*shape, dtype=dtype, seed=4), numbers(*shape, dtype=dtype, seed=5)


# ---- values


@both
def test_batch_norm_by_hand(kernels):
    x = np.array([[1.0, 5.0], [3.0, 5.0], [5.0, 8.0], [7.0, 2.0]])
    statistics = {"running_mean": np.array([10.0, 20.0]), "running_var": np.array([1.0, 2.0])}
    gamma, beta = np.array([2.0, 1.0]), np.array([0.5, 0.0])
    y, mean, inv_std = kernels.batch_norm(x, gamma, beta, **statistics, training=True, momentum=0.25, eps=0.0)
    np.testing.assert_allclose(mean, [4, 5])
    np.testing.assert_allclose(inv_std, [1 / np.sqrt(5), 1 / np.sqrt(4.5)])
    np.testing.assert_allclose(y[:, 0], 2 * np.array([-3, -1, 1, 3]) / np.sqrt(5) + 0.5)
    np.testing.assert_allclose(y[:, 1], np.array([0, 0, 3, -3]) / np.sqrt(4.5))
    np.testing.assert_allclose(statistics["running_mean"], [0.75 * 10 + 0.25 * 4, 0.75 * 20 + 0.25 * 5])
    np.testing.assert_allclose(statistics["running_var"], [0.75 * 1 + 0.25 * 20 / 3, 0.75 * 2 + 0.25 * 6])


@both
def test_batch_norm_at_inference_by_hand(kernels):
    x = np.array([[[1.0, 2.0]], [[3.0, 5.0]]])
    mean, var = np.array([1.0]), np.array([3.0])
    y, used, inv_std = kernels.batch_norm(x, np.array([4.0]), np.array([10.0]), running_mean=mean, running_var=var,
                                          training=False, eps=1.0)
    np.testing.assert_allclose(y, [[[10, 12]], [[14, 18]]])
    np.testing.assert_allclose([used, inv_std], [[1], [0.5]])
    np.testing.assert_array_equal([mean, var], [[1], [3]])


@both
def test_group_and_layer_norm_by_hand(kernels):
    x = np.array([[1.0, 3.0, 10.0, 20.0]])
    ones, zeros = np.ones(4), np.zeros(4)
    y, mean, inv_std = kernels.group_norm(x, 2 * ones, ones, groups=2, eps=0.0)
    np.testing.assert_allclose(y, [[-1, 3, -1, 3]])
    np.testing.assert_allclose(mean, [[2, 15]])
    np.testing.assert_allclose(inv_std, [[1, 0.2]])
    y, mean, inv_std = kernels.layer_norm(x, ones, zeros, eps=0.75)
    variance = np.mean((x - 8.5) ** 2)
    np.testing.assert_allclose(y, (x - 8.5) / np.sqrt(variance + 0.75))
    np.testing.assert_allclose([mean, inv_std], [[8.5], [1 / np.sqrt(variance + 0.75)]])


@both
def test_group_norm_with_one_group_is_layer_norm_and_with_one_a_channel_each_map(kernels):
    x, (gamma, beta) = numbers(5, 4, 3, 6), affine(4)
    spread = [np.broadcast_to(v[:, None, None], (4, 3, 6)) for v in (gamma, beta)]
    y = kernels.group_norm(x, gamma, beta, groups=1)[0]
    np.testing.assert_allclose(y, kernels.layer_norm(x, *spread)[0], rtol=1e-12, atol=1e-12)
    y = kernels.group_norm(x, gamma, beta, groups=4)[0]
    expected = [kernels.batch_norm(x[i : i + 1], gamma, beta, **running(4), training=True)[0] for i in range(5)]
    np.testing.assert_allclose(y, np.concatenate(expected), rtol=1e-12, atol=1e-12)


@examples
@given(
    n=st.integers(1, 40),
    channels=st.integers(1, 40),
    pixels=st.one_of(st.integers(1, 80), st.integers(1000, 5000)),
    dtype=st.sampled_from([np.float32, np.float64]),
    training=st.booleans(),
    groups=st.integers(1, 6),
)
def test_kernels_equal_twins(n, channels, pixels, dtype, training, groups):
    if pixels >= 1000:
        n, channels = n % 3 + 1, channels % 3 + 1
    training = training and n * pixels > 1
    channels *= groups
    x, dy = numbers(n, channels, pixels, dtype=dtype), numbers(n, channels, pixels, dtype=dtype, seed=9)
    gamma, beta = affine(channels, dtype=dtype)
    # Few values may lie close together: with a larger eps the derivative by x stays of the size of 1.
    found, expected = [], []
    for kernels, results in ((fk, found), (ref, expected)):
        statistics = running(channels, dtype)
        y, mean, inv_std = kernels.batch_norm(x, gamma, beta, **statistics, training=training, eps=0.1)
        results += [y, mean, inv_std, *statistics.values()]
        results += kernels.batch_norm_backward(dy, x, gamma, mean, inv_std, training=training)
        y, mean, inv_std = kernels.group_norm(x, gamma, beta, groups=groups, eps=0.1)
        results += [y, mean, inv_std, *kernels.group_norm_backward(dy, x, gamma, mean, inv_std, groups=groups)]
        shift, scale = beta.repeat(pixels).reshape(channels, pixels), gamma.repeat(pixels).reshape(channels, pixels)
        y, mean, inv_std = kernels.layer_norm(x, scale, shift, eps=0.1)
        results += [y, mean, inv_std, *kernels.layer_norm_backward(dy, x, scale, mean, inv_std)]
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    for a, e in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (e.dtype, e.shape)
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance * max(1.0, np.abs(e).max()))


# ---- digits


@both
@pytest.mark.parametrize("shape", [(64, 3), (64, 3, 2, 2), (16, 3, 12, 11), (3000, 2)])
def test_a_large_mean_costs_no_digits(kernels, shape):
    x = (numbers(*shape) + 1e4).astype(np.float32)
    exact = x.astype(np.float64)
    channels = shape[1]
    axes = (0, *range(2, len(shape)))
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    statistics = running(channels, np.float32)
    y, _, inv_std = kernels.batch_norm(x, ones, zeros, **statistics, training=True, momentum=1.0, eps=0.0)
    np.testing.assert_allclose(inv_std, 1 / exact.std(axis=axes), rtol=1e-6)
    np.testing.assert_allclose(statistics["running_var"], exact.var(axis=axes, ddof=1), rtol=1e-6)
    # The mean itself has no more digits than float32: half of 2**-10 at 10,000.
    np.testing.assert_allclose(statistics["running_mean"], exact.mean(axis=axes), rtol=6e-8)
    np.testing.assert_allclose(y.std(axis=axes, dtype=np.float64), 1, rtol=1e-5)


@both
def test_a_large_mean_costs_no_digits_in_groups(kernels):
    x = (numbers(5, 4, 9, 40) + 1e4).astype(np.float32)
    exact = x.astype(np.float64)
    inv_std = kernels.group_norm(x, np.ones(4, np.float32), np.zeros(4, np.float32), groups=2, eps=0.0)[2]
    np.testing.assert_allclose(inv_std, 1 / exact.reshape(5, 2, -1).std(axis=2), rtol=1e-6)
    inv_std = kernels.layer_norm(x, np.ones((9, 40), np.float32), np.zeros((9, 40), np.float32), eps=0.0)[2]
    np.testing.assert_allclose(inv_std, 1 / exact.std(axis=(2, 3)), rtol=1e-6)


@both
@pytest.mark.parametrize("shape", [(10, 3), (10, 3, 2, 2), (4, 3, 9, 8)])
def test_a_constant_channel_gives_beta(kernels, shape):
    x = np.full(shape, np.float32(0.1))
    gamma, beta = affine(3, dtype=np.float32)
    expected = np.broadcast_to(beta.reshape(-1, *(1,) * (len(shape) - 2)), shape)
    y, _, inv_std = kernels.batch_norm(x, gamma, beta, **running(3, np.float32), training=True)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(inv_std, 1 / np.sqrt(1e-5), rtol=1e-6)
    np.testing.assert_allclose(kernels.group_norm(x, gamma, beta, groups=1)[0], expected, atol=1e-5)


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("shape", [(40, 24, 5, 7), (9, 6, 30, 30), (70, 600)])
def test_one_thread_and_two_give_the_same_bits(shape):
    x, dy = numbers(*shape, dtype=np.float32), numbers(*shape, dtype=np.float32, seed=9)
    gamma, beta = affine(shape[1], dtype=np.float32)
    own = affine(*shape[1:], dtype=np.float32)
    results = []
    for count in (1, 2):
        with threads(count) as used:
            statistics = running(shape[1], np.float32)
            batch = fk.batch_norm(x, gamma, beta, **statistics, training=True)
            group = fk.group_norm(x, gamma, beta, groups=3)
            layer = fk.layer_norm(x, *own)
            found = [*batch, *group, *layer, *statistics.values()]
            found += fk.batch_norm_backward(dy, x, gamma, *batch[1:])
            found += fk.group_norm_backward(dy, x, gamma, *group[1:], groups=3)
            found += fk.layer_norm_backward(dy, x, own[0], *layer[1:])
            assert used == {count}
        results.append(found)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


# ---- edges


@both
@both_dtypes
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 3), (4, 3, 9, 8)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_own_channel_alone(kernels, dtype, shape, bad):
    x = numbers(*shape, dtype=dtype)
    x[1, 1] = bad
    gamma, beta = affine(3, dtype=dtype)
    with np.errstate(invalid="ignore"):
        y, _, _ = kernels.batch_norm(x, gamma, beta, **(statistics := running(3, dtype)), training=True)
    assert np.isnan(y[:, 1]).all()
    assert np.isfinite(y[:, [0, 2]]).all()
    assert not np.isfinite(statistics["running_mean"][1])
    assert np.isfinite(statistics["running_mean"][[0, 2]]).all()
    with np.errstate(invalid="ignore"):
        y = kernels.group_norm(x, gamma, beta, groups=3)[0]
    assert np.isnan(y[1, 1]).all()
    assert np.isfinite(np.delete(y, 1, axis=0)).all()
    assert np.isfinite(y[1, [0, 2]]).all() or len(shape) == 2  # a group of one value is 0


@both
def test_at_inference_what_is_not_finite_stays_where_it_is(kernels):
    x = numbers(4, 2, 3)
    x[1, 0, 2], x[2, 1, 0], x[3, 1, 1] = np.inf, np.nan, -np.inf
    gamma, beta = np.array([2.0, 3.0]), np.zeros(2)
    y, mean, inv_std = kernels.batch_norm(x, gamma, beta, **running(2), training=False)
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(x))
    np.testing.assert_array_equal(y[~np.isfinite(y)], x[~np.isfinite(x)])
    dy = numbers(4, 2, 3, seed=9)
    with np.errstate(invalid="ignore"):
        dx = kernels.batch_norm_backward(dy, x, gamma, mean, inv_std, training=False)[0]
    np.testing.assert_allclose(dx, dy * (gamma * inv_std)[:, None])


@both
def test_empty_batches(kernels):
    gamma, beta = affine(3)
    x = np.zeros((0, 3, 2, 2))
    y, mean, inv_std = kernels.batch_norm(x, gamma, beta, **running(3), training=False)
    assert y.shape == x.shape
    dx, *rest = kernels.batch_norm_backward(x, x, gamma, mean, inv_std)
    assert dx.shape == x.shape
    y, mean, inv_std = kernels.group_norm(x, gamma, beta, groups=3)
    assert (y.shape, mean.shape) == (x.shape, (0, 3))
    rest += kernels.group_norm_backward(x, x, gamma, mean, inv_std, groups=3)[1:]
    own = affine(2, 2)
    y, mean, inv_std = kernels.layer_norm(x, *own)
    assert (y.shape, mean.shape) == (x.shape, (0, 3))
    rest += kernels.layer_norm_backward(x, x, own[0], mean, inv_std)[1:]
    assert all(not gradient.any() for gradient in rest)


@both
def test_running_statistics_may_be_read_only_at_inference_and_need_not_be_contiguous(kernels):
    x, (gamma, beta) = numbers(5, 3), affine(3)
    mean, var = numbers(6, seed=6)[::2], np.abs(numbers(6, seed=7))[::2]
    expected = ref.batch_norm(x, gamma, beta, running_mean=mean.copy(), running_var=var.copy(), training=False)[0]
    mean.flags.writeable = var.flags.writeable = False
    y = kernels.batch_norm(x, gamma, beta, running_mean=mean, running_var=var, training=False)[0]
    np.testing.assert_allclose(y, expected)


# ---- refusals

X = numbers(2, 4, 3, 5, dtype=np.float32)
V = np.ones(4, np.float32)
STATISTICS = {"running_mean": np.zeros(4, np.float32), "running_var": np.ones(4, np.float32)}
FROZEN = np.ones(4, np.float32)
FROZEN.flags.writeable = False
MEANS = np.ones((2, 2), np.float32)
OWN = np.ones((3, 5), np.float32)
ROWS = np.ones((2, 4), np.float32)


def bn(kernels, x=X, gamma=V, beta=V, training=True, **options):
    return kernels.batch_norm(x, gamma, beta, **{**STATISTICS, **options}, training=training)


@both
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: bn(k, X[:1, :, 0, 0]), ValueError, r"batch_norm: x has shape \(1, 4\), training needs more than"),
        (lambda k: bn(k, X[:0]), ValueError, r"batch_norm: x has shape \(0, 4, 3, 5\), training needs more"),
        (lambda k: bn(k, X[0, 0, 0]), ValueError, r"batch_norm: x has shape \(5,\), at least 2 axes"),
        (lambda k: bn(k, X[:, :, :0]), ValueError, r"batch_norm: x has shape .* only N may be 0"),
        (lambda k: bn(k, gamma=V[:3]), ValueError, r"batch_norm: gamma has shape \(3,\), one value for each channel"),
        (lambda k: bn(k, beta=V[:1]), ValueError, r"batch_norm: beta has shape \(1,\)"),
        (lambda k: bn(k, running_mean=V[:2]), ValueError, r"batch_norm: running_mean has shape \(2,\)"),
        (lambda k: bn(k, running_var=V[:2]), ValueError, r"batch_norm: running_var has shape \(2,\)"),
        (lambda k: bn(k, running_mean=FROZEN), ValueError, r"batch_norm: running_mean is read-only"),
        (lambda k: bn(k, running_var=np.ones(8, np.float32)[::2]), ValueError, r"running_var is written in place"),
        (lambda k: bn(k, running_mean=V), ValueError, r"batch_norm: gamma and running_mean overlap"),
        (lambda k: bn(k, running_var=STATISTICS["running_mean"]), ValueError, r"running_mean and running_var overlap"),
        (lambda k: bn(k, momentum=1.5), ValueError, r"batch_norm: momentum is 1\.5, needed: 0 <= momentum <= 1"),
        (lambda k: bn(k, momentum=None), TypeError, r"batch_norm: momentum is None"),
        (lambda k: bn(k, eps=-1), ValueError, r"batch_norm: eps is -1, needed: 0\.0 <= eps"),
        (lambda k: bn(k, eps="x"), TypeError, r"batch_norm: eps is 'x' \(str\), a number is needed"),
        (lambda k: bn(k, training=1), TypeError, r"batch_norm: training is 1 \(int\), True or False is needed"),
        (lambda k: k.batch_norm_backward(X[:1], X, V, V, V), ValueError, r"batch_norm_backward: dy has shape"),
        (lambda k: k.batch_norm_backward(X, X, V, V[:2], V), ValueError, r"batch_norm_backward: mean has shape \(2,\)"),
        (lambda k: k.batch_norm_backward(X, X, V, V, V, training=None), TypeError, r"training is None"),
        (lambda k: k.group_norm(X, V, V, groups=3), ValueError, r"group_norm: groups is 3, a divisor of the 4"),
        (lambda k: k.group_norm(X, V, V, groups=0), ValueError, r"group_norm: groups is 0, at least 1"),
        (lambda k: k.group_norm(X, V, V, groups=2.0), TypeError, r"group_norm: groups is 2\.0 \(float\), an int"),
        (lambda k: k.group_norm(X, V[:2], V, groups=2), ValueError, r"group_norm: gamma has shape \(2,\), \(4,\) is"),
        (lambda k: k.group_norm(X, V, V, groups=2, eps=np.nan), ValueError, r"group_norm: eps is nan"),
        (lambda k: k.group_norm(X[0, 0, 0], V, V, groups=1), ValueError, r"group_norm: x has shape \(5,\)"),
        (
            lambda k: k.group_norm_backward(X, X, V, MEANS, MEANS[:1], groups=2),
            ValueError,
            r"group_norm_backward: inv_std has shape \(1, 2\), \(2, 2\) is needed",
        ),
        (lambda k: k.group_norm_backward(X[:1], X, V, MEANS, MEANS, groups=2), ValueError, r"backward: dy has shape"),
        (lambda k: k.layer_norm(X, V, V), ValueError, r"layer_norm: gamma has shape \(4,\), the last axes of x"),
        (lambda k: k.layer_norm(X, X, X), ValueError, r"layer_norm: gamma has shape \(2, 4, 3, 5\)"),
        (lambda k: k.layer_norm(X, V[0:1].reshape(()), V), ValueError, r"layer_norm: gamma has shape \(\)"),
        (lambda k: k.layer_norm(X, OWN, OWN[:2]), ValueError, r"layer_norm: beta has shape \(2, 5\), \(3, 5\) is"),
        (lambda k: k.layer_norm(X, OWN, OWN, eps=-0.5), ValueError, r"layer_norm: eps is -0\.5"),
        (lambda k: k.layer_norm_backward(X, X, OWN, ROWS, V), ValueError, r"backward: inv_std has shape \(4,\), \(2"),
        (lambda k: k.layer_norm_backward(X[:1], X, OWN, ROWS, ROWS), ValueError, r"layer_norm_backward: dy has shape"),
    ],
)
def test_refusals(kernels, call, error, message):
    assert_refused(error, message, lambda: call(kernels), X, V, *STATISTICS.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bn(fk, X.astype(int)), r"batch_norm: x has dtype int64"),
        (lambda: bn(fk, gamma=V.astype(np.float64)), r"batch_norm: x is float32 but gamma is float64"),
        (lambda: bn(fk, running_var=np.ones(4)), r"batch_norm: x is float32 but running_var is float64"),
        (lambda: bn(fk, running_mean=[0] * 4), r"batch_norm: running_mean is a list"),
        (lambda: fk.group_norm(X, V, np.ones(4), groups=2), r"group_norm: x is float32 but beta is float64"),
        (lambda: fk.layer_norm(X, OWN, np.ones((3, 5))), r"layer_norm: x is float32 but beta is float64"),
        (lambda: fk.layer_norm_backward(X, X, OWN, ROWS, ROWS.astype(int)), r"layer_norm_backward: inv_std has dtype"),
    ],
)
def test_dtypes_that_do_not_fit_are_refused(call, message):
    assert_refused(TypeError, message, call, X, V, *STATISTICS.values())
