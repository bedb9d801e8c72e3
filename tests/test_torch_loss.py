"""Losses, kernels and twins, against PyTorch: values and gradients."""

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else getattr(losses, reduction)()


def sum_squared_error(prediction: Any, target: Any, *, reduction: str) -> Any:
    return reduced(0.5 * ((prediction - target) ** 2).flatten(1).sum(1), reduction)


def softmax_cross_entropy(prediction: Any, target: Any, *, class_weight: Any = None, **options: Any) -> Any:
    return F.cross_entropy(
        prediction, target, weight=None if class_weight is None else torch.tensor(class_weight), **options
    )


def categorical_cross_entropy(prediction: Any, target: Any, *, reduction: str) -> Any:
    return reduced(-torch.special.xlogy(target, prediction).sum(1), reduction)


LOSSES: dict[str, Callable[..., Any]] = {
    "sum_squared_error": sum_squared_error,
    "mean_squared_error": F.mse_loss,
    "huber": F.huber_loss,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "softmax_cross_entropy": softmax_cross_entropy,
    "categorical_cross_entropy": categorical_cross_entropy,
}


def assert_as_torch(name: str, kernels: Any, prediction: np.ndarray, target: np.ndarray, **options: Any) -> None:
    """Compare the loss, and the gradient of its sum."""
    tprediction = torch.tensor(prediction, requires_grad=True)
    tloss = LOSSES[name](tprediction, torch.tensor(target), **options)
    tloss.sum().backward()
    loss, d_prediction = getattr(kernels, name)(prediction, target, **options)
    np.testing.assert_allclose(loss, tloss.detach().numpy(), rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(d_prediction, tprediction.grad.numpy(), rtol=1e-10, atol=1e-11)


@both
@pytest.mark.parametrize("case", [case for case in CASES if case.kernel in LOSSES], ids=lambda case: case.name)
def test_cases(case: Case, kernels: types.ModuleType) -> None:
    args, kwargs = case.call(np.float64)
    if np.all(args[1] == -100) and kwargs["reduction"] == "mean":
        assert not np.any(getattr(kernels, case.kernel)(*args, **kwargs)[1])  # PyTorch gives NaN
    else:
        assert_as_torch(case.kernel, kernels, *args, **kwargs)


@both
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("smoothing", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("kind", ["labels", "ignored", "class 2 ignored", "soft", "shares"])
def test_every_combination_of_cross_entropy_options(
    kind: str, smoothing: float, weighted: bool, reduction: str, kernels: types.ModuleType
) -> None:
    rng = np.random.default_rng(11)
    options: dict[str, Any] = {"label_smoothing": smoothing, "reduction": reduction}
    target: np.ndarray = rng.integers(0, 6, 19)
    if kind == "ignored":
        target[rng.random(19) < 0.4] = -100
    if kind == "class 2 ignored":
        options["ignore_index"] = 2
    if kind in ("soft", "shares"):
        target = rng.random((19, 6))
        if kind == "soft":
            target /= target.sum(axis=1, keepdims=True)
    if weighted:
        options["class_weight"] = rng.random(6) * [1, 1, 0, 1, 1, 1]
    assert_as_torch("softmax_cross_entropy", kernels, 4 * rng.standard_normal((19, 6)), target, **options)


@both
@pytest.mark.parametrize("delta", [0.1, 1.0, 3.0])
def test_huber_at_its_corner(delta: float, kernels: types.ModuleType) -> None:
    prediction = np.array([[-2, -1, -0.5, 0, 0.5, 1, 2.0]]) * delta
    assert_as_torch("huber", kernels, prediction, np.zeros_like(prediction), delta=delta, reduction="none")


@both
def test_binary_cross_entropy_far_from_zero(kernels: types.ModuleType) -> None:
    prediction = np.repeat([[-1e4, -800.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 800.0, 1e4]], 3, axis=0)
    target = np.repeat([[0.0], [1.0], [0.25]], 9, axis=1)
    assert_as_torch("binary_cross_entropy_with_logits", kernels, prediction, target, reduction="none")


@both
def test_infinite_logits(kernels: types.ModuleType) -> None:
    """A class that is ruled out by the logit -inf: fine under another label, infinite under its own."""
    prediction = np.array([[0.0, -np.inf, 1.0], [0.0, -np.inf, 1.0], [-np.inf, 3.0, -np.inf]])
    assert_as_torch("softmax_cross_entropy", kernels, prediction, np.array([2, 1, 1]), reduction="none")
