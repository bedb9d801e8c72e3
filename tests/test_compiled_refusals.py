"""Compiled callers are refused what Python callers are: empty samples, options of another type, other shapes."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fastnn_kernels as fk

X, EMPTY, NONE = np.ones((2, 3, 2, 2)), np.ones((2, 3, 0, 2)), np.ones((0, 3, 2, 2))
C, G = np.ones(3), np.ones((2, 3))


@numba.njit
def batch_norm(x, gamma, beta, eps):
    return fk.batch_norm(x, gamma, beta, running_mean=np.zeros(3), running_var=np.ones(3), training=False, eps=eps)


@numba.njit
def batch_norm_backward(x, gamma):
    return fk.batch_norm_backward(x, x, gamma, np.zeros(3), np.ones(3))


@numba.njit
def group_norm(x, gamma, beta, eps):
    return fk.group_norm(x, gamma, beta, groups=3, eps=eps)


@numba.njit
def group_norm_backward(x, gamma):
    return fk.group_norm_backward(x, x, gamma, np.ones((x.shape[0], 3)), np.ones((x.shape[0], 3)), groups=3)


@numba.njit
def layer_norm(x, eps):
    return fk.layer_norm(x, np.ones(x.shape[3:]), np.ones(x.shape[3:]), eps=eps)


@numba.njit
def layer_norm_of_nothing(x, gamma):
    return fk.layer_norm(x, gamma, gamma)


@numba.njit
def layer_norm_backward(x):
    ones = np.ones(x.shape[:3])
    return fk.layer_norm_backward(x, x, np.ones(x.shape[3:]), ones, ones)


@numba.njit
def dropout(x):
    y, mask = fk.dropout(x, 0.5, seed=1, step=1)
    return y, fk.dropout_backward(y, mask)


@numba.njit
def dropout_backward(x):
    return fk.dropout_backward(x, x)


@numba.njit
def drop(x, op, sample_offset):
    return fk.dropout(x, 0.5, seed=1, step=1, op=op, sample_offset=sample_offset)


@numba.njit
def flip(x):
    return fk.flip(x, seed=1, step=1)


@numba.njit
def crop(x, padding, size):
    return fk.crop(x, padding, seed=1, step=1, size=size)


@numba.njit
def shift(x, max_shift):
    return fk.shift(x, max_shift, seed=1, step=1)


@numba.njit
def rotate(x):
    return fk.rotate(x, 10, seed=1, step=1)


@numba.njit
def cutout(x):
    return fk.cutout(x, 1, seed=1, step=1)


@numba.njit
def mixup(x, target):
    return fk.mixup(x, target, 1.0, seed=1, step=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: batch_norm(EMPTY, C, C, 1e-5),
        lambda: batch_norm(EMPTY[:0], C, C, 1e-5),
        lambda: batch_norm_backward(EMPTY, C),
        lambda: group_norm(EMPTY, C, C, 1e-5),
        lambda: group_norm_backward(EMPTY, C),
        lambda: layer_norm(EMPTY, 1e-5),
        lambda: layer_norm_backward(EMPTY),
        lambda: dropout(EMPTY),
        lambda: dropout_backward(EMPTY),
        lambda: flip(EMPTY),
        lambda: crop(EMPTY, 1, 1),
        lambda: shift(EMPTY, 1),
        lambda: rotate(EMPTY),
        lambda: cutout(EMPTY),
        lambda: mixup(EMPTY, G),
        lambda: mixup(X, G[:, :0].copy()),
    ],
)
def test_samples_are_not_empty(call):
    with pytest.raises(ValueError, match="only N may be 0"):
        call()


def test_batches_may_be_empty():
    assert batch_norm(NONE, C, C, 1e-5)[0].shape == NONE.shape
    assert (batch_norm_backward(NONE, C)[1] == 0).all()
    assert group_norm(NONE, C, C, 1e-5)[1].shape == (0, 3)
    assert (group_norm_backward(NONE, C)[1] == 0).all()
    assert layer_norm(NONE, 1e-5)[0].shape == NONE.shape
    assert dropout(NONE)[1].shape == NONE.shape
    assert flip(NONE).shape == NONE.shape


@numba.njit
def sgd(p, g):
    fk.sgd_update(p, g, lr=0.1)


@numba.njit
def adam(p, g, step):
    fk.adam_update(p, g, np.zeros(3), np.zeros(3), step=step, lr=0.1)


@numba.njit
def adamw(p, g, step):
    fk.adamw_update(p, g, np.zeros(3), np.zeros(3), step=step, lr=0.1)


@numba.njit
def nadam(p, g, step):
    fk.nadam_update(p, g, np.zeros(3), np.zeros(3), step=step, lr=0.1)


@numba.njit
def rmsprop(p, g, alpha):
    fk.rmsprop_update(p, g, np.zeros(3), lr=0.1, alpha=alpha)


@numba.njit
def dense(x, w, b):
    return fk.dense(x, w, b)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypingError, "step is an int", lambda: adam(C, C, 1.0)),
        (TypingError, "step is an int", lambda: adamw(C, C, 1.5)),
        (TypingError, "step is an int", lambda: nadam(C, C, True)),
        (TypingError, "grads has 2 axes", lambda: sgd(C, np.ones((3, 1)))),
        # 1 - alpha rounds to 1, as if alpha were 0.
        (ValueError, "alpha", lambda: rmsprop(C, C, -1e-300)),
        (TypingError, "one dtype is needed", lambda: dense(G, np.ones((3, 2)), np.ones(2, np.float32))),
        (TypingError, "b has 2 axes", lambda: dense(G, np.ones((3, 2)), np.ones((1, 2)))),
        (ValueError, "w has no elements", lambda: dense(G[:, :0].copy(), np.ones((0, 2)), None)),
        (ValueError, "one value for each channel", lambda: batch_norm(X, np.ones((1, 3)), C, 1e-5)),
        (ValueError, "one value for each channel", lambda: batch_norm(X, C, np.ones((3, 1)), 1e-5)),
        (ValueError, "one value for each channel", lambda: batch_norm_backward(X, np.ones((1, 3)))),
        (ValueError, "one value for each channel", lambda: group_norm(X, np.ones((1, 3)), C, 1e-5)),
        (ValueError, "another shape", lambda: group_norm_backward(X, np.ones((1, 3)))),
        (ValueError, "shape of the last axes", lambda: layer_norm_of_nothing(X, np.array(1.0))),
        (ValueError, "eps is out of range", lambda: batch_norm(X, C, C, np.inf)),
        (ValueError, "eps is out of range", lambda: group_norm(X, C, C, np.inf)),
        (ValueError, "eps is out of range", lambda: layer_norm(X, np.inf)),
        (TypingError, "op and sample_offset are ints", lambda: drop(X, 0.5, 0)),
        (TypingError, "op and sample_offset are ints", lambda: drop(X, 0, 0.5)),
        (ValueError, "op is not below", lambda: drop(X, 2**23, 0)),
        (ValueError, "crop: padding is below 0 or not below", lambda: crop(X, 2**30, 1)),
        (ValueError, "shift: max_shift is below 0 or not below", lambda: shift(X, 2**30)),
    ],
)
def test_arguments_python_refuses_are_refused(error, message, call):
    with pytest.raises(error, match=message):
        call()
    assert (C == 1).all()
