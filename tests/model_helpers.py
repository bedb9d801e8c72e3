"""Small models and data for the tests of the model API."""

from typing import Any

import numpy as np
import pytest

import fastnn as fn

Array = np.ndarray

both_backends = pytest.mark.parametrize("backend", ["compiled", "reference"])


def lenet_layers() -> list[fn.Layer]:
    return [
        fn.Conv2D(6, 5, activation="relu"),
        fn.MaxPool2D(2),
        fn.Conv2D(16, 5, activation="relu"),
        fn.MaxPool2D(2),
        fn.Flatten(),
        fn.Dense(120, activation="relu"),
        fn.Dense(84, activation="relu"),
        fn.Dense(10),
    ]


def small_layers(activation: str = "relu") -> list[fn.Layer]:
    """A convolution, a pool and two dense layers for images (2, 6, 6), 5 classes."""
    return [
        fn.Conv2D(3, 3, padding="same", activation=activation),
        fn.MaxPool2D(2),
        fn.Flatten(),
        fn.Dense(7, activation=activation),
        fn.Dense(5),
    ]


def small_model(
    backend: str = "reference",
    *,
    optimizer: Any = None,
    loss: str = "softmax_cross_entropy",
    seed: int = 0,
    dtype: Any = np.float64,
    layers: list[fn.Layer] | None = None,
) -> fn.Sequential:
    model = fn.Sequential(layers or small_layers(), input_shape=(2, 6, 6), seed=seed, dtype=dtype)
    model.backend = backend
    metrics = ["accuracy"] if loss == "softmax_cross_entropy" else []
    model.compile(optimizer=optimizer or fn.Adam(1e-2), loss=loss, metrics=metrics)
    return model


def small_data(n: int = 20, *, seed: int = 1, dtype: Any = np.float64) -> tuple[Array, Array]:
    """Images (n, 2, 6, 6) and labels 0 to 4."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2, 6, 6)).astype(dtype), rng.integers(0, 5, n)


def copy_of(params: dict[str, Array]) -> dict[str, Array]:
    return {name: value.copy() for name, value in params.items()}


def assert_same(actual: dict[str, Array], expected: dict[str, Array], **tolerance: float) -> None:
    """Compare named arrays: bit for bit, or within a tolerance where one is given."""
    assert list(actual) == list(expected)
    for name, value in expected.items():
        if tolerance:
            np.testing.assert_allclose(actual[name], value, err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(actual[name], value, err_msg=name)


def state_of(model: fn.Sequential) -> dict[str, Any]:
    """Copy everything that a failed call must leave alone."""
    memory, reached = model._memory, model.training_state
    return {
        "params": memory.params.copy(),
        "slots": memory.slots.copy(),
        "counters": np.array([reached.step, reached.epoch]),
    }


def assert_fit_refused(error: type[Exception], message: str, **options: Any) -> None:
    """Check that fit of a small model on 20 samples raises, says `message`, and leaves the model alone."""
    x, y = small_data(20)
    model = small_model()
    before = state_of(model)
    with pytest.raises(error, match=message):
        model.fit(x, y, verbose=0, **options)
    assert_same(state_of(model), before)


def order_of(seed: int, epoch: int, n: int) -> Array:
    """Return the order of the samples in an epoch."""
    return np.random.default_rng((seed, epoch)).permutation(n)


class Interrupting:
    """An interpreter that raises in the middle of a call, after it has changed the arrays."""

    def __init__(self, inner, after, error=KeyboardInterrupt):
        self.inner, self.calls_left, self.error = inner, after, error

    def train(self, *args):
        results = self.inner.train(*args)
        self.calls_left -= 1
        if self.calls_left < 0:
            raise self.error
        return results

    def evaluate(self, *args):
        return self.inner.evaluate(*args)
