"""Layers: how options are normalised, output shapes, names, and what each activation computes in a model."""

from dataclasses import fields

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
        (fn.MaxPool2D(2, dilation=2), (3, 2, 3)),
        (fn.MaxPool2D(2, ceil_mode=True), (3, 3, 4)),
        (fn.MaxPool2D(3, stride=1, padding="same"), (3, 6, 7)),
        (fn.AvgPool2D(2), (3, 3, 3)),
        (fn.AvgPool2D(3, stride=2, padding=((0, 1), (1, 1))), (3, 3, 4)),
        (fn.AvgPool2D(2, ceil_mode=True), (3, 3, 4)),
        (fn.GlobalAvgPool2D(), (3,)),
        (fn.AdaptiveAvgPool2D((2, 5)), (3, 2, 5)),
        (fn.Conv2D(6, 3, dilation=2), (6, 2, 3)),
        (fn.Conv2D(6, 3, dilation=(1, 2), padding="same", groups=3), (6, 6, 7)),
        (fn.Conv2D(6, 3, stride=2, padding=1), (6, 3, 4)),
        (fn.DepthwiseConv2D(3, depth_multiplier=2), (6, 4, 5)),
        (fn.ConvTranspose2D(4, 3, stride=2, padding=1, output_padding=1), (4, 12, 14)),
        (fn.ConvTranspose2D(6, 2, stride=(2, 1), groups=3), (6, 12, 8)),
        (fn.Dropout(0.5), (3, 6, 7)),
        (fn.BatchNorm(), (3, 6, 7)),
        (fn.LayerNorm(), (3, 6, 7)),
        (fn.GroupNorm(3), (3, 6, 7)),
        (fn.Residual(fn.Conv2D(3, 3, padding="same")), (3, 6, 7)),
        (fn.Residual(fn.Conv2D(8, 3, padding=1, stride=2), shortcut=fn.Conv2D(8, 1, stride=2)), (8, 3, 4)),
        (fn.Concat(fn.Conv2D(4, 1), []), (7, 6, 7)),
        (fn.Concat(fn.Flatten(), [fn.GlobalAvgPool2D(), fn.Dense(4)], fn.GlobalAvgPool2D()), (133,)),
        (fn.Flatten(), (126,)),
        (fn.ReLU(), (3, 6, 7)),
        (fn.Softmax(), (3, 6, 7)),
    ],
)
def test_output_shapes(layer, shape):
    assert layer.output_shape((3, 6, 7)) == shape


@pytest.mark.parametrize(
    ("layer", "shapes", "fans"),
    [
        (fn.Conv2D(6, 3, groups=2), {"w": (6, 2, 3, 3), "b": (6,)}, (18, 27)),
        (fn.DepthwiseConv2D((3, 5), depth_multiplier=2), {"w": (8, 1, 3, 5), "b": (8,)}, (15, 30)),
        (fn.ConvTranspose2D(6, 3, groups=2, bias=False), {"w": (4, 3, 3, 3)}, (18, 27)),
        (fn.BatchNorm(), {"gamma": (4,), "beta": (4,)}, None),
        (fn.LayerNorm(), {"gamma": (4, 6, 7), "beta": (4, 6, 7)}, None),
        (fn.LayerNorm(2), {"gamma": (6, 7), "beta": (6, 7)}, None),
        (fn.GroupNorm(2), {"gamma": (4,), "beta": (4,)}, None),
    ],
)
def test_weights(layer, shapes, fans):
    weights = layer.weights((4, 6, 7))
    assert {name: w.shape for name, w in weights.items()} == shapes
    assert {name for name, w in weights.items() if w.decay} == {"w"} & set(shapes)
    if fans:
        assert (weights["w"].fan_in, weights["w"].fan_out) == fans
    else:
        model = fn.Sequential([layer], (4, 6, 7))
        for name, value in (("gamma", 1), ("beta", 0)):
            assert (model.params[f"{layer.kind}/{name}"] == value).all()


