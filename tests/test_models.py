"""Ready-made networks: sizes, and that they learn."""

import numpy as np
import pytest

import fastnn as fn

PARAMETERS = {  # for images (1, 28, 28) and 10 classes
    "mlp": 109_386,
    "lenet5": 44_426,
    "small_cnn": 105_866,
    "vgg_small": 435_306,
    "resnet8": 77_754,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes(name):
    model = getattr(fn.models, name)((1, 28, 28), 10)
    assert sum(p.size for p in model.params.values()) == PARAMETERS[name]
    assert model.output_shape == (10,)
    assert model.params["dense/w"].dtype == np.float32


@pytest.mark.parametrize("name", PARAMETERS)
def test_it_learns_eight_images_by_heart(name):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 2, 16, 16)), rng.integers(0, 3, 8)
    model = getattr(fn.models, name)((2, 16, 16), 3, seed=1)
    model.compile(fn.Adam(3e-3), "softmax_cross_entropy")
    losses = [model.train_step(x, y) for _ in range(6)]
    assert losses[0] < 4
    assert losses[-1] < 0.6 * losses[0]


def test_the_seed_and_the_hidden_layers():
    for name in PARAMETERS:
        a, b, c = (getattr(fn.models, name)((1, 16, 16), 4, seed=seed).params for seed in (1, 1, 2))
        assert all((a[key] == b[key]).all() for key in a)
        assert (a["dense/w"] != c["dense/w"]).all()
    model = fn.models.mlp((7,), 2, hidden=[5])
    assert [p.shape for p in model.params.values()] == [(7, 5), (5,), (5, 2), (2,)]
    assert list(fn.models.mlp((7,), 2, hidden=()).params) == ["dense/w", "dense/b"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fn.models.lenet5((1, 15, 16), 10), r"lenet5: input_shape is \(1, 15, 16\).*at least 16"),
        (lambda: fn.models.small_cnn((1, 8, 3), 10), "small_cnn: .*at least 4"),
        (lambda: fn.models.vgg_small((1, 7, 8), 10), "vgg_small: .*at least 8"),
        (lambda: fn.models.resnet8((64,), 10), r"resnet8: input_shape is \(64,\)"),
        (lambda: fn.models.mlp((4,), 2, hidden=[0]), "mlp: hidden is 0"),
        (lambda: fn.models.mlp((4,), 0), "Dense: units is 0"),
    ],
)
def test_wrong_sizes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
