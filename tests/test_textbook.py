"""The exercises of a first course: a sine curve and two classes, by every optimizer, in batches of every kind."""

import numpy as np
import pytest

import fastnn as fn

# (learning rate, epochs) of each optimizer: the full batch, one sample at a time (online), mini-batches of 8.
BATCHES = ("full", 1, 8)
SINE = {
    fn.SGD: [(0.5, 1500), (0.2, 100), (0.5, 300)],
    fn.Momentum: [(0.2, 700), (0.05, 60), (0.2, 120)],
    fn.Adagrad: [(0.5, 600), (0.5, 100), (0.5, 150)],
    fn.RMSprop: [(0.03, 600), (0.01, 150), (0.02, 200)],
    fn.Adam: [(0.1, 300), (0.03, 60), (0.05, 120)],
}
CLASSES = {
    fn.SGD: [(2.0, 800), (0.2, 150), (1.0, 150)],
    fn.Momentum: [(0.5, 400), (0.02, 120), (0.15, 120)],
    fn.Adagrad: [(0.5, 400), (0.5, 120), (0.5, 120)],
    fn.RMSprop: [(0.05, 300), (0.01, 120), (0.03, 120)],
    fn.Adam: [(0.1, 250), (0.03, 40), (0.05, 80)],
}
# What a straight line reaches at best; a model that has not learnt to bend is no better.
LINE_ERROR, LINE_ACCURACY = 0.445, 0.840


def rows(table):
    return [
        pytest.param(optimizer(lr), batch_size, epochs, id=f"{optimizer.__name__}-{batch_size}")
        for optimizer, runs in table.items()
        for batch_size, (lr, epochs) in zip(BATCHES, runs, strict=True)
    ]


def sine():
    """One period of the sine, its argument scaled to -1..1."""
    x = np.arange(0, 2 * np.pi, 0.1)[:, None]
    return (x - np.pi) / np.pi, np.sin(x)


def two_classes():
    """Points of a square, above and below a sine curve."""
    grid = np.linspace(-1, 1, 12)
    x = np.array([(a, b) for a in grid for b in grid])
    return x, (x[:, 1] < np.sin(np.pi * x[:, 0])).astype(int)


def test_what_a_straight_line_reaches():
    x, y = sine()
    line = np.polynomial.Polynomial.fit(x[:, 0], y[:, 0], 1)(x[:, 0])
    assert np.sqrt(((line - y[:, 0]) ** 2).mean()) == pytest.approx(LINE_ERROR, abs=1e-3)
    points, labels = two_classes()
    angles = np.linspace(0, 2 * np.pi, 720)
    heights = points @ [np.cos(angles), np.sin(angles)]
    cuts = np.linspace(-1.5, 1.5, 300)
    best = max(((heights < cut) == labels[:, None].astype(bool)).mean(axis=0).max() for cut in cuts)
    assert best == pytest.approx(LINE_ACCURACY, abs=1e-2)


@pytest.mark.parametrize(("optimizer", "batch_size", "epochs"), rows(SINE))
def test_regression_of_a_sine_curve(optimizer, batch_size, epochs):
    x, y = sine()
    model = fn.Sequential([fn.Dense(6, activation="sigmoid"), fn.Dense(1)], input_shape=(1,), seed=0)
    model.compile(optimizer, "sum_squared_error", ["rmse"])
    assert model.evaluate(x, y)["rmse"] > LINE_ERROR
    losses = model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)["loss"]
    found = model.evaluate(x, y)
    assert found["rmse"] < 0.2 < LINE_ERROR / 2
    assert found["loss"] == pytest.approx(0.5 * found["rmse"] ** 2, rel=1e-4)
    assert losses[-1] < 0.2 * losses[0]
    # Between the points it was trained on, too.
    between = (x[:-1] + x[1:]) / 2
    np.testing.assert_allclose(model.predict(between), np.sin(np.pi * between + np.pi), atol=0.5)


@pytest.mark.parametrize(("optimizer", "batch_size", "epochs"), rows(CLASSES))
def test_classification_of_points(optimizer, batch_size, epochs):
    x, y = two_classes()
    layers = [fn.Dense(8, activation="sigmoid"), fn.Dense(2, activation="softmax")]
    model = fn.Sequential(layers, input_shape=(2,), seed=0)
    model.compile(optimizer, "categorical_cross_entropy", ["accuracy"])
    assert model.evaluate(x, y)["accuracy"] < LINE_ACCURACY
    model.fit(x, np.eye(2)[y], epochs=epochs, batch_size=batch_size, verbose=0)
    assert model.evaluate(x, y)["accuracy"] > 0.92
    probabilities = model.predict(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert ((probabilities[:, 1] > 0.5) == y).mean() > 0.92