def test_layers_are_made_again_of_their_fields():
    """What saving relies on: each field is taken by the constructor, which leaves its normal form alone."""
    layers = [
        fn.Conv2D(4, 3, padding="same", dilation=2, groups=2, activation="gelu", max_norm=2),
        fn.DepthwiseConv2D(3, depth_multiplier=2, padding=1, stride=2, trainable=False),
        fn.ConvTranspose2D(4, 3, stride=2, output_padding=1, padding=1),
        fn.Dense(4, activation=fn.LeakyReLU(negative_slope=0.2), b_init=fn.initializers.Constant(0.1)),
        fn.MaxPool2D(3, padding=1, dilation=2, ceil_mode=True),
        fn.AvgPool2D(3, padding="same", stride=1, count_include_pad=False),
        fn.AdaptiveAvgPool2D(3),
        fn.GlobalAvgPool2D(),
        fn.BatchNorm(momentum=0.2, eps=1e-3),
        fn.LayerNorm(1),
        fn.GroupNorm(2),
        fn.Dropout(0.5),
        fn.Residual(fn.Conv2D(2, 1), fn.ReLU(), shortcut=fn.Conv2D(2, 1), trainable=False),
        fn.Concat(fn.Conv2D(2, 1), [fn.Residual(fn.ReLU())], []),
    ]
    for layer in layers:
        again = type(layer)(**{field.name: getattr(layer, field.name) for field in fields(layer)})
        assert again == layer
        assert hash(again) == hash(layer)


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
        (lambda: fn.MaxPool2D(2, padding=2), ValueError, "MaxPool2D: padding is 2, .*half"),
        (lambda: fn.MaxPool2D(3, padding=((0, 2), (0, 0))), ValueError, "MaxPool2D: padding is .*half"),
        (lambda: fn.MaxPool2D(2, ceil_mode=1), TypeError, "MaxPool2D: ceil_mode is 1"),
        (lambda: fn.MaxPool2D(2, dilation=0), ValueError, "MaxPool2D: dilation is 0"),
        (lambda: fn.AvgPool2D(0), ValueError, "AvgPool2D: kernel_size is 0"),
        (lambda: fn.AvgPool2D(2, padding="same"), ValueError, "AvgPool2D: padding is .same.*stride 1"),
        (lambda: fn.AvgPool2D(2, count_include_pad=None), TypeError, "AvgPool2D: count_include_pad is None"),
        (lambda: fn.AdaptiveAvgPool2D(0), ValueError, "AdaptiveAvgPool2D: output_size is 0"),
        (lambda: fn.Conv2D(4, 3, groups=3), ValueError, "Conv2D: groups is 3, a divisor of the 4 filters"),
        (lambda: fn.Conv2D(4, 3, groups=0), ValueError, "Conv2D: groups is 0"),
        (lambda: fn.Conv2D(4, 3, dilation=0), ValueError, "Conv2D: dilation is 0"),
        (lambda: fn.Conv2D(4, 3, bias="no"), TypeError, "Conv2D: bias is 'no'"),
        (lambda: fn.Conv2D(4, 3, trainable=1), TypeError, "Conv2D: trainable is 1"),
        (lambda: fn.Conv2D(4, 3, max_norm=0), ValueError, "Conv2D: max_norm.* is 0"),
        (lambda: fn.Conv2D(4, 3, w_init=fn.initializers.Constant), TypeError, "Conv2D: w_init is the class Constant"),
        (lambda: fn.DepthwiseConv2D(3, depth_multiplier=0), ValueError, "DepthwiseConv2D: depth_multiplier is 0"),
        (lambda: fn.ConvTranspose2D(4, 3, output_padding=-1), ValueError, "ConvTranspose2D: output_padding is -1"),
        (lambda: fn.Dense(4, max_norm="1"), TypeError, "Dense: max_norm.* is '1'"),
        (lambda: fn.Dropout(1.5), ValueError, "Dropout: rate is 1.5"),
        (lambda: fn.Dropout("half"), TypeError, "Dropout: rate is 'half'"),
        (lambda: fn.BatchNorm(momentum=1.1), ValueError, "BatchNorm: momentum is 1.1"),
        (lambda: fn.BatchNorm(eps=-1), ValueError, "BatchNorm: eps is -1"),
        (lambda: fn.LayerNorm(0), ValueError, "LayerNorm: axes is 0"),
        (lambda: fn.GroupNorm(0), ValueError, "GroupNorm: groups is 0"),
        (lambda: fn.Residual(), ValueError, "Residual: layers is empty"),
        (lambda: fn.Residual(fn.ReLU), TypeError, r"Residual: layers\[0\] is <class"),
        (lambda: fn.Residual(fn.ReLU(), shortcut="conv"), TypeError, "Residual: shortcut is 'conv'"),
        (lambda: fn.Residual(fn.ReLU(), layers=[fn.ReLU()]), TypeError, "one way is needed"),
        (lambda: fn.Concat(fn.ReLU()), ValueError, "Concat: there are 1 branches, at least 2"),
        (lambda: fn.Concat(fn.ReLU(), [3]), TypeError, r"Concat: branches\[1\]\[0\] is 3"),
        (lambda: fn.Concat(fn.ReLU(), None), TypeError, r"Concat: branches\[1\] is None"),
        (lambda: fn.initializers.Constant("1"), TypeError, "Constant: value is '1'"),
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
        ([fn.Conv2D(3, 1, groups=3)], r"\(conv2d\): Conv2D: groups is 3, a divisor of the 2 input channels"),
        ([fn.Flatten(), fn.DepthwiseConv2D(3)], r"\(depthwise_conv2d\): DepthwiseConv2D: .*\(72,\), \(C, H, W\)"),
        ([fn.ConvTranspose2D(4, 3, output_padding=1)], r"\(conv_transpose2d\).*output_padding"),
        ([fn.Flatten(), fn.GlobalAvgPool2D()], r"GlobalAvgPool2D: .*\(72,\), \(C, H, W\)"),
        ([fn.Flatten(), fn.AdaptiveAvgPool2D(2)], r"AdaptiveAvgPool2D: .*\(72,\), \(C, H, W\)"),
        ([fn.LayerNorm(4)], r"LayerNorm: axes is 4, .*\(2, 6, 6\)"),
        ([fn.GroupNorm(3)], r"\(group_norm\): group_norm: groups is 3"),
        (
            [fn.ReLU(), fn.Residual(fn.Conv2D(3, 3))],
            r"layers\[1\] \(residual\): Residual: .*\(3, 4, 4\) and the input has \(2, 6, 6\).*shortcut=Conv2D\(3, 1",
        ),
        (
            [fn.Residual(fn.Conv2D(3, 3), shortcut=fn.Conv2D(3, 1))],
            r"\(3, 4, 4\) and the shortcut gives \(3, 6, 6\)",
        ),
        (
            [fn.Residual(fn.ReLU(), fn.Residual(fn.ReLU(), fn.Conv2D(2, 9)))],
            r"layers\[0\] \(residual\): layers\[1\] \(residual\): layers\[1\] \(conv2d\)",
        ),
        ([fn.Residual(fn.ReLU(), shortcut=fn.Dense(3))], r"\(residual\): shortcut: layers\[0\] \(dense\)"),
        ([fn.Concat([], fn.MaxPool2D(2))], r"Concat: .*\(2, 6, 6\), \(2, 3, 3\).*channels only"),
        ([fn.Concat([], fn.Flatten())], r"Concat: .*\(2, 6, 6\), \(72,\)"),
        ([fn.Concat([], [fn.ReLU(), fn.Conv2D(2, 9)])], r"\(concat\): branches\[1\]: layers\[1\] \(conv2d\)"),
    ],
)
def test_layers_that_do_not_fit_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        lower(layers, (2, 6, 6))
