"""A whole net with every kind of layer that holds state or others equals PyTorch's, at a batch that fills no block."""

import numpy as np
import pytest

import fastnn as fn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
nn = torch.nn


class Sum(nn.Module):
    def __init__(self, layers, shortcut):
        super().__init__()
        self.layers, self.shortcut = layers, shortcut

    def forward(self, x):
        return self.layers(x) + self.shortcut(x)


class Join(nn.Module):
    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def ours():
    return [
        fn.Conv2D(6, 3, padding=1, bias=False),
        fn.BatchNorm(),
        fn.ReLU(),
        fn.Residual(
            fn.Conv2D(8, 3, stride=2, padding=1, groups=2, bias=False),
            fn.BatchNorm(momentum=0.3),
            fn.SiLU(),
            fn.Conv2D(8, 3, padding=2, dilation=2),
            shortcut=[fn.Conv2D(8, 1, stride=2, bias=False), fn.BatchNorm()],
        ),
        fn.Concat(
            fn.DepthwiseConv2D(3, padding=1, depth_multiplier=2),
            [],
            [fn.GroupNorm(4), fn.Residual(fn.ConvTranspose2D(8, 3, padding=1, groups=2))],
            [fn.MaxPool2D(3, stride=1, padding=1), fn.AvgPool2D(3, stride=1, padding=1)],
        ),
        fn.GELU(),
        fn.AdaptiveAvgPool2D(2),
        fn.Flatten(),
        fn.Dense(9),
        fn.LayerNorm(),
        fn.Dense(5),
    ]


def theirs():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        Sum(
            nn.Sequential(
                nn.Conv2d(6, 8, 3, stride=2, padding=1, groups=2, bias=False),
                nn.BatchNorm2d(8, momentum=0.3),
                nn.SiLU(),
                nn.Conv2d(8, 8, 3, padding=2, dilation=2),
            ),
            nn.Sequential(nn.Conv2d(6, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8)),
        ),
        Join(
            [
                nn.Conv2d(8, 16, 3, padding=1, groups=8),
                nn.Identity(),
                nn.Sequential(
                    nn.GroupNorm(4, 8), Sum(nn.ConvTranspose2d(8, 8, 3, padding=1, groups=2), nn.Identity())
                ),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1)),
            ]
        ),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(160, 9),
        nn.LayerNorm(9),
        nn.Linear(9, 5),
    ).double()


def as_ours(tensor, param):
    """Return a PyTorch parameter in our layout: dense weights are (n_in, n_out)."""
    array = tensor.detach().numpy()
    return array.T if array.ndim == 2 else array.reshape(param.shape)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_a_batch_of_17(backend):
    torch.manual_seed(0)
    net = theirs()
    model = fn.Sequential(ours(), (3, 9, 9), dtype=np.float64)
    model.backend = backend
    model.compile(fn.SGD(0.1, 0.9), "softmax_cross_entropy")
    # The parameters stand in the same order: that in which the layers are used.
    pairs = list(zip(model.params.items(), net.parameters(), strict=True))
    for (_, param), tensor in pairs:
        if param.ndim == 1:  # scales and shifts that are not 1 and 0
            tensor.data += 0.3 * torch.randn_like(tensor)
        param[...] = as_ours(tensor, param)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((17, 3, 9, 9)), rng.integers(0, 5, 17)

    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        _, grads = model.gradients(x, y)
        for (name, param), tensor in pairs:
            np.testing.assert_allclose(grads[name], as_ours(tensor.grad, param), rtol=1e-8, atol=1e-11, err_msg=name)
        assert model.train_step(x, y) == pytest.approx(loss.item(), rel=1e-11)
        optimizer.step()
    for (name, param), tensor in pairs:
        np.testing.assert_allclose(param, as_ours(tensor, param), rtol=1e-8, atol=1e-11, err_msg=name)

    buffers = [b.numpy() for key, b in net.named_buffers() if "running" in key]
    for (name, state), expected in zip(model.states.items(), buffers, strict=True):
        np.testing.assert_allclose(state, expected, rtol=1e-10, atol=1e-12, err_msg=name)
    net.eval()
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-7, atol=1e-9)
