"""Optimizer updates: by hand, over drawn exact numbers, at the edges, and what they refuse."""

import types
from typing import Any

import numpy as np
import pytest
from helpers import assert_refused, examples
from hypothesis import given
from hypothesis import strategies as st
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

Array = np.ndarray
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# Name -> arrays of state.
STATES = {
    "sgd_update": 0,
    "momentum_update": 1,
    "nesterov_update": 1,
    "adagrad_update": 1,
    "rmsprop_update": 1,
    "adam_update": 2,
    "adamw_update": 2,
    "nadam_update": 2,
}
each_update = pytest.mark.parametrize("name", STATES)


def update(kernels: types.ModuleType, name: str, params: Array, grads: Array, *state: Array, **options: Any) -> None:
    """Call an update with its state, zeros where none is given, and with step 1 where it counts."""
    state = state or tuple(np.zeros_like(params) for _ in range(STATES[name]))
    if STATES[name] == 2:
        options = {"step": 1, **options}
    getattr(kernels, name)(params, grads, *state, **{"lr": 0.5, **options})


@both
@both_dtypes
def test_nesterov_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    params, grads, velocity = (np.array(a, dtype) for a in ([1.0, -2.0], [2.0, 4.0], [0.0, 8.0]))
    kernels.nesterov_update(params, grads, velocity, lr=0.25, momentum=0.5, weight_decay=0.5)
    np.testing.assert_array_equal(velocity, [2.5, 7])
    np.testing.assert_array_equal(params, [1 - 0.25 * 3.75, -2 - 0.25 * 6.5])


@both
@both_dtypes
def test_adagrad_and_rmsprop_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    """eps stands outside the root: sqrt(9) + 3 and sqrt(25) + 3."""
    params, grads, h = (np.array(a, dtype) for a in ([1.0, -2.0], [3.0, 4.0], [0.0, 9.0]))
    kernels.adagrad_update(params, grads, h, lr=0.5, eps=3)
    np.testing.assert_array_equal(h, [9, 25])
    np.testing.assert_array_equal(params, [0.75, -2.25])
    params, grads, h = (np.array(a, dtype) for a in ([1.0, -2.0], [4.0, 8.0], [0.0, 64.0]))
    kernels.rmsprop_update(params, grads, h, lr=0.5, alpha=0.75, eps=2)
    np.testing.assert_array_equal(h, [4, 64])
    np.testing.assert_allclose(params, [0.5, -2.4], rtol=1e-6)
    kernels.rmsprop_update(params, grads, h, lr=0, alpha=0, weight_decay=4)
    np.testing.assert_allclose(h, [36, 1.6**2], rtol=1e-5)


@both
@both_dtypes
def test_adamw_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    params, grads = np.array([1.0, -2.0], dtype), np.array([2.0, 4.0], dtype)
    m, v = np.zeros(2, dtype), np.zeros(2, dtype)
    kernels.adamw_update(params, grads, m, v, step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=0, weight_decay=0.5)
    np.testing.assert_array_equal(m, [1, 2])  # no decay in the averages
    np.testing.assert_array_equal(v, [1, 4])
    np.testing.assert_allclose(params, [0.75 - 0.5, -1.5 - 0.5], rtol=1e-6)
    kernels.adamw_update(params, grads, m, v, step=2, lr=0.0)
    np.testing.assert_allclose(params, [0.25, -2.0], rtol=1e-6)


@both
@both_dtypes
def test_nadam_by_hand(kernels: types.ModuleType, dtype: type) -> None:
    """Without momentum_decay mu is beta1 / 2 = 1/4 in each step, and the product of two is 1/16."""
    params, grads = np.array([1.0, -2.0], dtype), np.array([2.0, 4.0], dtype)
    m, v = np.zeros(2, dtype), np.zeros(2, dtype)
    kernels.nadam_update(params, grads, m, v, step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=0, momentum_decay=0)
    np.testing.assert_array_equal(m, [1, 2])
    np.testing.assert_array_equal(v, [1, 4])
    way = 0.25 * 0.5 / (1 - 1 / 16) + (1 - 0.25) / (1 - 0.25)
    np.testing.assert_allclose(params, [1 - 0.5 * way, -2 - 0.5 * way], rtol=1e-6)


@pytest.mark.parametrize(("beta1", "psi"), [(0.9, 4e-3), (0.9, 0.0), (0.99, 0.5), (0.0, 4e-3)])
def test_nadam_finds_the_product_of_any_step(beta1: float, psi: float) -> None:
    """The kernel leaves the product out where it no longer counts, the twin multiplies to the end."""
    params, grads = np.array([1.0, -2.0, 3.0]), np.array([0.5, -0.25, 1e-3])
    for step in (1, 2, 30, 59, 60, 61, 1000, 10**5):
        results = []
        for kernels in (fk, ref):
            p, m, v = params.copy(), np.full(3, 0.1), np.full(3, 0.2)
            kernels.nadam_update(p, grads, m, v, step=step, lr=1.0, beta1=beta1, momentum_decay=psi)
            results.append(p)
        np.testing.assert_allclose(results[0], results[1], rtol=1e-14)


