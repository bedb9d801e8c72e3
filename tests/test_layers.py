"""Layers: how options are normalised, output shapes, names, and what each activation computes in a model."""

import numpy as np
import pytest
from model_helpers import both_backends, small_data, small_model

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.layers.chain import layer_names
from fastnn.lowering import lower

ACTIVATIONS = {
    "step": fn.Step(),
    "identity": fn.Identity(),
    "sigmoid": fn.Sigmoid(),
    "tanh": fn.Tanh(),
    "relu": fn.ReLU(),
    "leaky_relu": fn.LeakyReLU(),
    "elu": fn.ELU(),
    "gelu": fn.GELU(),
    "silu": fn.SiLU(),
    "softplus": fn.Softplus(),
    "softmax": fn.Softmax(),
    "log_softmax": fn.LogSoftmax(),
}


@pytest.mark.parametrize(
    ("padding", "stride", "pads", "shape"),
    [
        ("valid", 1, ((0, 0), (0, 0)), (4, 4, 5)),
        ("same", 1, ((1, 1), (1, 1)), (4, 6, 7)),
        (1, 2, ((1, 1), (1, 1)), (4, 3, 4)),
        ((1, 0), (2, 3), ((1, 1), (0, 0)), (4, 3, 2)),
        (((1, 2), (0, 3)), 1, ((1, 2), (0, 3)), (4, 7, 8)),
    ],
)
def test_conv2d(padding, stride, pads, shape):
    layer = fn.Conv2D(4, 3, stride=stride, padding=padding)
    assert layer.padding == pads
    assert layer.kernel_size == (3, 3)
    assert layer.output_shape((2, 6, 7)) == shape


def test_conv2d_same_with_an_even_kernel_pads_more_at_the_bottom_and_right():
    layer = fn.Conv2D(1, (2, 4), padding="same")
    assert layer.padding == ((0, 1), (1, 2))
    assert layer.output_shape((1, 5, 5)) == (1, 5, 5)


def test_conv2d_weights():
    weights = fn.Conv2D(4, (3, 5)).weights((2, 6, 7))
    assert {name: w.shape for name, w in weights.items()} == {"w": (4, 2, 3, 5), "b": (4,)}
    assert (weights["w"].fan_in, weights["w"].fan_out) == (30, 60)
    assert list(fn.Conv2D(4, 3, bias=False).weights((2, 6, 7))) == ["w"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (fn.MaxPool2D(2), (3, 3, 3)),
        (fn.MaxPool2D(3, stride=1), (3, 4, 5)),
        (fn.MaxPool2D((2, 3), stride=(1, 2), padding=(1, 1)), (3, 7, 4)),
        (fn.Flatten(), (126,)),
        (fn.ReLU(), (3, 6, 7)),
        (fn.Softmax(), (3, 6, 7)),
    ],
)
def test_output_shapes(layer, shape):
    assert layer.output_shape((3, 6, 7)) == shape


def test_dense():
    layer = fn.Dense(4)
    assert layer.output_shape((9,)) == (4,)
    assert {name: w.shape for name, w in layer.weights((9,)).items()} == {"w": (9, 4), "b": (4,)}


def test_layers_are_values():
    assert fn.Conv2D(4, 3, padding=1) == fn.Conv2D(4, (3, 3), padding=(1, 1))
    assert fn.Dense(4) != fn.Dense(5)
    with pytest.raises(AttributeError):
        fn.Dense(4).units = 5


def test_names_are_numbered_by_kind():
    layers = [fn.Conv2D(2, 3), fn.ReLU(), fn.Conv2D(2, 3), fn.ReLU(), fn.Flatten(), fn.Dense(2), fn.Dense(2)]
    assert layer_names(layers) == ["conv2d", "relu", "conv2d_1", "relu_1", "flatten", "dense", "dense_1"]


