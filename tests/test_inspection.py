"""activations, gradient_norms: what goes on inside a model."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, small_data, small_layers, small_model, state_of

import fastnn as fn
import fastnn_kernels.reference as ref


@both_backends
def test_activations_are_what_the_layers_give(backend):
    x, _ = small_data(21)
    model = small_model(backend)
    before = state_of(model)
    p = model.params
    a = ref.relu(ref.conv2d(x, p["conv2d/w"], p["conv2d/b"], padding="same"))
    pooled = ref.max_pool2d(a, 2)[0]
    flat = pooled.reshape(21, -1)
    dense = ref.relu(flat @ p["dense/w"] + p["dense/b"])
    logits = dense @ p["dense_1/w"] + p["dense_1/b"]
    expected = {"conv2d": a, "max_pool2d": pooled, "flatten": flat, "dense": dense, "dense_1": logits}
    for index, (name, values) in enumerate(expected.items()):
        found = model.activations(x, name, batch_size=8)
        assert found.dtype == x.dtype
        np.testing.assert_allclose(found, values, rtol=1e-10, atol=1e-12, err_msg=name)
        np.testing.assert_array_equal(model.activations(x, index, batch_size=8), found)
        np.testing.assert_array_equal(model.activations(x, index - 5, batch_size=8), found)
    assert_same(state_of(model), before)
    np.testing.assert_array_equal(model.activations(x, -1), model.predict(x))


@both_backends
def test_activations_inside_other_layers(backend):
    x, _ = small_data(21)
    inside = [fn.Conv2D(2, 3, padding="same", activation="relu"), fn.Conv2D(2, 3, padding="same")]
    layers = [fn.Residual(*inside), fn.Residual(fn.Conv2D(2, 1)), fn.Flatten(), fn.Dense(5)]
    model = small_model(backend, layers=layers)
    p = model.params
    first = ref.relu(ref.conv2d(x, p["residual/conv2d/w"], p["residual/conv2d/b"], padding="same"))
    second = ref.conv2d(first, p["residual/conv2d_1/w"], p["residual/conv2d_1/b"], padding="same")
    third = ref.conv2d(x + second, p["residual_1/conv2d/w"], p["residual_1/conv2d/b"])
    expected = {
        "residual/conv2d": first,
        "residual/conv2d_1": second,
        "residual": x + second,
        "residual_1/conv2d": third,
        "residual_1": x + second + third,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(model.activations(x, name), values, rtol=1e-9, atol=1e-11, err_msg=name)
    np.testing.assert_array_equal(model.activations(x, 1), model.activations(x, "residual_1"))
    assert list(model.gradient_norms(x, np.zeros(21, int))) == [
        "residual/conv2d", "residual/conv2d_1", "residual_1/conv2d", "dense",
    ]  # fmt: skip


@both_backends
def test_activations_follow_the_parameters(backend):
    x, y = small_data(21)
    model = small_model(backend)
    first = model.activations(x, "conv2d")
    model.train_step(x, y)
    assert np.abs(model.activations(x, "conv2d") - first).max() > 1e-4


def test_activations_without_compile():
    x, _ = small_data(4)
    model = fn.Sequential(small_layers(), input_shape=(2, 6, 6), dtype=np.float64)
    model.backend = "reference"
    np.testing.assert_array_equal(model.activations(x, "dense"), small_model().activations(x, "dense"))


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("conv2d_1", ValueError, "activations: layer is 'conv2d_1', needed is one of 'conv2d', 'max_pool2d'"),
        (5, ValueError, "activations: layer is 5, the model has 5 layers"),
        (-6, ValueError, "activations: layer is -6, at least -5"),
        (1.0, TypeError, "activations: layer is 1.0"),
    ],
)
def test_layers_that_are_not_there(layer, error, message):
    with pytest.raises(error, match=message):
        small_model().activations(small_data(4)[0], layer)


def test_activations_check_x():
    with pytest.raises(ValueError, match=r"^activations: x has shape"):
        small_model().activations(np.zeros((3, 2, 5, 6)), 0)
    with pytest.raises(ValueError, match=r"^activations: batch_size is 0"):
        small_model().activations(small_data(4)[0], 0, batch_size=0)


@both_backends
def test_gradient_norms(backend):
    x, y = small_data(21)
    model = small_model(backend)
    before = state_of(model)
    _, gradients = model.gradients(x, y)
    norms = model.gradient_norms(x, y)
    assert list(norms) == ["conv2d", "dense", "dense_1"]
    for name, norm in norms.items():
        both = np.concatenate([gradients[f"{name}/w"].ravel(), gradients[f"{name}/b"]])
        assert norm == pytest.approx(np.linalg.norm(both), rel=1e-12)
    assert_same(state_of(model), before)


def test_gradients_vanish_through_sigmoids():
    layers = [fn.Flatten(), *(fn.Dense(8, activation="sigmoid") for _ in range(6)), fn.Dense(5)]
    norms = list(small_model(layers=layers).gradient_norms(*small_data(21)).values())
    assert norms[0] < 1e-3 * norms[-1]
    layers = [fn.Flatten(), *(fn.Dense(8, activation="relu") for _ in range(6)), fn.Dense(5)]
    norms = list(small_model(layers=layers).gradient_norms(*small_data(21)).values())
    assert norms[0] > 1e-3 * norms[-1]


def test_frozen_layers_have_no_norm():
    layers = [fn.Flatten(), fn.Dense(6, activation="tanh", trainable=False), fn.Dense(5)]
    assert list(small_model(layers=layers).gradient_norms(*small_data(21))) == ["dense_1"]


def test_gradient_norms_check_their_arguments():
    x, y = small_data(21)
    with pytest.raises(ValueError, match=r"^gradient_norms: y\[0\] is "):
        small_model().gradient_norms(x, y + 9)
    model = fn.Sequential(small_layers(), input_shape=(2, 6, 6))
    with pytest.raises(RuntimeError, match=r"^gradient_norms: the model is not compiled"):
        model.gradient_norms(x, y)
