"""Batch, layer and group normalisation inside `@njit` code: equal to the twins, and as careful."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

RNG = np.random.default_rng(3)
X, DY = RNG.standard_normal((5, 4, 3, 6)), RNG.standard_normal((5, 4, 3, 6))
GAMMA, BETA = RNG.standard_normal(4), RNG.standard_normal(4)
OWN = RNG.standard_normal((3, 6))


@numba.njit
def batch(x, dy, gamma, beta, running_mean, running_var, momentum):
    y, mean, inv_std = fk.batch_norm(
        x, gamma, beta, running_mean=running_mean, running_var=running_var, training=True, momentum=momentum
    )
    dx, dgamma, dbeta = fk.batch_norm_backward(dy, x, gamma, mean, inv_std)
    again, used, inverse = fk.batch_norm(
        x, gamma, beta, running_mean=running_mean, running_var=running_var, training=False, eps=0.5
    )
    dz, _, _ = fk.batch_norm_backward(dy, x, gamma, used, inverse, training=False)
    return y, mean, inv_std, dx, dgamma, dbeta, again, dz


@numba.njit
def groups_and_rows(x, dy, gamma, beta, own, groups):
    y, mean, inv_std = fk.group_norm(x, gamma, beta, groups=groups, eps=0.5)
    dx, dgamma, dbeta = fk.group_norm_backward(dy, x, gamma, mean, inv_std, groups=groups)
    z, row_mean, row_inv_std = fk.layer_norm(x, own, own)
    dz, down, dshift = fk.layer_norm_backward(dy, x, own, row_mean, row_inv_std)
    return y, mean, inv_std, dx, dgamma, dbeta, z, row_mean, row_inv_std, dz, down, dshift


def assert_all_close(actual, expected):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("x", [X, X.copy(order="F")], ids=["C", "F"])
def test_batch_norm(x):
    found, expected = (np.zeros(4), np.ones(4)), (np.zeros(4), np.ones(4))
    results = batch(x, DY, GAMMA, BETA, *found, 0.3)
    options = {"running_mean": expected[0], "running_var": expected[1]}
    y, mean, inv_std = ref.batch_norm(x, GAMMA, BETA, **options, training=True, momentum=0.3)
    again, used, inverse = ref.batch_norm(x, GAMMA, BETA, **options, training=False, eps=0.5)
    gradients = ref.batch_norm_backward(DY, x, GAMMA, mean, inv_std)
    dz = ref.batch_norm_backward(DY, x, GAMMA, used, inverse, training=False)[0]
    assert_all_close(results, (y, mean, inv_std, *gradients, again, dz))
    assert_all_close(found, expected)


def test_group_and_layer_norm():
    y, mean, inv_std = ref.group_norm(X, GAMMA, BETA, groups=2, eps=0.5)
    z, row_mean, row_inv_std = ref.layer_norm(X, OWN, OWN)
    expected = (
        *(y, mean, inv_std),
        *ref.group_norm_backward(DY, X, GAMMA, mean, inv_std, groups=2),
        *(z, row_mean, row_inv_std),
        *ref.layer_norm_backward(DY, X, OWN, row_mean, row_inv_std),
    )
    assert_all_close(groups_and_rows(X, DY, GAMMA, BETA, OWN, 2), expected)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("one value for each channel", lambda s: batch(X, DY, GAMMA[:3].copy(), BETA, *s, 0.1)),
        ("one value for each channel", lambda s: batch(X, DY, GAMMA, BETA, s[0], s[1][:2].copy(), 0.1)),
        ("more than one value", lambda s: batch(X[:1, :, :1, :1], DY, GAMMA, BETA, *s, 0.1)),
        ("momentum or eps is out of range", lambda s: batch(X, DY, GAMMA, BETA, *s, 1.5)),
        ("momentum or eps is out of range", lambda s: batch(X, DY, GAMMA, BETA, *s, np.nan)),
        ("dy and x have different shapes", lambda s: batch(X, DY[:2], GAMMA, BETA, *s, 0.1)),
        ("does not divide the channels", lambda s: groups_and_rows(X, DY, GAMMA, BETA, OWN, 3)),
        ("does not divide the channels", lambda s: groups_and_rows(X, DY, GAMMA, BETA, OWN, 0)),
        ("one value for each channel", lambda s: groups_and_rows(X, DY, GAMMA, BETA[:3], OWN, 2)),
        ("dy and x have different shapes", lambda s: groups_and_rows(X, DY[:2], GAMMA, BETA, OWN, 2)),
        ("shape of the last axes", lambda s: groups_and_rows(X, DY, GAMMA, BETA, OWN[:2], 2)),
    ],
)
def test_wrong_arguments_are_refused(message, call):
    statistics = np.zeros(4), np.ones(4)
    with pytest.raises(ValueError, match=message):
        call(statistics)


def test_running_statistics_must_be_flat_contiguous_and_writeable():
    frozen = np.ones(4)
    frozen.flags.writeable = False
    for var in (np.ones(8)[::2], frozen):
        with pytest.raises(TypingError, match="written in place"):
            batch(X, DY, GAMMA, BETA, np.zeros(4), var, 0.1)
    with pytest.raises(TypingError, match="one dtype is needed"):
        batch(X, DY, GAMMA, BETA.astype(np.float32), np.zeros(4), np.ones(4), 0.1)
