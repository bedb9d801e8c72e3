"""Products of matrices: every tile, columns that fill no vector, parts for threads."""

import numpy as np
import pytest
from tapes import threads

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._jit import THREAD_LIMIT

# (N, n_in, n_out): many rows and few, of whole tiles and not, with columns for tiles of vectors, for one, for less.
SHAPES = [
    (128, 256, 120),
    (33, 20, 37),
    (9, 17, 20),
    (100, 33, 7),
    (64, 128, 3),
    (8, 784, 32),
    (1, 256, 120),
    (7, 300, 64),
    (3, 5, 10),
    (5, 1, 1),
    (90, 40, 530),
]


def given(shape: tuple[int, int, int], dtype: type, *, integers: bool) -> list[np.ndarray]:
    n, n_in, n_out = shape
    rng = np.random.default_rng(3)
    draw = (lambda *s: rng.integers(-3, 4, s)) if integers else (lambda *s: rng.standard_normal(s))
    return [draw(*s).astype(dtype) for s in ((n, n_out), (n, n_in), (n_in, n_out), (n_out,))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_small_integers_are_exact(shape, dtype):
    dy, x, w, b = given(shape, dtype, integers=True)
    np.testing.assert_array_equal(fk.dense(x, w, b), ref.dense(x, w, b))
    np.testing.assert_array_equal(fk.dense(x, w), ref.dense(x, w))
    for found, expected in zip(fk.dense_backward(dy, x, w), ref.dense_backward(dy, x, w), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_does_not_depend_on_the_others(shape):
    """Each sum takes its terms in order, whatever the tile."""
    _, x, w, b = given(shape, np.float32, integers=False)
    together = fk.dense(x, w, b)
    for k in {0, len(x) // 2, len(x) - 1}:
        np.testing.assert_array_equal(fk.dense(x[k : k + 1], w, b)[0], together[k])


@pytest.mark.skipif(THREAD_LIMIT < 2, reason="this process has one thread")
@pytest.mark.parametrize("shape", SHAPES)
def test_one_thread_and_two_give_the_same_bits(shape):
    dy, x, w, b = given(shape, np.float32, integers=False)
    results = []
    for n in (1, 2):
        with threads(n):
            results.append([fk.dense(x, w, b), *fk.dense_backward(dy, x, w)])
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
