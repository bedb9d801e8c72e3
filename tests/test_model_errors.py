"""Wrong arguments: a clear message, and nothing has changed."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, small_data, small_layers, small_model, state_of

import fastnn as fn

X, Y = small_data()
SOFT = np.eye(5)[Y]


def zeros(*shape):
    return np.zeros(shape)


def with_label(value, k=3, dtype=np.int64):
    y = Y.astype(dtype)
    y[k] = value
    return y


# What x may not be, for a model of images (2, 6, 6): x, error, message after "<function>: x".
BAD_X = {
    "channels last": (
        zeros(20, 6, 6, 2),
        ValueError,
        r" has shape \(20, 6, 6, 2\), .* is needed; x looks channels last: x.transpose\(0, 3, 1, 2\)",
    ),
    "one sample": (X[0], ValueError, r" has shape \(2, 6, 6\), .*x\[None\]"),
    "flat": (X.reshape(20, 72), ValueError, r" has shape \(20, 72\), .*x.reshape\(-1, 2, 6, 6\)"),
    "other size": (zeros(20, 2, 5, 6), ValueError, r" has shape \(20, 2, 5, 6\), \(N, 2, 6, 6\) is needed$"),
    "a number": (np.float64(3), ValueError, r" has shape \(\), "),
    "no samples": (X[:0], ValueError, r" has no samples \(shape \(0, 2, 6, 6\)\)"),
    "complex": (X.astype(complex), TypeError, " has dtype complex128, real numbers are needed"),
    "text": (np.full(X.shape, "1"), TypeError, " has dtype <U1"),
    "objects": (X.astype(object), TypeError, " has dtype object"),
    "ragged": ([[1, 2], [3]], ValueError, " is nested with unequal lengths"),
    "masked": (np.ma.masked_array(X), TypeError, " is a masked array"),
}

# What y may not be, for labels of 5 classes.
BAD_LABELS = {
    "too large": (with_label(5), ValueError, r"y\[3\] is 5, the model has 5 classes: labels from 0 to 4"),
    "negative": (with_label(-1), ValueError, r"y\[3\] is -1, "),
    "first of two": (with_label(9, [7, 2]), ValueError, r"y\[2\] is 9, "),
    "large unsigned": (with_label(2**64 - 1, dtype=np.uint64), ValueError, r"y\[3\] is 18446744073709551615"),
    "column": (Y[:, None], ValueError, r"y has shape \(20, 1\), .*\(N, 5\) are needed: y\[:, 0\]"),
    "floats": (
        Y.astype(float),
        TypeError,
        r"y has dtype float64, integer labels are needed: y.astype\(int\)",
    ),
    "one-hot of other classes": (np.eye(6)[Y], ValueError, r"y has shape \(20, 6\), .*\(N, 5\)"),
    "three axes": (zeros(20, 5, 1), ValueError, r"y has shape \(20, 5, 1\)"),
    "too few": (Y[:19], ValueError, "x has 20 samples but y has 19"),
    "none": (Y[:0], ValueError, "y has no samples"),
    "text": (Y.astype(str), TypeError, "y has dtype"),
    "a number": (3, ValueError, r"y has shape \(\)"),
}

# What y may not be, for sum_squared_error over outputs (5,).
BAD_TARGETS = {
    "labels": (Y, ValueError, r"y has shape \(20,\) and dtype int64, .*np.eye\(5\)\[y\]"),
    "other size": (zeros(20, 4), ValueError, r"y has shape \(20, 4\), \(N, 5\) is needed"),
    "one axis": (zeros(20), ValueError, r"y has shape \(20,\), \(N, 5\) is needed"),
    "too many": (zeros(21, 5), ValueError, "x has 20 samples but y has 21"),
    "none": (zeros(0, 5), ValueError, "y has no samples"),
}

WITH_TARGETS = ["fit", "train_step", "gradients", "evaluate"]


def refused(model, error, message, function, *args, **kwargs):
    before = state_of(model)
    with pytest.raises(error, match=message):
        getattr(model, function)(*args, **kwargs)
    assert_same(state_of(model), before)


def trained(backend="reference", **options):
    """A model whose optimizer state and counters are not zero, so that a change would be seen."""
    model = small_model(backend, **options)
    target = SOFT if options.get("loss") == "sum_squared_error" else Y
    model.fit(X, target, batch_size=8, verbose=0)
    return model


@both_backends
@pytest.mark.parametrize("function", WITH_TARGETS)
@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(case, function, backend):
    x, error, message = BAD_X[case]
    refused(trained(backend), error, f"^{function}: x{message}", function, x, Y)


@pytest.mark.parametrize("function", ["predict", "predict_proba", "predict_classes"])
@pytest.mark.parametrize("case", BAD_X)
def test_bad_x_without_targets(case, function):
    x, error, message = BAD_X[case]
    refused(trained(), error, f"^{function}: x{message}", function, x)


@both_backends
@pytest.mark.parametrize("function", WITH_TARGETS)
@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case, function, backend):
    y, error, message = BAD_LABELS[case]
    refused(trained(backend), error, f"^{function}: {message}", function, X, y)


@pytest.mark.parametrize("function", WITH_TARGETS)
def test_missing_targets(function):
    refused(trained(), TypeError, f"^{function}: y is missing", function, X, None)


@pytest.mark.parametrize("function", WITH_TARGETS)
@pytest.mark.parametrize("case", BAD_TARGETS)
def test_bad_targets(case, function):
    y, error, message = BAD_TARGETS[case]
    refused(trained(loss="sum_squared_error"), error, f"^{function}: {message}", function, X, y)


@pytest.mark.parametrize(
    ("shape", "given", "advice"),
    [
        ((1, 4, 5), (3, 4, 5), r"the channel axis is missing: x\[:, None\]"),
        ((1, 4, 5), (3, 4, 5, 1), r"x looks channels last: x.transpose\(0, 3, 1, 2\)"),
        ((4, 5, 1), (3, 1, 4, 5), r"x looks channels first, .*input_shape is \(1, 4, 5\)"),
        ((20,), (3, 4, 5), r"x.reshape\(-1, 20\)"),
        ((1, 4, 5), (3, 20), r"x.reshape\(-1, 1, 4, 5\)"),
    ],
)
def test_advice(shape, given, advice):
    layers = [fn.Dense(2)] if len(shape) == 1 else [fn.Flatten(), fn.Dense(2)]
    model = fn.Sequential(layers, input_shape=shape)
    with pytest.raises(ValueError, match=advice):
        model.predict(zeros(*given))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "fit: epochs is 0, at least 1"),
        ({"epochs": 2.0}, TypeError, "fit: epochs is 2.0"),
        ({"epochs": 2, "initial_epoch": 3}, ValueError, "fit: epochs is 2, at least 3"),
        ({"initial_epoch": -1}, ValueError, "fit: initial_epoch is -1"),
        ({"batch_size": 0}, ValueError, 'fit: batch_size is 0, at least 1 or "full"'),
        ({"batch_size": "all"}, TypeError, "fit: batch_size is 'all'"),
        ({"batch_size": 2.5}, TypeError, "fit: batch_size is 2.5"),
        ({"batch_size": True}, TypeError, "fit: batch_size is True"),
        ({"batch_size": 21, "drop_last": True}, ValueError, "fit: batch_size is 21 of 20 .*no batch"),
        ({"validation_split": 1.0}, ValueError, "fit: validation_split is 1.0"),
        ({"validation_split": -0.1}, ValueError, "fit: validation_split is -0.1"),
        ({"validation_split": 0.01}, ValueError, "fit: validation_split is 0.01: of 20 samples that is none"),
        ({"validation_split": 0.5, "validation_data": (X, Y)}, ValueError, "both given"),
        ({"validation_data": X}, TypeError, r"fit: validation_data is no pair"),
        ({"validation_data": (X[:, :1], Y)}, ValueError, r"fit: validation_data\[0\] has shape"),
        ({"validation_data": (X, with_label(5))}, ValueError, r"fit: validation_data\[1\]\[3\] is 5"),
        (
            {"validation_data": (X, Y[1:])},
            ValueError,
            r"validation_data\[0\] has 20 .*validation_data\[1\] has 19",
        ),
        ({"verbose": 3}, ValueError, "fit: verbose is 3"),
        ({"validation_data": (X, None)}, TypeError, r"fit: validation_data\[1\] is missing"),
        # Finite as float64, but not in a float32 model.
        ({"sample_weight": np.full(20, 1e300)}, ValueError, "fit: sample_weight has values up to 1e.300, .* float32"),
        ({"class_weight": {1: 1e300}}, ValueError, "fit: class_weight, .* is infinite as float32"),
    ],
)
def test_wrong_options_of_fit(options, error, message):
    refused(trained(dtype=np.float32), error, message, "fit", X, Y, **options)


@pytest.mark.parametrize("function", ["evaluate", "predict", "predict_classes", "predict_proba"])
def test_wrong_batch_size(function):
    args = (X, Y) if function == "evaluate" else (X,)
    refused(trained(), ValueError, f"^{function}: batch_size is 0", function, *args, batch_size=0)


@pytest.mark.parametrize("function", WITH_TARGETS)
def test_not_compiled(function):
    model = fn.Sequential(small_layers(), input_shape=(2, 6, 6))
    with pytest.raises(RuntimeError, match=f"^{function}: the model is not compiled"):
        getattr(model, function)(X, Y)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (("adamax", "softmax_cross_entropy"), ValueError, "compile: optimizer is 'adamax'.*'adam'"),
        ((fn.Adam, "softmax_cross_entropy"), TypeError, "compile: optimizer is a type"),
        (("adam", "hinge"), ValueError, "compile: loss is 'hinge'.*'sum_squared_error'"),
        (
            ("adam", "softmax_cross_entropy", "accuracy"),
            TypeError,
            r"compile: metrics is 'accuracy'.*\['accuracy'\]",
        ),
        (("adam", "softmax_cross_entropy", ["auc"]), ValueError, "compile: metrics is 'auc'"),
        (("adam", "sum_squared_error", ["accuracy"]), ValueError, "needs a loss over classes"),
    ],
)
def test_wrong_options_of_compile(args, error, message):
    model = trained()
    refused(model, error, message, "compile", *args)
    model.train_step(X, Y)


def test_outputs_that_do_not_suit_the_loss():
    with pytest.raises(ValueError, match="leave out the softmax"):
        small_model(layers=[fn.Flatten(), fn.Dense(5, activation="softmax")])
    with pytest.raises(ValueError, match=r"needs outputs \(classes,\), the last layer gives \(3, 4, 4\)"):
        small_model(layers=[fn.Conv2D(3, 3)])


def test_outputs_that_are_no_classes_or_probabilities():
    model = small_model(layers=[fn.Flatten(), fn.Dense(1)], loss="sum_squared_error")
    with pytest.raises(ValueError, match=r"predict_classes: .*\(1,\), .*at least 2 classes"):
        model.predict_classes(X)
    with pytest.raises(ValueError, match="predict_proba: the outputs are no probabilities"):
        model.predict_proba(X)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": []}, ValueError, "layers is empty"),
        ({"layers": fn.Flatten()}, TypeError, r"layers is Flatten\(.*\), a list"),
        ({"layers": None}, TypeError, "layers is None, a list"),
        ({"seed": 2**64}, ValueError, "seed is 18446744073709551616, below 2\\*\\*64"),
        ({"layers": [fn.Flatten]}, TypeError, r"layers\[0\] is <class"),
        ({"input_shape": 72}, ValueError, "input_shape is 72"),
        ({"input_shape": (6, 6)}, ValueError, r"input_shape is \(6, 6\), \(C, H, W\)"),
        ({"input_shape": (2, 6, 0)}, ValueError, "input_shape is 0"),
        ({"input_shape": (2, 6, 6.0)}, TypeError, "input_shape is 6.0"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"seed": None}, TypeError, "seed is None"),
        ({"dtype": np.float16}, TypeError, "dtype is .*float16.*float32 or float64"),
        ({"dtype": None}, TypeError, "dtype is None"),
        ({"dtype": "floaty"}, TypeError, "dtype is 'floaty'"),
    ],
)
def test_wrong_options_of_sequential(options, error, message):
    arguments = {"layers": small_layers(), "input_shape": (2, 6, 6)} | options
    with pytest.raises(error, match=f"Sequential: {message}"):
        fn.Sequential(**arguments)
