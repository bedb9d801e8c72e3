"""Small nets of all layers: both interpreters agree, gradients equal central differences, threads change no bit."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, copy_of, small_data
from tapes import threads

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT


def block(channels, stride=1, activation="tanh"):
    """A residual block with normalisation, as in ResNets."""
    shortcut = [fn.Conv2D(channels, 1, stride=stride, bias=False), fn.BatchNorm()] if stride > 1 else None
    return fn.Residual(
        fn.Conv2D(channels, 3, stride=stride, padding=1, bias=False, activation=activation),
        fn.BatchNorm(),
        fn.Conv2D(channels, 3, padding=1),
        shortcut=shortcut,
    )


# For images (2, 6, 6) and 5 classes.
NETS = {
    "convolutions": [
        fn.Conv2D(4, 3, padding="same", dilation=2, groups=2, activation="gelu"),
        fn.DepthwiseConv2D(3, depth_multiplier=2, stride=2, padding=1, activation="tanh"),
        fn.ConvTranspose2D(4, 3, stride=2, padding=1, output_padding=1, groups=2, activation="silu"),
        fn.Flatten(),
        fn.Dense(5),
    ],
    "pools": [
        fn.Conv2D(3, 3, padding="same", activation="elu"),
        fn.MaxPool2D(2, stride=1, padding=((0, 1), (1, 0)), dilation=2),
        fn.AvgPool2D(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        fn.Concat(fn.AdaptiveAvgPool2D((2, 3)), fn.AdaptiveAvgPool2D((2, 3))),
        fn.Conv2D(5, 1),
        fn.GlobalAvgPool2D(),
    ],
    "norms": [
        fn.BatchNorm(momentum=0.3, eps=1e-3),
        fn.Conv2D(4, 3, padding="same", bias=False),
        fn.BatchNorm(),
        fn.Softplus(),
        fn.GroupNorm(2),
        fn.LayerNorm(1),
        fn.Flatten(),
        fn.LayerNorm(),
        fn.Dense(6, activation="sigmoid"),
        fn.BatchNorm(),
        fn.Dense(5),
    ],
    "nested": [
        block(2),
        fn.Concat(
            [block(4, stride=2), fn.Dropout(0.3)],
            fn.MaxPool2D(2),
            [fn.Residual(fn.Concat([], fn.Conv2D(1, 1)), fn.Conv2D(2, 1)), fn.AvgPool2D(2)],
        ),
        fn.Dropout(0.25),
        fn.Flatten(),
        fn.Concat(fn.Dense(3, activation="tanh"), [fn.Dense(4), fn.BatchNorm()]),
        fn.Residual(fn.Dense(7)),
        fn.Dense(5),
    ],
}


def build(name, backend="reference"):
    model = fn.Sequential(NETS[name], (2, 6, 6), dtype=np.float64)
    model.backend = backend
    model.compile(fn.Momentum(0.01, weight_decay=0.1), "softmax_cross_entropy")
    return model


@pytest.mark.parametrize("name", NETS)
def test_compiled_equals_the_reference(name):
    x, y = small_data(23)
    models = [build(name, backend) for backend in ("compiled", "reference")]
    for n in (17, 3):
        (loss, grads), (expected_loss, expected) = (model.gradients(x[:n], y[:n]) for model in models)
        assert loss == pytest.approx(expected_loss, rel=1e-10)
        assert_same(grads, expected, rtol=1e-8, atol=1e-11)
    for model in models:
        model.fit(x, y, batch_size=17, epochs=2, verbose=0)
    assert_same(models[0].params, models[1].params, rtol=1e-8, atol=1e-10)
    assert_same(models[0].states, models[1].states, rtol=1e-9, atol=1e-12)
    outputs = [model.predict(x) for model in models]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", NETS)
def test_gradients_equal_central_differences(name):
    """As computed in training: with the batch's statistics, and with the same random numbers each time."""
    x, y = small_data(7)
    model = build(name)
    rng = np.random.default_rng(4)
    _, grads = model.gradients(x, y)
    assert list(grads) == list(model.params)
    eps = 1e-6
    for key, param in model.params.items():
        for k in rng.choice(param.size, min(param.size, 3), replace=False):
            at = np.unravel_index(k, param.shape)
            start, losses = param[at], []
            for shifted in (start + eps, start - eps):
                param[at] = shifted
                losses.append(model.gradients(x, y)[0])
            param[at] = start
            expected = (losses[0] - losses[1]) / (2 * eps)
            np.testing.assert_allclose(grads[key][at], expected, rtol=1e-4, atol=1e-8, err_msg=key)