@both_backends
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name_as_an_object_and_as_a_layer(name, backend):
    x, _ = small_data(19)
    outputs = []
    for layers in (
        [fn.Flatten(), fn.Dense(5, activation=name, w_init="he_normal")],
        [fn.Flatten(), fn.Dense(5, activation=ACTIVATIONS[name], w_init="he_normal")],
        [fn.Flatten(), fn.Dense(5, w_init="he_normal"), ACTIVATIONS[name]],
    ):
        model = small_model(backend, layers=layers, loss="sum_squared_error")
        outputs.append(model.predict(x))
    w, b = model.params["dense/w"], model.params["dense/b"]
    expected = getattr(ref, name)(x.reshape(19, 72) @ w + b)
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(outputs[1], outputs[0])
    np.testing.assert_allclose(outputs[2], outputs[0], rtol=1e-12)


@both_backends
def test_softmax_of_images_is_over_the_channels(backend):
    x, _ = small_data(3)
    model = small_model(backend, layers=[fn.Softmax()], loss="sum_squared_error")
    np.testing.assert_allclose(model.predict(x).sum(axis=1), np.ones((3, 6, 6)), rtol=1e-12)


@both_backends
@pytest.mark.parametrize(
    ("layer", "options"),
    [(fn.ELU(alpha=0.5), {"alpha": 0.5}), (fn.GELU(approximate="tanh"), {"approximate": "tanh"})],
)
def test_options_of_activations(layer, options, backend):
    x, _ = small_data(3)
    model = small_model(backend, layers=[layer], loss="sum_squared_error")
    np.testing.assert_allclose(model.predict(x), getattr(ref, layer.kind)(x, **options), rtol=1e-10, atol=1e-12)


@both_backends
def test_leaky_relu_slope(backend):
    model = small_model(backend, layers=[fn.LeakyReLU(negative_slope=0.25)], loss="sum_squared_error")
    x, _ = small_data(3)
    np.testing.assert_array_equal(model.predict(x), np.where(x > 0, x, 0.25 * x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fn.Conv2D(0, 3), ValueError, "Conv2D: filters is 0"),
        (lambda: fn.Conv2D(4.0, 3), TypeError, "Conv2D: filters is 4.0"),
        (lambda: fn.Conv2D(4, (3, 3, 3)), ValueError, "Conv2D: kernel_size"),
        (lambda: fn.Conv2D(4, 3, padding="full"), ValueError, "Conv2D: padding is 'full'"),
        (lambda: fn.Conv2D(4, 3, padding="same", stride=2), ValueError, "stride 1"),
        (lambda: fn.Conv2D(4, 3, activation="swish"), ValueError, "Conv2D: activation is 'swish'.*'relu'"),
        (
            lambda: fn.Conv2D(4, 3, w_init="xavier"),
            ValueError,
            "Conv2D: w_init is 'xavier'.*'glorot_uniform'",
        ),
        (lambda: fn.Dense(4, b_init="none"), ValueError, "Dense: b_init"),
        (lambda: fn.Dense(True), TypeError, "Dense: units is True"),
        (lambda: fn.MaxPool2D(2, padding=2), ValueError, "MaxPool2D: padding is \\(2, 2\\).*half"),
        (lambda: fn.MaxPool2D(2, stride=0), ValueError, "MaxPool2D: stride is 0"),
        (lambda: fn.LeakyReLU(negative_slope=-1), ValueError, "LeakyReLU: negative_slope is -1"),
        (lambda: fn.ELU(alpha=-1), ValueError, "ELU: alpha is -1"),
        (lambda: fn.GELU(approximate="erf"), ValueError, "GELU: approximate is 'erf'.*'tanh'"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([fn.Conv2D(4, 7)], r"layers\[0\] \(conv2d\)"),
        ([fn.MaxPool2D(2), fn.Conv2D(4, 3), fn.Conv2D(4, 3)], r"layers\[2\] \(conv2d_1\)"),
        ([fn.Dense(3)], r"layers\[0\] \(dense\).*\(2, 6, 6\).*Flatten"),
        ([fn.Flatten(), fn.Conv2D(4, 3)], r"layers\[1\] \(conv2d\).*\(72,\).*\(C, H, W\)"),
        ([fn.Flatten(), fn.MaxPool2D(2)], r"layers\[1\] \(max_pool2d\).*\(72,\)"),
        ([fn.MaxPool2D(7)], r"layers\[0\] \(max_pool2d\)"),
    ],
)
def test_layers_that_do_not_fit_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        lower(layers, (2, 6, 6))
