"""Activations and their gradients against PyTorch, over options and edges."""

import types
from typing import Any

import numpy as np
import pytest
from cases_activation import FROM_INPUT

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])

ROWS: list[tuple[str, dict[str, Any], Any]] = [
    ("identity", {}, lambda x: x * 1),
    ("sigmoid", {}, torch.sigmoid),
    ("tanh", {}, torch.tanh),
    ("relu", {}, torch.relu),
    *(
        ("leaky_relu", {"negative_slope": s}, lambda x, s=s: F.leaky_relu(x, s))
        for s in (0.0, 0.01, 0.3, 1.0, 2.0)
    ),
    *(("elu", {"alpha": a}, lambda x, a=a: F.elu(x, a)) for a in (0.0, 0.3, 1.0, 2.0)),
    *(("gelu", {"approximate": a}, lambda x, a=a: F.gelu(x, approximate=a)) for a in ("none", "tanh")),
    ("silu", {}, F.silu),
    ("softplus", {}, lambda x: F.softplus(x, threshold=1000.0)),
    ("softmax", {}, lambda x: torch.softmax(x, 1)),
    ("log_softmax", {}, lambda x: torch.log_softmax(x, 1)),
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join([row[0], *map(str, row[1].values())]))


def compare(row: Any, kernels: types.ModuleType, x: np.ndarray, dy: np.ndarray, **tolerance: float) -> None:
    name, options, function = row
    tx = torch.tensor(x, requires_grad=True)
    ty = function(tx)
    y = getattr(kernels, name)(x, **options)
    np.testing.assert_allclose(y, ty.detach().numpy(), **tolerance)
    ty.backward(torch.tensor(dy))
    dx = getattr(kernels, f"{name}_backward")(dy, x if name in FROM_INPUT else y, **options)
    np.testing.assert_allclose(dx, tx.grad.numpy(), **tolerance)


@both
@each_row
@pytest.mark.parametrize("shape", [(3, 10), (17, 6, 5, 7)], ids=str)
def test_values_and_gradients(row: Any, shape: tuple[int, ...], kernels: types.ModuleType) -> None:
    rng = np.random.default_rng(5)
    x, dy = 5 * rng.standard_normal(shape), rng.standard_normal(shape)
    x.flat[0] = 0.0  # the kink
    compare(row, kernels, x, dy, rtol=1e-10, atol=1e-11)
    compare(row, kernels, x.astype(np.float32), dy.astype(np.float32), rtol=1e-5, atol=2e-6)


@both
@each_row
def test_infinities_and_nan(row: Any, kernels: types.ModuleType) -> None:
    """As PyTorch has them, but for gelu and silu at the infinities: it has NaN there, we the limits."""
    values = [0.0, -0.0, 1e4, -1e4, np.nan]
    if row[0] not in ("gelu", "silu"):
        values += [np.inf, -np.inf]
    x = np.repeat(np.array(values)[:, None], 16, axis=1)  # whole vectors: single elements take another path there
    with np.errstate(invalid="ignore"):
        compare(row, kernels, x, np.ones_like(x), rtol=1e-10, atol=1e-11)


@both
def test_step_is_heaviside(kernels: types.ModuleType) -> None:
    x = np.random.default_rng(5).integers(-2, 3, (17, 33)).astype(np.float64)
    expected = torch.heaviside(torch.tensor(x), torch.tensor(0.0, dtype=torch.float64))
    np.testing.assert_array_equal(kernels.step(x), expected.numpy())
