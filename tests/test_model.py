"""Sequential: outputs, gradients and steps, on both interpreters."""

import numpy as np
import pytest
from model_helpers import (
    assert_same,
    both_backends,
    copy_of,
    small_data,
    small_layers,
    small_model,
    state_of,
)

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.metrics import averages


@both_backends
def test_predict_is_the_last_layers_output(backend):
    x, _ = small_data(21)
    model = small_model(backend)
    p = model.params
    a = ref.relu(ref.conv2d(x, p["conv2d/w"], p["conv2d/b"], padding="same"))
    a = ref.max_pool2d(a, 2)[0].reshape(21, -1)
    a = ref.relu(a @ p["dense/w"] + p["dense/b"])
    expected = a @ p["dense_1/w"] + p["dense_1/b"]
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.predict(x, batch_size=4), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(model.predict_classes(x), expected.argmax(axis=1))
    np.testing.assert_allclose(model.predict_proba(x), ref.softmax(expected), rtol=1e-10)


@both_backends
def test_evaluate(backend):
    x, y = small_data(21)
    model = small_model(backend)
    before = state_of(model)
    logits = model.predict(x)
    losses, _ = ref.softmax_cross_entropy(logits, y, reduction="none")
    found = model.evaluate(x, y, batch_size=4)
    assert found == pytest.approx({"loss": losses.mean(), "accuracy": (logits.argmax(axis=1) == y).mean()})
    assert_same(state_of(model), before)


@both_backends
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sum_squared_error"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "sigmoid", "tanh", "identity", "softmax"])
def test_gradients_equal_central_differences(backend, loss, activation):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3, 2, 6, 6))
    y = rng.standard_normal((3, 5)) if loss == "sum_squared_error" else np.array([0, 4, 2])
    model = small_model(backend, layers=small_layers(activation), loss=loss)
    before = state_of(model)
    value, grads = model.gradients(x, y)
    assert_same(state_of(model), before)
    assert value == pytest.approx(model.evaluate(x, y)["loss"])
    assert list(grads) == list(model.params)
    eps = 1e-6
    for name, param in model.params.items():
        for k in rng.choice(param.size, min(param.size, 4), replace=False):
            at = np.unravel_index(k, param.shape)
            start = param[at]
            losses = []
            for shifted in (start + eps, start - eps):
                param[at] = shifted
                losses.append(model.evaluate(x, y)["loss"])
            param[at] = start
            expected = (losses[0] - losses[1]) / (2 * eps)
            np.testing.assert_allclose(grads[name][at], expected, rtol=1e-4, atol=1e-8, err_msg=name)


@both_backends
def test_one_hot_targets_give_what_labels_give(backend):
    x, y = small_data(19)
    model = small_model(backend)
    loss, grads = model.gradients(x, y)
    soft_loss, soft_grads = model.gradients(x, np.eye(5)[y])
    assert soft_loss == pytest.approx(loss)
    assert_same(soft_grads, grads, rtol=1e-10, atol=1e-14)
    assert model.evaluate(x, np.eye(5, dtype=int)[y]) == pytest.approx(model.evaluate(x, y))


@both_backends
def test_frozen_layers_stay(backend):
    layers = [
        fn.Conv2D(3, 3, activation="relu", trainable=False),
        fn.Flatten(),
        fn.Dense(7),
        fn.Dense(6, trainable=False),
        fn.Dense(5),
    ]
    x, y = small_data()
    model = small_model(backend, layers=layers, optimizer=fn.Momentum(0.1, weight_decay=0.5))
    before = copy_of(model.params)
    assert list(model.gradients(x, y)[1]) == ["dense/w", "dense/b", "dense_2/w", "dense_2/b"]
    for _ in range(2):
        model.train_step(x, y)
    for name, value in model.params.items():
        frozen = name.startswith(("conv2d/", "dense_1/"))
        assert (value == before[name]).all() == frozen, name


@both_backends
def test_without_bias_is_a_bias_of_zero(backend):
    x, y = small_data(19)
    models = [
        small_model(backend, layers=[fn.Conv2D(3, 3, bias=bias), fn.Flatten(), fn.Dense(5, bias=bias)])
        for bias in (False, True)
    ]
    assert list(models[0].params) == ["conv2d/w", "dense/w"]
    np.testing.assert_array_equal(models[0].predict(x), models[1].predict(x))
    (loss, grads), (expected_loss, expected) = (model.gradients(x, y) for model in models)
    assert loss == expected_loss
    assert_same(grads, {name: expected[name] for name in grads})


@both_backends
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_input_array_gives_what_a_plain_one_gives(backend, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20, 2, 6, 6)).astype(dtype)
    model = small_model(backend, dtype=dtype)
    expected = model.predict(x)
    assert expected.dtype == dtype
    read_only = x.copy()
    read_only.flags.writeable = False
    spaced = np.zeros((40, 2, 6, 12), dtype)
    spaced[::2, :, :, ::2] = x
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(dtype).reshape(x.shape)
    for same in (
        x.astype(np.float64),
        x.astype(np.float32),
        x.astype(np.float16),
        x.astype(np.int16),
        x.astype(x.dtype.newbyteorder()),
        read_only,
        np.asfortranarray(x),
        spaced[::2, :, :, ::2],
        x[::-1][::-1],
        unaligned,
        x.tolist(),
    ):
        np.testing.assert_array_equal(model.predict(same), expected)


