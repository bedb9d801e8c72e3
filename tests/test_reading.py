"""Images of any dtype and size as fit, evaluate and predict read them."""

import tracemalloc

import numpy as np
import pytest
from model_helpers import assert_same, small_data, small_model

import fastnn as fn


def fitted(x, y, backend="reference"):
    """A model of float32 after an epoch of shuffled batches, what it has measured, and what it predicts."""
    model = small_model(backend, dtype=np.float32)
    history = dict(model.fit(x, y, batch_size=16, validation_data=(x, y), verbose=0))
    del history["images_per_second"]
    return model.params, history, model.predict(x, batch_size=16)


def assert_equal_runs(actual, expected):
    assert_same(actual[0], expected[0])
    assert actual[1] == expected[1]
    np.testing.assert_array_equal(actual[2], expected[2])


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_bytes_are_shares_of_255(backend):
    x = np.random.default_rng(0).integers(0, 256, (40, 2, 6, 6)).astype(np.uint8)
    _, y = small_data(40)
    assert_equal_runs(fitted(x, y, backend), fitted(x.astype(np.float32) / 255, y, backend))


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_, np.float16, np.float64, ">f8"])
def test_other_numbers_are_taken_as_they_are(dtype):
    x, y = small_data(40)
    x = (8 * x).astype(dtype)
    assert_equal_runs(fitted(x, y), fitted(x.astype(np.float32), y))


def test_a_memory_map_of_half_a_gigabyte_trains_in_a_few_megabytes(tmp_path):
    shape = (2048, 1, 512, 512)
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape).flush()  # a file of holes
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.arange(len(x)) % 3
    model = fn.Sequential([fn.GlobalAvgPool2D(), fn.Dense(3)], input_shape=shape[1:])
    model.compile("sgd", "softmax_cross_entropy")
    model.fit(x[:32], y[:32], batch_size=16, verbose=0)  # compiles
    tracemalloc.start()
    try:
        model.fit(x, y, batch_size=16, validation_split=0.25, verbose=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert x.nbytes == 2**29
    assert peak < 2**25
