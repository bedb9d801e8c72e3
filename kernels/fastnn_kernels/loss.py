"""Losses that are sums over elements, with the gradient of the prediction."""

import functools
from math import prod
from typing import Any

import numpy as np

from . import _loss_checks as checks
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, inner_overload, kernel
from ._public import ALONE, NO, YES, check_batch, check_floats, flat, inside, literal_value
from .loss_block import HALF_SQUARE, HUBER, LOGISTIC, OF_SAMPLES, SQUARE, loss_flat
from .reduction import tree_sum
from .team import share_out

# Elements of one parallel task, a multiple of every lane count.
_CHUNK = 16_384
_ROW = np.int64(_CHUNK)  # in compiled code, as `ALONE`


@kernel
def reduce_losses(sums, n, scale):
    """Sum the first `n` of `sums` by the tree into the first, and multiply it by `scale`."""
    if n > 0:
        tree_sum(sums, 0, 1, n, 1)
        sums[0] *= scale


@kernel
def _loss_row(r, kind, x, t, d, losses, sums, row, keep, scale, delta):
    sums[r] = loss_flat(kind, x, t, d, losses, keep, r * row, min(x.size, (r + 1) * row), scale, delta)


@functools.cache
def _entry(kind):
    def loss_entry(team, x, t, d, losses, sums, row, keep, reduce, scale, delta):
        rows = -(-x.size // row)
        share_out(team, rows, _loss_row, (kind, x, t, d, losses, sums, row, keep, scale, delta))
        if reduce:
            reduce_losses(sums, rows, scale)

    return entry(loss_entry)


def run_loss(
    name: str, kind: int, prediction: Array, target: Array, reduction: str, delta: float = 0.0
) -> tuple[Any, Array]:
    """Check the arrays and run the loss numbered `kind`."""
    x, t = checks.prediction_and_target(name, prediction, target)
    checks.reduction(name, reduction)
    if kind == LOGISTIC:
        checks.shares(name, "target", t)
    each_sample = kind in OF_SAMPLES
    row = prod(x.shape[1:]) if each_sample else _CHUNK
    rows = -(-x.size // row)
    keep = reduction == "none" and not each_sample
    # Sums are kept in float64: those of a float32 loss over many samples would lose digits.
    sums, losses = np.zeros(max(1, rows)), np.empty(x.size if keep else 0, x.dtype)
    d = np.empty_like(x, order="C")
    scale = 1.0 / max(1, len(x) if each_sample else x.size) if reduction == "mean" else 1.0
    workers = _threads.workers_for(rows, (5 if kind in (HALF_SQUARE, SQUARE, HUBER) else 40) * x.size)
    _threads.launch(_entry(kind), workers, flat_alias(x), flat_alias(t), d.reshape(-1), losses, sums, row, keep,
                    reduction != "none", scale, delta)
    if reduction != "none":
        return x.dtype.type(sums[0]), d
    return (sums[:rows].astype(x.dtype) if each_sample else losses.reshape(x.shape)), d


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
        Gradient of ``loss.sum()``: ``prediction - target``, divided by N for "mean".

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.

    Notes
    -----
    K. Saitoh, "Deep Learning from Scratch" (O'Reilly Japan, 2016), section 4.2.1.
    """
    return run_loss("sum_squared_error", HALF_SQUARE, prediction, target, reduction)


def mean_squared_error(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """``(prediction - target)**2`` of each element, as ``torch.nn.functional.mse_loss``.

    Parameters
    ----------
    prediction : (N, ...) float32 or float64
    target : shape and dtype of prediction
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of elements.

    Returns
    -------
    loss : scalar of the prediction's dtype, or shape of prediction for "none"
    d_prediction : shape of prediction
        Gradient of ``loss.sum()``: ``2 * (prediction - target)``, divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    return run_loss("mean_squared_error", SQUARE, prediction, target, reduction)


def huber(prediction: Array, target: Array, *, delta: float = 1.0, reduction: str = "mean") -> tuple[Any, Array]:
    """Half the squared error up to `delta`, a straight line beyond, as ``torch.nn.functional.huber_loss``.

    With ``e = prediction - target``: ``0.5 * e**2`` where ``abs(e) <= delta``, else
    ``delta * (abs(e) - 0.5 * delta)``.

    Parameters
    ----------
    prediction : (N, ...) float32 or float64
    target : shape and dtype of prediction
    delta : float
        Above 0.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of elements.

    Returns
    -------
    loss : scalar of the prediction's dtype, or shape of prediction for "none"
    d_prediction : shape of prediction
        Gradient of ``loss.sum()``: e between -delta and delta, divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `delta` is not above 0.

    Notes
    -----
    P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).
    """
    bound = checks.delta("huber", delta)
    return run_loss("huber", HUBER, prediction, target, reduction, bound)


def binary_cross_entropy_with_logits(
    prediction: Array, target: Array, *, reduction: str = "mean"
) -> tuple[Any, Array]:
    """Cross-entropy of sigmoid(prediction) for each element, as PyTorch's function of that name.

    ``-t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x))``, computed as ``max(x, 0) - x * t + log(1 + exp(-|x|))``,
    in which nothing overflows.

    Parameters
    ----------
    prediction : (N, ...) float32 or float64
        Logits.
    target : shape and dtype of prediction
        From 0 to 1.
    reduction : "mean", "sum" or "none"
        "mean" divides by the number of elements.

    Returns
    -------
    loss : scalar of the prediction's dtype, or shape of prediction for "none"
    d_prediction : shape of prediction
        Gradient of ``loss.sum()``: ``sigmoid(prediction) - target``, divided by the number of elements for "mean".

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or a target is not from 0 to 1 (the message has its index).
    """
    return run_loss("binary_cross_entropy_with_logits", LOGISTIC, prediction, target, reduction)


# ---- in compiled code


def read_reduction(reduction):
    """Return whether to divide, and whether to sum at all, in compiled code; "none" is known while compiling."""
    raise NotImplementedError("for compiled code")


@inner_overload(read_reduction, prefer_literal=True)
def _read_reduction(reduction):
    known = literal_value(reduction)
    if known in checks.REDUCTIONS:
        mean, reduce = known == "mean", known != "none"
        return lambda reduction: (mean, reduce)

    def read(reduction):
        if reduction != "mean" and reduction != "sum":
            raise ValueError("reduction must be 'mean' or 'sum', or 'none' written out in the call")
        return reduction == "mean", True

    return read


@kernel
def _check_targets(kind, prediction, target):
    if target.shape != prediction.shape:
        raise ValueError("target does not have the shape of prediction")
    check_batch(prediction.shape)
    if kind == LOGISTIC:
        for share in target.flat:
            if share < 0.0 or share > 1.0:
                raise ValueError("target: values from 0 to 1 are needed")


def loss_inside(kind, prediction, target, reduction, delta):
    """Run the loss numbered `kind`, a constant, on one thread, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(loss_inside, prefer_literal=True)
def _choose_inside(kind, prediction, target, reduction, delta):
    compiled = _entry(literal_value(kind))
    each_sample = literal_value(kind) in OF_SAMPLES
    dtype = prediction.dtype

    def reduced(kind, prediction, target, reduction, delta):
        mean, _ = read_reduction(reduction)
        _check_targets(kind, prediction, target)
        n = prediction.shape[0]
        row = max(1, prediction.size // max(1, n)) if each_sample else _ROW
        sums, d = np.zeros(max(1, -(-prediction.size // row))), np.empty(prediction.shape, dtype)
        scale = 1.0 / max(1, n if each_sample else prediction.size) if mean else 1.0
        compiled(ALONE, flat(prediction), flat(target), d.reshape(-1), np.empty(0, dtype), sums, row, NO, YES, scale,
                 float(delta))
        return prediction.dtype.type(sums[0]), d

    def of_samples(kind, prediction, target, reduction, delta):
        _check_targets(kind, prediction, target)
        n = prediction.shape[0]
        sums, d = np.zeros(n), np.empty(prediction.shape, dtype)
        compiled(ALONE, flat(prediction), flat(target), d.reshape(-1), np.empty(0, dtype), sums,
                 max(1, prediction.size // max(1, n)), NO, NO, 1.0, float(delta))
        return sums.astype(dtype), d

    def of_elements(kind, prediction, target, reduction, delta):
        _check_targets(kind, prediction, target)
        losses, d = np.empty(prediction.shape, dtype), np.empty(prediction.shape, dtype)
        sums = np.zeros(-(-prediction.size // _CHUNK))
        compiled(ALONE, flat(prediction), flat(target), d.reshape(-1), losses.reshape(-1), sums, _ROW, YES, NO, 1.0,
                 float(delta))
        return losses, d

    if literal_value(reduction) != "none":
        return reduced
    return of_samples if each_sample else of_elements


def _bind(function, kind):
    @inside(function, literal=True)
    def _(prediction, target, reduction="mean"):
        check_floats(function.__name__, prediction, target)
        return lambda prediction, target, reduction="mean": loss_inside(kind, prediction, target, reduction, 0.0)


for _function, _kind in (
    (sum_squared_error, HALF_SQUARE), (mean_squared_error, SQUARE), (binary_cross_entropy_with_logits, LOGISTIC),
):
    _bind(_function, _kind)


@inside(huber, literal=True)
def _huber_inside(prediction, target, delta=1.0, reduction="mean"):
    check_floats("huber", prediction, target)

    def call(prediction, target, delta=1.0, reduction="mean"):
        if not 0.0 < delta < np.inf:
            raise ValueError("huber: delta must be above 0")
        return loss_inside(HUBER, prediction, target, reduction, delta)

    return call
