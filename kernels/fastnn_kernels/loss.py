"""Losses, with the gradient of the prediction."""

from math import prod
from typing import Any

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, flat_alias, writeable_alias
from ._jit import entries, prange
from ._public import check_floats, flat, inside
from .layout import gather_block, lane_samples, scatter_block
from .loss_block import softmax_cross_entropy_block, sum_squared_error_block
from .simd import lanes

REDUCTIONS = ("mean", "sum", "none")


def _softmax_cross_entropy_entry(workers, x, labels, soft, use_soft, losses, d, n, classes, scale):
    L = lanes(x)
    for b in prange(-(-n // L)):
        m = np.empty((2 * classes + 5) * L, x.dtype)
        samples = np.empty(L, np.int64)
        valid = lane_samples(samples, b * L, n)
        work = 2 * classes * L
        gather_block(x, classes, samples, 0, m, 0)
        softmax_cross_entropy_block(m, 0, classes, labels, soft, use_soft, samples, 0, valid, scale, m, classes * L,
                                    m, work)
        scatter_block(m, classes * L, classes, valid, d, b * L * classes)
        for lane in range(valid):
            losses[b * L + lane] = m[work + lane]


def _sum_squared_error_entry(workers, x, target, losses, d, n, size, scale):
    L = lanes(x)
    for b in prange(-(-n // L)):
        m = np.empty((2 * size + 2) * L, x.dtype)
        samples = np.empty(L, np.int64)
        valid = lane_samples(samples, b * L, n)
        work = 2 * size * L
        gather_block(x, size, samples, 0, m, 0)
        sum_squared_error_block(m, 0, size, target, samples, 0, valid, scale, m, size * L, m, work)
        scatter_block(m, size * L, size, valid, d, b * L * size)
        for lane in range(valid):
            losses[b * L + lane] = m[work + lane]


_cross_entropy, _squared = entries(_softmax_cross_entropy_entry), entries(_sum_squared_error_entry)


def _scale(reduction: str, n: int) -> float:
    return 1.0 / max(1, n) if reduction == "mean" else 1.0


def _reduce(losses: Array, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total = losses.sum(dtype=np.float64)
    return losses.dtype.type(total / max(1, losses.size) if reduction == "mean" else total)


def softmax_cross_entropy(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Cross-entropy of softmax(prediction) against class labels or a distribution.

    Parameters
    ----------
    prediction : (N, C) float32 or float64
        Logits.
    target : (N,) of an integer dtype, or (N, C) of the prediction's dtype
        Labels from 0 to C - 1, or a share for each class.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar of the prediction's dtype, or (N,) for "none"
    d_prediction : (N, C)
        Gradient of ``loss.sum()``.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or a label is out of range (the message has its index).
    """
    name = "softmax_cross_entropy"
    x = check.float_array(name, "prediction", prediction, 2)
    check.batch(name, "prediction", x.shape, 2)
    options.choice(f"{name}: reduction", reduction, REDUCTIONS)
    n, classes = x.shape
    soft = isinstance(target, np.ndarray) and target.ndim != 1
    if soft:
        shares = check.float_array(name, "target", target)
        check.same_dtype(name, prediction=x, target=shares)
        check.same_shape(name, prediction=x.shape, target=shares.shape)
        labels = np.zeros(0, np.int64)
    else:
        labels, shares = check.labels(name, target, n, classes), np.zeros(0, x.dtype)
    losses, d = np.empty(n, x.dtype), np.empty_like(x, order="C")
    workers = _threads.workers_for(n, 40 * x.size)
    _threads.launch(_cross_entropy, workers, flat_alias(x), writeable_alias(labels),
                    flat_alias(shares), soft, losses, d.reshape(-1), n, classes, _scale(reduction, n))
    return _reduce(losses, reduction), d


def sum_squared_error(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """``0.5 * sum((prediction - target)**2)`` of each sample, the textbook's squared error.

    Parameters
    ----------
    prediction : (N, ...) float32 or float64
    target : shape and dtype of prediction
    reduction : "mean", "sum" or "none"
        "mean" divides by N.

    Returns
    -------
    loss : scalar of the prediction's dtype, or (N,) for "none"
    d_prediction : shape of prediction
        Gradient of ``loss.sum()``.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    name = "sum_squared_error"
    x, t = check.float_array(name, "prediction", prediction), check.float_array(name, "target", target)
    check.batch(name, "prediction", x.shape, 1)
    check.same_dtype(name, prediction=x, target=t)
    check.same_shape(name, prediction=x.shape, target=t.shape)
    options.choice(f"{name}: reduction", reduction, REDUCTIONS)
    n, size = len(x), prod(x.shape[1:])
    losses, d = np.empty(n, x.dtype), np.empty_like(x, order="C")
    workers = _threads.workers_for(n, 5 * x.size)
    _threads.launch(_squared, workers, flat_alias(x), flat_alias(t), losses,
                    d.reshape(-1), n, size, _scale(reduction, n))
    return _reduce(losses, reduction), d


_cross_entropy_serial, _squared_serial = _cross_entropy[0], _squared[0]


@inside(softmax_cross_entropy)
def _softmax_cross_entropy_inside(prediction, target, reduction="mean"):
    check_floats("softmax_cross_entropy", prediction)

    # One return type a signature: in compiled code the loss is reduced, "none" is for Python callers.
    soft = isinstance(target.dtype, type(prediction.dtype))

    def call(prediction, target, reduction="mean"):
        if reduction != "mean" and reduction != "sum":
            raise ValueError("softmax_cross_entropy: in compiled code reduction must be 'mean' or 'sum'")
        n, classes = prediction.shape
        losses = np.empty(n, prediction.dtype)
        d = np.empty((n, classes), prediction.dtype)
        if soft:
            if target.shape != prediction.shape:
                raise ValueError("softmax_cross_entropy: target does not have the shape of prediction")
            labels = np.zeros(0, np.int64)
            shares = flat(target).astype(prediction.dtype)
        else:
            labels = flat(target).astype(np.int64)
            shares = np.zeros(0, prediction.dtype)
            if labels.size != n:
                raise ValueError("softmax_cross_entropy: one label for each sample is needed")
            for label in labels:
                if label < 0 or label >= classes:
                    raise ValueError("softmax_cross_entropy: a label is out of range")
        mean = reduction == "mean"
        scale = 1.0 / max(1, n) if mean else 1.0
        _cross_entropy_serial(1, flat(prediction), labels, shares, soft, losses, d.reshape(-1), n, classes, scale)
        total = 0.0
        for loss in losses:
            total += loss
        return total * scale, d

    return call


@inside(sum_squared_error)
def _sum_squared_error_inside(prediction, target, reduction="mean"):
    check_floats("sum_squared_error", prediction, target)

    def call(prediction, target, reduction="mean"):
        if reduction != "mean" and reduction != "sum":
            raise ValueError("sum_squared_error: in compiled code reduction must be 'mean' or 'sum'")
        if target.shape != prediction.shape:
            raise ValueError("sum_squared_error: target does not have the shape of prediction")
        n = prediction.shape[0]
        losses = np.empty(n, prediction.dtype)
        d = np.empty(prediction.shape, prediction.dtype)
        scale = 1.0 / max(1, n) if reduction == "mean" else 1.0
        size = prediction.size // max(1, n)
        _squared_serial(1, flat(prediction), flat(target), losses, d.reshape(-1), n, size, scale)
        total = 0.0
        for loss in losses:
            total += loss
        return total * scale, d

    return call
