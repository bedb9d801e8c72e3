"""Initialisers: variance, range, and streams that other layers do not disturb."""

import numpy as np
import pytest
from model_helpers import small_model

import fastnn as fn
from fastnn.initializers import Constant, VarianceScaling, get

FAN_IN, FAN_OUT = 200, 300
VARIANCES = {
    "he": 2 / FAN_IN,
    "glorot": 2 / (FAN_IN + FAN_OUT),
    "lecun": 1 / FAN_IN,
}


def draw(initializer):
    return get("w_init", initializer)(np.random.default_rng(0), (FAN_IN, FAN_OUT), FAN_IN, FAN_OUT)


@pytest.mark.parametrize("family", VARIANCES)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_mean_variance_and_range(family, distribution):
    values, variance = draw(f"{family}_{distribution}"), VARIANCES[family]
    # 60,000 draws: standard errors of 0.4% of the deviation, and of 0.6% of the variance at most.
    assert abs(values.mean()) < 0.02 * np.sqrt(variance)
    assert values.var() == pytest.approx(variance, rel=0.03)
    limit = np.sqrt(3 * variance)
    assert (np.abs(values).max() <= limit) == (distribution == "uniform")
    assert np.abs(values).max() > 0.999 * limit


def test_constants():
    np.testing.assert_array_equal(draw("zeros"), np.zeros((FAN_IN, FAN_OUT)))
    np.testing.assert_array_equal(draw("ones"), np.ones((FAN_IN, FAN_OUT)))
    np.testing.assert_array_equal(draw(Constant(0.5)), np.full((FAN_IN, FAN_OUT), 0.5))


def test_wrong_names_and_numbers():
    with pytest.raises(ValueError, match=r"w_init is 'he'.*'he_normal'"):
        get("Dense: w_init", "he")
    with pytest.raises(ValueError, match="VarianceScaling: fan is 'out'"):
        VarianceScaling(fan="out")
    with pytest.raises(ValueError, match="VarianceScaling: scale"):
        VarianceScaling(scale=-1.0)
    model = [fn.Flatten(), fn.Dense(5, w_init=lambda rng, shape, fan_in, fan_out: np.zeros(3))]
    with pytest.raises(ValueError, match=r"dense/w.*\(3,\).*\(72, 5\)"):
        small_model(layers=model)


def spread(model, name):
    """Return the variance of a parameter times its fan_in."""
    w = model.params[name]
    return w.var() * (w[0].size if w.ndim == 4 else len(w))


def test_he_in_front_of_the_relu_family_and_glorot_elsewhere():
    for activation, expected in {"relu": 2.0, "leaky_relu": 2.0, "tanh": 1.0, None: 1.0}.items():
        layers = [
            fn.Conv2D(50, 5, padding=2, activation=activation),
            fn.Conv2D(50, 5, padding=2, activation=activation),
            fn.Flatten(),
            fn.Dense(50 * 36, activation=activation),
        ]
        model = small_model(layers=layers)
        assert spread(model, "conv2d_1/w") == pytest.approx(expected, rel=0.05)
        assert spread(model, "dense/w") == pytest.approx(expected, rel=0.05)
        assert not model.params["dense/b"].any()


def test_the_seed_decides():
    a, b, c = (small_model(seed=seed).params["conv2d/w"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_parameters_have_streams_of_their_own():
    layers = [fn.Flatten(), fn.Dense(6, b_init="lecun_normal"), fn.Dense(6), fn.Dense(6)]
    params = small_model(layers=layers).params
    assert (params["dense_1/w"] != params["dense_2/w"]).all()
    assert (params["dense/b"] != params["dense/w"][0]).all()


def test_adding_a_layer_leaves_others_as_they_are():
    few = [fn.Conv2D(3, 3), fn.Flatten(), fn.Dense(5)]
    many = [fn.Conv2D(3, 3), fn.ReLU(), fn.Conv2D(3, 1), fn.Flatten(), fn.Dense(5), fn.Dense(4)]
    a, b = small_model(layers=few).params, small_model(layers=many).params
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_both_dtypes_start_with_the_same_weights():
    a, b = (small_model(dtype=dtype).params["dense/w"] for dtype in (np.float32, np.float64))
    np.testing.assert_array_equal(a, b.astype(np.float32))
