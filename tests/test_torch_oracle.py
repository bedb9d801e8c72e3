"""Kernels and twins against PyTorch: values and gradients."""

import types
import warnings
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from geometry import CONVOLUTIONS, Geometry

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])


def numbers(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(array: np.ndarray) -> Any:
    return torch.tensor(array, requires_grad=array.dtype.kind == "f")


def rows(kernel: str) -> list[Case]:
    return [case for case in CASES if case.kernel == kernel]


def assert_equal(actual: Any, expected: Any) -> None:
    if isinstance(expected, torch.Tensor):
        expected = expected.detach().numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-11)


def padded(x: Any, g: Geometry) -> Any:
    top, bottom, left, right = g.pads
    return F.pad(x, (left, right, top, bottom))


@both
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_conv2d(g: Geometry, kernels: types.ModuleType) -> None:
    x, w, b = numbers(*g.x_shape), numbers(*g.w_shape, seed=6), numbers(g.o, seed=7)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.conv2d(padded(tx, g), tw, tb, stride=g.stride)
    assert_equal(kernels.conv2d(x, w, b, **g.options), ty)
    dy = numbers(*ty.shape, seed=8)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.conv2d_backward(dy, x, w, **g.options), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)


@both
@pytest.mark.parametrize("g", [g for g in CONVOLUTIONS if g.padding == "same"], ids=lambda g: g.label)
def test_same_padding_is_pytorchs(g: Geometry, kernels: types.ModuleType) -> None:
    x, w = numbers(*g.x_shape), numbers(*g.w_shape, seed=6)
    # An even kernel pads one side more; PyTorch does it with F.pad, and warns that this copies.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ty = F.conv2d(torch.tensor(x), torch.tensor(w), padding="same")
    assert_equal(kernels.conv2d(x, w, padding="same"), ty)


@both
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_im2col(g: Geometry, kernels: types.ModuleType) -> None:
    x = numbers(*g.x_shape)
    tx = tensor(x)
    tcols = F.unfold(padded(tx, g), g.kernel_size, stride=g.stride)  # (N, C*KH*KW, OH*OW)
    cols = kernels.im2col(x, g.kernel_size, **g.options)
    assert_equal(cols, tcols.transpose(0, 1).reshape(cols.shape))
    dcols = numbers(*cols.shape, seed=6)
    tcols.backward(torch.tensor(dcols).reshape(len(cols), g.n, -1).transpose(0, 1))
    assert_equal(kernels.col2im(dcols, x.shape, g.kernel_size, **g.options), tx.grad)


ACTIVATIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "leaky_relu": F.leaky_relu,
    "softmax": lambda x: torch.softmax(x, 1),
}


@both
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(3, 10), (17, 6, 5, 7)], ids=str)
def test_activations(name: str, shape: tuple[int, ...], kernels: types.ModuleType) -> None:
    x = 5 * numbers(*shape)
    x.flat[0] = 0.0  # the kink
    tx = tensor(x)
    ty = ACTIVATIONS[name](tx)
    y = getattr(kernels, name)(x)
    assert_equal(y, ty)
    dy = numbers(*shape, seed=6)
    ty.backward(torch.tensor(dy))
    assert_equal(getattr(kernels, f"{name}_backward")(dy, y), tx.grad)


@both
def test_dense(kernels: types.ModuleType) -> None:
    x, w, b, dy = numbers(17, 33), numbers(33, 10, seed=6), numbers(10, seed=7), numbers(17, 10, seed=8)
    tx, tw, tb = map(tensor, (x, w, b))
    ty = F.linear(tx, tw.T, tb)
    assert_equal(kernels.dense(x, w, b), ty)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(kernels.dense_backward(dy, x, w), (tx, tw, tb), strict=True):
        assert_equal(actual, t.grad)


@both
@pytest.mark.parametrize("case", rows("sum_squared_error"), ids=lambda case: case.name)
def test_sum_squared_error(case: Case, kernels: types.ModuleType) -> None:
    (prediction, target), kwargs = case.call(np.float64)
    tp = tensor(prediction)
    losses = 0.5 * ((tp - torch.tensor(target)) ** 2).flatten(1).sum(1)
    tloss = {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[kwargs["reduction"]]()
    compare_loss(kernels.sum_squared_error(prediction, target, **kwargs), tloss, tp)


@both
@pytest.mark.parametrize("case", rows("softmax_cross_entropy"), ids=lambda case: case.name)
def test_softmax_cross_entropy(case: Case, kernels: types.ModuleType) -> None:
    (prediction, target), kwargs = case.call(np.float64)
    tp = tensor(prediction)
    tloss = F.cross_entropy(tp, torch.tensor(target), **kwargs)
    compare_loss(kernels.softmax_cross_entropy(prediction, target, **kwargs), tloss, tp)


def compare_loss(actual: Any, tloss: Any, tprediction: Any) -> None:
    loss, d_prediction = actual
    assert_equal(loss, tloss)
    tloss.sum().backward()
    assert_equal(d_prediction, tprediction.grad)


OPTIMIZERS: list[tuple[str, int, Any, dict[str, Any]]] = [
    ("sgd_update", 0, torch.optim.SGD, {"lr": 0.1}),
    ("sgd_update", 0, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.01}),
    ("momentum_update", 1, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    ("momentum_update", 1, torch.optim.SGD, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
    ("adam_update", 2, torch.optim.Adam, {"lr": 0.01}),
    (
        "adam_update",
        2,
        torch.optim.Adam,
        {"lr": 0.01, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
    ),
]


@both
@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: f"{row[0]}-{len(row[3])}")
def test_optimizers(row: Any, kernels: types.ModuleType) -> None:
    name, states, optimizer, options = row
    params = numbers(33)
    tparams = tensor(params.copy())
    state = [np.zeros(33) for _ in range(states)]
    toptions = {key: value for key, value in options.items() if not key.startswith("beta")}
    if "beta1" in options:
        toptions["betas"] = (options["beta1"], options["beta2"])
    toptimizer = optimizer([tparams], **toptions)
    for step in range(1, 6):
        grads = numbers(33, seed=step)
        counted = {"step": step} if name == "adam_update" else {}
        getattr(kernels, name)(params, grads, *state, **counted, **options)
        tparams.grad = torch.tensor(grads)
        toptimizer.step()
        assert_equal(params, tparams)
