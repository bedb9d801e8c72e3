"""Batch, layer and group normalisation against PyTorch: values, gradients, running statistics."""

import numpy as np
import pytest

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
SHAPES = [(2, 1), (17, 33), (5, 4, 3), (16, 6, 5, 7), (3, 4, 9, 8), (2, 3, 2, 3, 4)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


def numbers(*shape, seed=5):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(array):
    return torch.tensor(array, requires_grad=True)


def assert_equal(actual, expected):
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-10, atol=1e-11)


def inputs(shape, own):
    """Input, scale and shift, gradient of the output."""
    return numbers(*shape), numbers(*own, seed=6), numbers(*own, seed=7), numbers(*shape, seed=8)


@both
@shapes
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize(("momentum", "eps"), [(0.1, 1e-5), (0.7, 0.25)])
def test_batch_norm(shape, training, momentum, eps, kernels):
    x, gamma, beta, dy = inputs(shape, shape[1:2])
    statistics = {"running_mean": numbers(shape[1], seed=9), "running_var": numbers(shape[1], seed=10) ** 2 + 0.1}
    told = {name: torch.tensor(value) for name, value in statistics.items()}
    tensors = tx, tg, tb = tensor(x), tensor(gamma), tensor(beta)
    ty = F.batch_norm(tx, told["running_mean"], told["running_var"], tg, tb, training, momentum, eps)
    ty.backward(torch.tensor(dy))
    y, mean, inv_std = kernels.batch_norm(x, gamma, beta, **statistics, training=training, momentum=momentum, eps=eps)
    assert_equal(y, ty)
    for name, value in statistics.items():
        assert_equal(value, told[name])
    found = kernels.batch_norm_backward(dy, x, gamma, mean, inv_std, training=training)
    for actual, t in zip(found, tensors, strict=True):
        assert_equal(actual, t.grad)


@both
@shapes
def test_group_norm(shape, kernels):
    for groups in (k for k in range(1, shape[1] + 1) if shape[1] % k == 0):
        x, gamma, beta, dy = inputs(shape, shape[1:2])
        tensors = tx, tg, tb = tensor(x), tensor(gamma), tensor(beta)
        ty = F.group_norm(tx, groups, tg, tb, 0.01)
        ty.backward(torch.tensor(dy))
        y, mean, inv_std = kernels.group_norm(x, gamma, beta, groups=groups, eps=0.01)
        assert_equal(y, ty)
        found = kernels.group_norm_backward(dy, x, gamma, mean, inv_std, groups=groups)
        for actual, t in zip(found, tensors, strict=True):
            assert_equal(actual, t.grad)


@both
@shapes
def test_layer_norm(shape, kernels):
    for axes in range(1, len(shape)):
        own = shape[-axes:]
        x, gamma, beta, dy = inputs(shape, own)
        tensors = tx, tg, tb = tensor(x), tensor(gamma), tensor(beta)
        ty = F.layer_norm(tx, own, tg, tb, 0.01)
        ty.backward(torch.tensor(dy))
        y, mean, inv_std = kernels.layer_norm(x, gamma, beta, eps=0.01)
        assert_equal(y, ty)
        for actual, t in zip(kernels.layer_norm_backward(dy, x, gamma, mean, inv_std), tensors, strict=True):
            assert_equal(actual, t.grad)


@both
def test_dropout_scales_and_propagates_as_pytorch_does(kernels):
    # Which elements are dropped is another generator's business.
    x, dy = np.ones((20, 30)), numbers(20, 30)
    y, mask = kernels.dropout(x, 0.3, seed=1, step=1)
    assert set(np.unique(y)) == set(F.dropout(torch.ones(20, 30, dtype=torch.float64), 0.3).numpy().ravel())
    tx = tensor(x)
    (tx * torch.tensor(mask)).backward(torch.tensor(dy))
    assert_equal(kernels.dropout_backward(dy, mask), tx.grad)