@pytest.mark.parametrize("name", NETS)
def test_output_shapes_are_what_comes_out(name):
    x, _ = small_data(2)
    shape, layers = (2, 6, 6), []
    for layer in NETS[name]:
        shape = layer.output_shape(shape)
        layers.append(layer)
        model = fn.Sequential(layers, (2, 6, 6), dtype=np.float64)
        model.backend = "reference"
        assert model.predict(x).shape[1:] == shape == model.output_shape


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
def test_one_thread_and_two_give_the_same_bits():
    x, y = small_data(150)
    results = []
    for n in (1, 2):
        with threads(n) as used:
            model = build("nested", "compiled")
            model.fit(x, y, batch_size=64, epochs=2, verbose=0)
            arrays = [*model.params.values(), *model.states.values(), model.predict(x)]
            results.append([a.tobytes() for a in arrays])
            assert n in used
    assert results[0] == results[1]


def nested_model():
    layers = [
        fn.Conv2D(2, 1),
        fn.Residual(fn.Conv2D(4, 1), fn.Conv2D(4, 1), shortcut=[fn.Conv2D(4, 1, bias=False), fn.BatchNorm()]),
        fn.Concat(fn.Conv2D(2, 1), fn.Residual(fn.Conv2D(4, 1)), []),
    ]
    return fn.Sequential(layers, (2, 3, 3))


def test_names_of_nested_parameters():
    model = nested_model()
    assert list(model.params) == [
        "conv2d/w",
        "conv2d/b",
        "residual/conv2d/w",
        "residual/conv2d/b",
        "residual/conv2d_1/w",
        "residual/conv2d_1/b",
        "residual/shortcut/conv2d/w",
        "residual/shortcut/batch_norm/gamma",
        "residual/shortcut/batch_norm/beta",
        "concat/branch_0/conv2d/w",
        "concat/branch_0/conv2d/b",
        "concat/branch_1/residual/conv2d/w",
        "concat/branch_1/residual/conv2d/b",
    ]
    states = model.states
    assert list(states) == [
        "residual/shortcut/batch_norm/running_mean",
        "residual/shortcut/batch_norm/running_var",
    ]
    np.testing.assert_array_equal(states["residual/shortcut/batch_norm/running_var"], np.ones(4))
    assert model.output_shape == (2 + 4 + 4, 3, 3)


@both_backends
def test_what_residual_and_concat_compute(backend):
    x, _ = small_data(19)
    layers = [
        fn.Residual(fn.Conv2D(2, 1), fn.ReLU()),
        fn.Residual(fn.Tanh(), shortcut=fn.Conv2D(2, 1, bias=False)),
        fn.Concat([], fn.ReLU(), fn.Conv2D(1, 1)),
    ]
    model = fn.Sequential(layers, (2, 6, 6), dtype="float64")
    model.backend = backend
    p = model.params
    a = x + ref.relu(ref.conv2d(x, p["residual/conv2d/w"], p["residual/conv2d/b"]))
    a = np.tanh(a) + ref.conv2d(a, p["residual_1/shortcut/conv2d/w"])
    last = ref.conv2d(a, p["concat/branch_2/conv2d/w"], p["concat/branch_2/conv2d/b"])
    expected = np.concatenate([a, ref.relu(a), last], axis=1)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-12, atol=1e-12)


@both_backends
def test_batch_norm_trains_on_the_batch_and_predicts_from_what_it_remembers(backend):
    x, y = small_data(19)
    model = fn.Sequential([fn.BatchNorm(momentum=0.25), fn.Flatten(), fn.Dense(5)], (2, 6, 6), dtype="float64")
    model.backend = backend
    model.compile("sgd", "softmax_cross_entropy")
    model.train_step(x, y)
    mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3), ddof=1)
    assert_same(
        model.states,
        {"batch_norm/running_mean": 0.25 * mean, "batch_norm/running_var": 0.75 + 0.25 * var},
        rtol=1e-12,
    )
    states, p = copy_of(model.states), model.params
    expected, _, _ = ref.batch_norm(
        x, p["batch_norm/gamma"], p["batch_norm/beta"], running_mean=states["batch_norm/running_mean"],
        running_var=states["batch_norm/running_var"], training=False,
    )  # fmt: skip
    flat = expected.reshape(19, -1) @ p["dense/w"] + p["dense/b"]
    np.testing.assert_allclose(model.predict(x), flat, rtol=1e-10, atol=1e-12)
    model.evaluate(x, y)
    model.gradients(x, y)
    assert_same(model.states, states)


