"""Kernels inside `@njit` code equal their twins, in a prange and from two Python threads too.

Here: windows, activations, softmax, losses, dense layers, updates. The other families are in `test_compiled_*.py`.
"""

import os
import subprocess
import sys
from pathlib import Path

import compiled_callers as callers
import numba
import numpy as np
import pytest
from compiled_callers import LABELS, B, D, W, X, Y
from numba.core.errors import TypingError

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

OPTIONS = {"stride": (2, 1), "padding": ((1, 0), (1, 1))}


def assert_all_close(actual, expected):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12)


def test_windows():
    cols = ref.im2col(X, (3, 2), stride=(2, 1), padding=1)
    pooled, argmax = ref.max_pool2d(X, 3, stride=2, padding=1)
    dx, dw, db = ref.conv2d_backward(Y, X, W, **OPTIONS)
    expected = (
        cols,
        ref.col2im(cols, X.shape, (3, 2), stride=(2, 1), padding=1),
        ref.conv2d(X, W, B, **OPTIONS),
        ref.conv2d(X, W, padding="same"),
        *(dx, dw, dx, dw, db, pooled, argmax),
        ref.max_pool2d_backward(pooled, argmax, X.shape),
    )
    assert_all_close(callers.windows(X, W, B, Y), expected)


def test_elements_losses_and_dense():
    s, t, r, k = ref.sigmoid(D), ref.tanh(D), ref.relu(D), ref.leaky_relu(D, negative_slope=0.2)
    p, w = ref.softmax(D), X[0, 0, :4, :3]
    y = ref.dense(D, w)
    expected = (
        *(s, t, r, k, p, D),
        ref.sigmoid_backward(D, s),
        ref.tanh_backward(D, t),
        ref.relu_backward(D, r),
        ref.leaky_relu_backward(D, k, negative_slope=0.2),
        ref.softmax_backward(D, p),
        D,
        *ref.softmax_cross_entropy(D, LABELS),
        *ref.softmax_cross_entropy(D, p, reduction="sum"),
        *ref.sum_squared_error(D, s),
        y,
        *ref.dense_backward(y, D, w),
    )
    assert_all_close(callers.elements(X, D, LABELS), expected)


def test_updates():
    p, g = X.ravel().copy(), Y.ravel()[: X.size].copy()
    g = np.resize(g, p.size)
    expected = [p.copy(), *np.zeros((3, p.size))]
    ref.sgd_update(expected[0], g, lr=0.1)
    ref.momentum_update(expected[0], g, expected[1], lr=0.1, momentum=0.8)
    ref.adam_update(expected[0], g, expected[2], expected[3], step=1, lr=0.1, weight_decay=0.01)
    assert_all_close(callers.updates(p, g), expected)


@numba.njit
def step(p, g):
    fk.sgd_update(p, g, lr=1.0)


@numba.njit
def convolve(x, w, stride, padding):
    return fk.conv2d(x, w, None, stride, padding)


@numba.njit
def loss(prediction, labels):
    return fk.softmax_cross_entropy(prediction, labels)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("params", [np.zeros(8)[::2], np.zeros(8)[::-1], read_only(np.zeros(4))], ids="sbr")
def test_updates_refuse_memory_they_cannot_write_flat(params):
    with pytest.raises(TypingError, match="written in place"):
        step(params, np.ones(params.size))
    assert not params.any()


def test_gradients_of_any_layout_are_read_right():
    p = np.zeros(4)
    step(p, np.arange(8.0)[::2])
    assert p.tolist() == [0, -2, -4, -6]


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "different numbers of channels", lambda: convolve(X[:, :2].copy(), W, 1, 0)),
        (ValueError, "larger than the padded image", lambda: convolve(X[:, :, :2, :2].copy(), W, 1, 0)),
        (ValueError, "at least 1", lambda: convolve(X, W, 0, 0)),
        (ValueError, "'same' needs stride 1", lambda: convolve(X, W, 2, "same")),
        (ValueError, "'valid' or 'same'", lambda: convolve(X, W, 1, "full")),
        (TypingError, "one dtype is needed", lambda: convolve(X, W.astype(np.float32), 1, 0)),
        (TypingError, "float32 or float64", lambda: convolve(X.astype(np.int64), W, 1, 0)),
        (ValueError, "a label is out of range", lambda: loss(D, np.array([0, 1, 2, 3, 4]))),
        (ValueError, "a label is out of range", lambda: loss(D, np.array([0, 1, 2, 3, -1]))),
    ],
)
def test_wrong_arguments_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cache of the processes of one run: what was compiled for the first layer serves the others."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue"])
def test_parallel_loops_and_python_threads_on_every_layer(layer, folder):
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_CACHE_DIR": folder}
    script = Path(__file__).with_name("compiled_callers.py")
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"{layer} is not installed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [layer, "same"]
