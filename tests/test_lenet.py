"""Twenty steps of LeNet-5: the same losses and weights on both interpreters and with PyTorch."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, copy_of, lenet_layers

import fastnn as fn


def twenty_steps(backend, dtype, optimizer, batch=17):
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((20, batch, 1, 28, 28)).astype(dtype), rng.integers(0, 10, (20, batch))
    model = fn.Sequential(lenet_layers(), input_shape=(1, 28, 28), seed=5, dtype=dtype)
    model.backend = backend
    model.compile(optimizer, "softmax_cross_entropy")
    start = copy_of(model.params)
    losses = [model.train_step(xb, yb) for xb, yb in zip(x, y, strict=True)]
    return x, y, start, losses, model.params


def test_twenty_lenet_steps_are_the_same_on_both_backends():
    (*_, losses, params), (*_, expected_losses, expected) = (
        twenty_steps(backend, np.float64, fn.Adam(1e-3)) for backend in ("compiled", "reference")
    )
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-10)
    assert_same(params, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.torch
@both_backends
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-10)])
@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_twenty_lenet_steps_equal_pytorch(backend, dtype, tolerance, name):
    torch = pytest.importorskip("torch")
    ours = {"adam": fn.Adam(1e-3, weight_decay=1e-3), "momentum": fn.Momentum(0.01, weight_decay=1e-3)}
    x, y, start, losses, params = twenty_steps(backend, dtype, ours[name])
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).to(getattr(torch, np.dtype(dtype).name))  # fmt: skip
    with torch.no_grad():
        for theirs, value in zip(net.parameters(), start.values(), strict=True):
            theirs.copy_(torch.from_numpy(value if value.ndim != 2 else value.T.copy()))
    # Ours leaves biases out of weight decay.
    weights = [p for p in net.parameters() if p.ndim > 1]
    biases = [p for p in net.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 1e-3}, {"params": biases, "weight_decay": 0.0}]
    optimizer = (
        torch.optim.Adam(groups, lr=1e-3) if name == "adam" else torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    )
    expected = []
    for xb, yb in zip(x, y, strict=True):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.from_numpy(xb)), torch.from_numpy(yb))
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    for theirs, (key, value) in zip(net.parameters(), params.items(), strict=True):
        expected = theirs.detach().numpy()
        np.testing.assert_allclose(
            value, expected if value.ndim != 2 else expected.T, rtol=tolerance, atol=tolerance, err_msg=key
        )