@both_backends
def test_dropout_layers_have_masks_of_their_own(backend):
    """Seen from the gradients of what is behind: 0 where an input was dropped in all samples, of which there is one."""
    x = np.ones((1, 2, 6, 6))
    dropped = []
    for seed in (0, 0, 1):
        layers = [fn.Flatten(), fn.Concat(fn.Dropout(0.5), fn.Dropout(0.5)), fn.Dense(5)]
        model = fn.Sequential(layers, (2, 6, 6), seed=seed, dtype="float64")
        model.backend = backend
        model.compile("sgd", "softmax_cross_entropy")
        dropped.append(model.gradients(x, np.array([2]))[1]["dense/w"][:, 0].reshape(2, 72) == 0)
        np.testing.assert_allclose(model.predict(x)[0], model.params["dense/w"].sum(axis=0), rtol=1e-12)
    first, again, other = dropped
    assert 20 < first[0].sum() < 52
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@both_backends
def test_frozen_layers_and_layers_that_hold_others(backend):
    layers = [
        fn.Residual(fn.Conv2D(2, 1), fn.Residual(fn.Conv2D(2, 1)), trainable=False),
        fn.Concat(fn.Conv2D(1, 1, trainable=False), [fn.Conv2D(2, 1), fn.BatchNorm(trainable=False)]),
        fn.Flatten(),
        fn.Dense(5),
    ]
    x, y = small_data(17)
    model = fn.Sequential(layers, (2, 6, 6), dtype="float64")
    model.backend = backend
    model.compile(fn.AdamW(0.01, weight_decay=0.5), "softmax_cross_entropy")
    before, states = copy_of(model.params), copy_of(model.states)
    model.fit(x, y, epochs=2, verbose=0)
    moved = [name for name, value in model.params.items() if (value != before[name]).any()]
    assert moved == ["concat/branch_1/conv2d/w", "concat/branch_1/conv2d/b", "dense/w", "dense/b"]
    assert list(model.gradients(x, y)[1]) == moved
    # As in PyTorch, a frozen BatchNorm goes on remembering.
    assert all((value != states[name]).all() for name, value in model.states.items())


@both_backends
def test_max_norm(backend):
    layers = [
        fn.Conv2D(4, 3, padding=1, max_norm=0.5),
        fn.DepthwiseConv2D(3, padding=1, max_norm=0.4),
        fn.ConvTranspose2D(4, 3, padding=1, groups=2, max_norm=0.3),
        fn.Flatten(),
        fn.Dense(5, max_norm=0.2),
    ]
    x, y = small_data(17)
    model = fn.Sequential(layers, (2, 6, 6), dtype="float64")
    model.backend = backend
    model.compile("sgd", "softmax_cross_entropy")
    model.train_step(x, y)
    w = {name: value**2 for name, value in model.params.items() if name.endswith("/w")}
    norms = {
        0.5: np.sqrt(w["conv2d/w"].sum(axis=(1, 2, 3))),
        0.4: np.sqrt(w["depthwise_conv2d/w"].sum(axis=(1, 2, 3))),
        0.3: np.sqrt(w["conv_transpose2d/w"].reshape(2, 2, 2, 3, 3).sum(axis=(1, 3, 4))),
        0.2: np.sqrt(w["dense/w"].sum(axis=0)),
    }
    for limit, found in norms.items():
        np.testing.assert_allclose(found, limit, rtol=1e-9)


@both_backends
def test_a_last_batch_of_one_is_found_before_training_starts(backend):
    x, y = small_data(17)
    layers = [fn.Flatten(), fn.Dense(5), fn.BatchNorm()]
    model = fn.Sequential(layers, (2, 6, 6), dtype="float64")
    model.backend = backend
    model.compile("sgd", "softmax_cross_entropy")
    before = copy_of(model.params) | copy_of(model.states)
    for options, message in (
        ({"batch_size": 4}, r"fit: batch_norm: .*the last batch of 17 samples by 4 has 1: drop_last=True"),
        ({"batch_size": 1}, "fit: batch_norm: a batch of one sample"),
        ({"batch_size": 1, "drop_last": True}, "fit: batch_norm: a batch of one sample"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, verbose=0, **options)
        assert_same(model.params | model.states, before)
    for function in ("train_step", "gradients"):
        with pytest.raises(ValueError, match=f"^{function}: batch_norm: a batch of one sample"):
            getattr(model, function)(x[:1], y[:1])
    model.fit(x, y, batch_size=4, drop_last=True, verbose=0)
    assert (model.states["batch_norm/running_mean"] != 0).all()