quarters = st.sampled_from([0, 0.25, 0.5, 0.75])


@examples
@given(
    st.sampled_from(["sgd_update", "momentum_update", "nesterov_update"]),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 70),
    st.sampled_from([0, 0.25, 0.5, 1, 3]),
    quarters,
    st.sampled_from([0, 0.5, 1, 2]),
    st.integers(0, 2**32 - 1),
)
def test_rules_without_roots_are_exact(
    name: str, dtype: Any, size: int, lr: float, momentum: float, decay: float, seed: int
) -> None:
    """Two steps on small integers with factors of few bits: the twin in float64 rounds nothing."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-8, 9, size) for _ in range(3 + STATES[name])]
    params, first, second, *state = (a.astype(dtype) for a in arrays)
    expected, _, _, *expected_state = (a.astype(np.float64) for a in arrays)
    options = {"lr": lr, "weight_decay": decay} | ({"momentum": momentum} if state else {})
    for g in (first, second):
        getattr(fk, name)(params, g, *state, **options)
        getattr(ref, name)(expected, g.astype(np.float64), *expected_state, **options)
    for a, e in zip([params, *state], [expected, *expected_state], strict=True):
        assert a.dtype == dtype
        np.testing.assert_array_equal(a, e)


@both
@both_dtypes
@each_update
def test_nothing_to_do(name: str, kernels: types.ModuleType, dtype: type) -> None:
    """No elements, and gradients that are 0: parameters stay, and so does the state."""
    empty = np.zeros(0, dtype)
    update(kernels, name, empty, empty.copy())
    params = np.linspace(-2, 2, 37, dtype=dtype)
    before = params.copy()
    update(kernels, name, params, np.zeros_like(params), weight_decay=0)
    np.testing.assert_array_equal(params, before)


@both
@both_dtypes
@each_update
def test_a_nan_stays_in_its_element(name: str, kernels: types.ModuleType, dtype: type) -> None:
    params, grads = np.ones(37, dtype), np.full(37, 0.5, dtype)
    grads[33] = np.nan
    state = tuple(np.zeros_like(params) for _ in range(STATES[name]))
    update(kernels, name, params, grads, *state)
    for array in (params, *state):
        np.testing.assert_array_equal(np.isnan(array), np.arange(37) == 33)


@both
@pytest.mark.parametrize("name", ["adagrad_update", "rmsprop_update", "adam_update", "adamw_update", "nadam_update"])
def test_squares_at_the_ends_of_float32(name: str, kernels: types.ModuleType) -> None:
    """A square that overflows makes no step; an infinite gradient gives NaN; without eps 0 / 0 does."""
    params, grads = np.ones(4, np.float32), np.array([1e30, np.inf, 0, 1], np.float32)
    with np.errstate(all="ignore"):
        update(kernels, name, params, grads, eps=0, weight_decay=0)
    np.testing.assert_array_equal(np.isnan(params), [False, True, True, False])
    assert params[0] == 1
    assert np.isfinite(params[3])
    assert params[3] < 1


@both
@pytest.mark.parametrize("name", ["adam_update", "adamw_update", "nadam_update"])
def test_a_late_step_needs_no_correction(name: str, kernels: types.ModuleType) -> None:
    """At step 2**53, the last one that float64 can count."""
    params, grads = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    m, v = np.array([0.1, -0.2]), np.array([0.04, 0.16])
    options = {"beta1": 0.5, "beta2": 0.75, "eps": 0.0, "weight_decay": 0}
    update(kernels, name, params, grads, m, v, step=2**53, lr=1.0, **options)
    way = 0.5 * m + 0.5 * grads if name == "nadam_update" else m
    np.testing.assert_allclose(params, np.array([1.0, 2.0]) - way / np.sqrt(v), rtol=1e-12)


@both
@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("adam_update", {"step": 1.0}, TypeError, r"adam_update: step is 1\.0 \(float\), an int is needed"),
        ("adam_update", {"step": True}, TypeError, "adam_update: step is True"),
        ("nadam_update", {"step": 0}, ValueError, "nadam_update: step is 0, at least 1"),
        ("adamw_update", {"step": 2**53 + 1}, ValueError, r"adamw_update: step is 9007199254740993, at most 2\*\*53"),
        ("sgd_update", {"lr": 10**400}, ValueError, r"sgd_update: lr is too large for a float"),
        ("sgd_update", {"lr": np.inf}, ValueError, "sgd_update: lr is inf"),
        ("adagrad_update", {"eps": np.nan}, ValueError, "adagrad_update: eps is nan, needed: 0"),
        ("rmsprop_update", {"alpha": 1}, ValueError, "rmsprop_update: alpha is 1, needed: .* < 1"),
        ("rmsprop_update", {"alpha": "0.9"}, TypeError, "rmsprop_update: alpha is '0.9'"),
        ("nesterov_update", {"momentum": -0.1}, ValueError, "nesterov_update: momentum is -0.1"),
        ("nadam_update", {"momentum_decay": -1}, ValueError, "nadam_update: momentum_decay is -1"),
    ],
)
def test_refusals(
    name: str, options: dict[str, Any], error: type[Exception], message: str, kernels: types.ModuleType
) -> None:
    arrays = [np.ones(5), np.ones(5), *(np.ones(5) for _ in range(STATES[name]))]
    assert_refused(error, message, lambda: update(kernels, name, *arrays, **options), *arrays)


def test_numbers_of_any_kind_are_the_same() -> None:
    """An int, a float and a NumPy scalar."""
    expected = np.zeros(3)
    fk.sgd_update(expected, np.ones(3), lr=1.0, weight_decay=1.0)
    for lr in (1, np.float32(1), np.int64(1)):
        params = np.zeros(3)
        fk.sgd_update(params, np.ones(3), lr=lr, weight_decay=lr)
        assert params.tobytes() == expected.tobytes()


@both
@each_update
def test_gradients_of_any_memory_after_a_plain_call(name: str, kernels: types.ModuleType) -> None:
    """What is compiled for plain arrays serves strided and read-only gradients, which are copied or renamed."""
    gradient, state = np.arange(1.0, 5.0), [np.ones(4) for _ in range(STATES[name])]
    expected = np.ones(4)
    update(kernels, name, expected, gradient, *[s.copy() for s in state])
    fixed = gradient.copy()
    fixed.flags.writeable = False
    for other in (np.repeat(gradient, 2)[::2], fixed):
        params = np.ones(4)
        update(kernels, name, params, other, *[s.copy() for s in state])
        assert params.tobytes() == expected.tobytes()


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@both_dtypes
@each_update
def test_one_thread_and_two_give_the_same_bits(name: str, dtype: type) -> None:
    rng = np.random.default_rng(2)
    given = [np.abs(rng.standard_normal(100_003)).astype(dtype) for _ in range(2 + STATES[name])]
    results = []
    for n in (1, 2, 2):
        arrays = [array.copy() for array in given]
        with threads(n) as used:
            update(fk, name, *arrays, weight_decay=0.1)
        assert used == {n}
        results.append(b"".join(array.tobytes() for array in arrays))
    assert results[0] == results[1] == results[2]


@both
@each_update
def test_memory_is_checked_before_anything_changes(name: str, kernels: types.ModuleType) -> None:
    def arrays() -> list[Array]:
        return [np.ones(4) for _ in range(2 + STATES[name])]

    update(kernels, name, *arrays())  # after which types alone are known to be right
    for k in (0, *range(2, 2 + STATES[name])):
        given = arrays()
        given[k].flags.writeable = False
        assert_refused(ValueError, f"{name}: .* is read-only", lambda a=given: update(kernels, name, *a), *given)
        given = arrays()
        given[k] = given[k].astype(np.float32)
        assert_refused(TypeError, f"{name}: .* has dtype float32", lambda a=given: update(kernels, name, *a), *given)
        given = arrays()
        given[k] = given[1]
        assert_refused(ValueError, f"{name}: .* overlap", lambda a=given: update(kernels, name, *a), *given)
    given = [*arrays()[:-1], np.ones(3)]
    assert_refused(ValueError, f"{name}: .* has shape", lambda: update(kernels, name, *given), *given)


@both
@both_dtypes
@pytest.mark.parametrize("name", ["momentum_update", "nesterov_update"])
def test_halves_of_even_numbers_are_exact(name: str, kernels: types.ModuleType, dtype: type) -> None:
    """Momentum 0.5 on even numbers, in arithmetic of whole numbers."""
    p, g, v = (np.random.default_rng(4).integers(-50, 51, (3, 999)) * 4).astype(np.int64)
    params, grads, velocity = (a.astype(dtype) for a in (p, g, v))
    getattr(kernels, name)(params, grads, velocity, lr=2, momentum=0.5, weight_decay=3)
    gradient = g + 3 * p
    v = v // 2 + gradient
    p = p - 2 * (gradient + v // 2 if name == "nesterov_update" else v)
    np.testing.assert_array_equal(params, p)
    np.testing.assert_array_equal(velocity, v)