@both_backends
def test_labels_of_any_integer_dtype(backend):
    x, y = small_data()
    model = small_model(backend)
    expected = model.evaluate(x, y)
    for labels in (y.astype(np.uint8), y.astype(np.int32)[::-1][::-1], y.tolist(), np.repeat(y, 2)[::2]):
        assert model.evaluate(x, labels) == expected


@both_backends
@pytest.mark.parametrize("batch", [1, 3, 17])
def test_a_batch_equals_its_samples_one_by_one(backend, batch):
    x, _ = small_data(17)
    model = small_model(backend)
    whole = model.predict(x, batch_size=17)
    np.testing.assert_allclose(model.predict(x, batch_size=batch), whole, rtol=1e-10, atol=1e-12)


def test_switching_the_backend_keeps_all_state():
    x, y = small_data(19)
    compiled, reference, both = (small_model(name) for name in ("compiled", "reference", "compiled"))
    for backend in ("reference", "compiled", "compiled", "reference"):
        both.backend = backend
        losses = [model.train_step(x, y) for model in (compiled, reference, both)]
        np.testing.assert_allclose(losses, losses[1], rtol=1e-10)
    assert_same(both.params, reference.params, rtol=1e-10, atol=1e-12)
    assert_same(compiled.params, reference.params, rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match=r"backend is 'numpy'.*'compiled', 'reference'"):
        both.backend = "numpy"
    assert both.backend == "reference"


def test_compile_resets_the_optimizer_and_keeps_the_parameters():
    x, y = small_data()
    model = small_model()
    model.train_step(x, y)
    params = copy_of(model.params)
    model.compile("adam", "softmax_cross_entropy")
    assert_same(model.params, params)
    state = state_of(model)
    assert not state["slots"].any() and state["slots"].shape == (2, params_size(model))
    assert state["counters"].tolist() == [0, 0]
    model.compile("sgd", "softmax_cross_entropy")
    assert state_of(model)["slots"].shape == (0, params_size(model))


def params_size(model):
    return sum(p.size for p in model.params.values())


def test_params_are_views():
    x, _ = small_data()
    model = small_model()
    model.params["dense_1/w"][...] = 0
    model.params["dense_1/b"][...] = np.arange(5)
    np.testing.assert_array_equal(model.predict(x), np.tile(np.arange(5.0), (20, 1)))


def test_predict_before_compile():
    x, _ = small_data()
    model = fn.Sequential(small_layers(), input_shape=(2, 6, 6), dtype="float64")
    model.backend = "reference"
    np.testing.assert_array_equal(model.predict(x), small_model().predict(x))


def test_predict_proba_of_a_last_softmax_or_sigmoid_is_the_output():
    x, _ = small_data()
    for activation in ("softmax", "sigmoid"):
        layers = [fn.Flatten(), fn.Dense(5, activation=activation)]
        model = small_model(layers=layers, loss="sum_squared_error")
        np.testing.assert_array_equal(model.predict_proba(x), model.predict(x))


def test_summary(capsys):
    layers = [
        fn.Conv2D(3, 3, trainable=False),
        fn.Residual(fn.BatchNorm(), fn.Residual(fn.ReLU()), shortcut=fn.Conv2D(3, 1)),
        fn.Flatten(),
        fn.Dense(5),
    ]
    text = fn.Sequential(layers, (2, 6, 6)).summary()
    assert capsys.readouterr().out == text + "\n"
    lines = text.splitlines()
    cells = [line.replace(", ", ",").split() for line in lines]
    assert cells[3:] == [
        ["conv2d", "(3,4,4)", "57"],
        ["residual", "(3,4,4)", "18"],
        ["batch_norm", "(3,4,4)", "6"],
        ["residual", "(3,4,4)", "0"],
        ["relu", "(3,4,4)", "0"],
        ["shortcut/conv2d", "(3,4,4)", "12"],
        ["flatten", "(48,)", "0"],
        ["dense", "(5,)", "245"],
        cells[1],
        ["total", "parameters:", "320,trainable", "263"],
        ["running", "statistics:", "6"],
    ]
    assert [len(line) - len(line.lstrip()) for line in lines[3:11]] == [0, 0, 2, 2, 4, 2, 0, 0]


@both_backends
def test_nan_goes_through_to_the_loss(backend):
    x, y = small_data()
    x[3, 1, 2, 2] = np.nan
    model = small_model(backend)
    output = model.predict(x)
    assert np.isnan(output[3]).all() and np.isfinite(np.delete(output, 3, axis=0)).all()
    assert np.isnan(model.evaluate(x, y)["loss"])
    assert 0 <= model.evaluate(x, y)["accuracy"] <= 1
    assert np.isnan(model.train_step(x, y))


def test_averages():
    accuracy = small_model()._metrics
    assert averages(6.0, 3, 4, accuracy) == {"loss": 1.5, "accuracy": 0.75}
    assert averages(6.0, 3, 4, ()) == {"loss": 1.5}
