"""Optimizers, clipping, max_norm and the delta rule against PyTorch, over many steps."""

import types
from typing import Any

import numpy as np
import pytest

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STEPS = 15

SGD, ADAM = torch.optim.SGD, torch.optim.Adam
ADAMW, NADAM = torch.optim.AdamW, torch.optim.NAdam
# Kernel, arrays of state, PyTorch's class, options under our names, what PyTorch alone is told.
OPTIMIZERS: list[tuple[str, int, Any, dict[str, Any], dict[str, Any]]] = [
    ("sgd_update", 0, SGD, {"lr": 0.1}, {}),
    ("sgd_update", 0, SGD, {"lr": 0.1, "weight_decay": 0.01}, {}),
    ("momentum_update", 1, SGD, {"lr": 0.1, "momentum": 0.9}, {}),
    ("momentum_update", 1, SGD, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}, {}),
    ("nesterov_update", 1, SGD, {"lr": 0.1, "momentum": 0.9}, {"nesterov": True}),
    ("nesterov_update", 1, SGD, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1}, {"nesterov": True}),
    ("adagrad_update", 1, torch.optim.Adagrad, {"lr": 0.1}, {}),
    ("adagrad_update", 1, torch.optim.Adagrad, {"lr": 0.1, "eps": 0.1, "weight_decay": 0.1}, {}),
    ("rmsprop_update", 1, torch.optim.RMSprop, {"lr": 0.01}, {"alpha": 0.9}),
    ("rmsprop_update", 1, torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.99, "eps": 0.1, "weight_decay": 0.1}, {}),
    ("adam_update", 2, ADAM, {"lr": 0.01}, {}),
    ("adam_update", 2, ADAM, {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}, {}),
    ("adamw_update", 2, ADAMW, {"lr": 0.01}, {}),
    ("adamw_update", 2, ADAMW, {"lr": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.5}, {}),
    ("nadam_update", 2, NADAM, {"lr": 0.01}, {}),
    ("nadam_update", 2, NADAM, {"lr": 0.01, "beta1": 0.8, "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}, {}),
]


def numbers(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture(autouse=True)
def float64_scalars() -> Any:
    """PyTorch keeps NAdam's product in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def assert_equal(actual: Any, expected: Any) -> None:
    rtol, atol = (1e-5, 2e-6) if actual.dtype == np.float32 else (1e-10, 1e-11)
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=rtol, atol=atol)


@both
@both_dtypes
@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: f"{row[0]}-{len(row[3])}")
def test_optimizers(row: Any, dtype: type, kernels: types.ModuleType) -> None:
    name, states, optimizer, options, told = row
    params = numbers(33).astype(dtype)
    tparams = torch.tensor(params, requires_grad=True)
    state = [np.zeros(33, dtype) for _ in range(states)]
    toptions = {key: value for key, value in options.items() if not key.startswith("beta")} | told
    if "beta1" in options:
        toptions["betas"] = (options["beta1"], options.get("beta2", 0.999))
    toptimizer = optimizer([tparams], **toptions)
    for step in range(1, STEPS + 1):
        grads = numbers(33, seed=step).astype(dtype)
        counted = {"step": step} if states == 2 else {}
        getattr(kernels, name)(params, grads, *state, **counted, **options)
        tparams.grad = torch.tensor(grads)
        toptimizer.step()
        assert_equal(params, tparams)


@both
def test_nadam_over_many_steps(kernels: types.ModuleType) -> None:
    """Long after the product of all mu has become too small to count."""
    params, m, v = numbers(5), np.zeros(5), np.zeros(5)
    tparams = torch.tensor(params, requires_grad=True)
    toptimizer = NADAM([tparams], lr=1e-3)
    for step in range(1, 301):
        grads = numbers(5, seed=step)
        kernels.nadam_update(params, grads, m, v, step=step, lr=1e-3)
        tparams.grad = torch.tensor(grads)
        toptimizer.step()
    assert_equal(params, tparams)


@both
@both_dtypes
@pytest.mark.parametrize("limit", [0.01, 1.0, 5.0, 100.0])
def test_clipping(limit: float, dtype: type, kernels: types.ModuleType) -> None:
    """The flat vector as one, PyTorch's parameters one by one."""
    grads = numbers(60).astype(dtype)
    for name, clip in (
        ("clip_by_value", torch.nn.utils.clip_grad_value_),
        ("clip_by_global_norm", torch.nn.utils.clip_grad_norm_),
    ):
        parameters = [torch.zeros(n, dtype=torch.tensor(grads).dtype, requires_grad=True) for n in (7, 50, 3)]
        for parameter, part in zip(parameters, torch.split(torch.tensor(grads), [7, 50, 3]), strict=True):
            parameter.grad = part.clone()
        clipped = grads.copy()
        told, expected = getattr(kernels, name)(clipped, limit), clip(parameters, limit)
        assert_equal(clipped, torch.cat([p.grad for p in parameters]))
        if expected is not None:
            assert told == pytest.approx(float(expected), rel=1e-6)


@both
@both_dtypes
@pytest.mark.parametrize(("shape", "axis"), [((9, 20), None), ((20, 3, 2, 2), None), ((5, 6, 7), 1)])
def test_max_norm(shape: tuple[int, ...], axis: int | None, dtype: type, kernels: types.ModuleType) -> None:
    w = numbers(*shape).astype(dtype)
    along = {2: 1, 4: 0}[len(shape)] if axis is None else axis
    for limit in (0.5, 3.0, 5.0):
        kept = w.copy()
        kernels.max_norm(kept, limit, axis=axis)
        # PyTorch divides by norm + 1e-7.
        expected = torch.renorm(torch.tensor(w), 2, along, limit).numpy()
        np.testing.assert_allclose(kept, expected, rtol=1e-6)


@both
def test_the_delta_rule_is_a_step_down_the_squared_error(kernels: types.ModuleType) -> None:
    w, x, target = numbers(4, 3), numbers(20, 4, seed=1), numbers(20, 3, seed=2)
    tw = torch.tensor(w, requires_grad=True)
    toptimizer = SGD([tw], lr=0.01)
    for _ in range(10):
        kernels.delta_update(w, x, target, x @ w, eta=0.01)
        toptimizer.zero_grad()
        (0.5 * ((torch.tensor(x) @ tw - torch.tensor(target)) ** 2).sum()).backward()
        toptimizer.step()
        assert_equal(w, tw)
