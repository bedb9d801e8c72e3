"""Cross-entropies over classes, with the gradient of the prediction."""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from . import _checks as check
from . import _loss_checks as checks
from . import _threads
from ._arrays import Array, flat_alias, writeable_alias
from ._jit import entry, inner_overload, kernel
from ._public import (
    ALONE,
    NO,
    YES,
    check_batch,
    check_floats,
    check_ints,
    check_vector,
    flat,
    inside,
    is_missing,
    literal_value,
)
from .cross_entropy_block import SOFTMAX_WORK, inverse, label_weight, softmax_cross_entropy_block
from .layout import gather_block, lane_samples, scatter_block
from .loss import loss_inside, read_reduction, reduce_losses, run_loss
from .loss_block import CATEGORICAL
from .simd import lanes
from .team import share_out


@kernel
def _softmax_lanes(b, x, labels, soft, use_soft, weights, weighted, ignore_index, smoothing, scale, losses, d, n,
                   classes):
    """Make losses and gradients of as many samples as a vector has lanes."""
    L = lanes(x)
    m = np.empty((3 * classes + SOFTMAX_WORK) * L, x.dtype)
    samples = np.empty(L, np.int64)
    valid = lane_samples(samples, b * L, n)
    shares, work = 2 * classes * L, 3 * classes * L
    gather_block(x, classes, samples, 0, m, 0)
    softmax_cross_entropy_block(m, 0, classes, labels, soft, use_soft, samples, 0, valid, weights, 0, weighted,
                                ignore_index, smoothing, scale, m, classes * L, m, shares, m, work)
    scatter_block(m, classes * L, classes, valid, d, b * L * classes)
    for lane in range(valid):
        losses[b * L + lane] = m[work + lane]


def _softmax_entry(team, x, labels, soft, use_soft, weights, weighted, ignore_index, smoothing, mean, reduce, losses,
                   d, n, classes):
    L = lanes(x)
    scale = 1.0
    if mean:
        total = float(n)
        if not use_soft:
            total = 0.0
            for i in range(n):
                total += label_weight(labels[i], weights, 0, weighted, ignore_index)
        scale = inverse(total)
    share_out(team, -(-n // L), _softmax_lanes, (x, labels, soft, use_soft, weights, weighted, ignore_index, smoothing,
                                                 scale, losses, d, n, classes))
    if reduce:
        reduce_losses(losses, n, scale)


_softmax = entry(_softmax_entry)


def softmax_cross_entropy(
    prediction: Array,
    target: Array,
    *,
    class_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Cross-entropy of softmax(prediction), as ``torch.nn.functional.cross_entropy``.

    With the shares t of a sample's classes (1 for its label, 0 else), the class weights v and the smoothing s:
    ``q = v * ((1 - s) * t + s / C)`` and ``loss = -sum(q * log_softmax(prediction))``.

    Parameters
    ----------
    prediction : (N, C) float32 or float64
        Logits.
    target : (N,) of an integer dtype, or (N, C) of the prediction's dtype
        Labels from 0 to C - 1, or a share for each class ("soft targets"), which need not sum to 1.
    class_weight : (C,) of the prediction's dtype, optional
        Finite, none below 0; 1 for every class where it is left out.
    ignore_index : int
        Label of samples that are left out: their loss and gradient are 0. With soft targets it is below 0.
    label_smoothing : float
        From 0 to 1.
    reduction : "mean", "sum" or "none"
        "mean" divides by N, or with labels by the sum of ``class_weight[label]`` over the samples that are not left
        out. Where that is 0, loss and gradient are 0 (PyTorch: NaN), or NaN for a logit that is NaN in a sample that
        is not left out.

    Returns
    -------
    loss : scalar of the prediction's dtype, or (N,) for "none"
        A share of 0 takes no part, also where the logit is -inf (PyTorch: NaN for soft targets and smoothing).
    d_prediction : (N, C)
        Gradient of ``loss.sum()``: ``softmax(prediction) * sum(q) - q``, divided as the loss.

    Raises
    ------
    TypeError, ValueError
        If dtypes, shapes or options do not fit, or a label is out of range (the message has its index).

    Notes
    -----
    Label smoothing: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016), section 7.
    """
    name = "softmax_cross_entropy"
    x = check.float_array(name, "prediction", prediction, 2)
    check.batch(name, "prediction", x.shape, 2)
    checks.reduction(name, reduction)
    ignored, smoothing = checks.ignored_label(name, ignore_index), checks.smoothing(name, label_smoothing)
    n, classes = x.shape
    weights = np.zeros(0)
    if class_weight is not None:
        weights = checks.class_weights(name, class_weight, x).astype(np.float64)
    is_soft = isinstance(target, np.ndarray) and target.ndim != 1
    labels, soft = np.zeros(0, np.int64), np.zeros(0, x.dtype)
    if is_soft:
        soft = checks.soft_targets(name, target, x, ignored)
    else:
        labels = checks.labels(name, target, n, classes, ignored)
    # Losses are kept in float64: the sum of many in float32 would lose digits.
    losses, d = np.zeros(max(1, n)), np.empty_like(x, order="C")
    workers = _threads.workers_for(n, 40 * x.size)
    _threads.launch(_softmax, workers, flat_alias(x), writeable_alias(labels), flat_alias(soft), is_soft, weights,
                    class_weight is not None, ignored, smoothing, reduction == "mean", reduction != "none", losses,
                    d.reshape(-1), n, classes)
    return (losses[:n].astype(x.dtype) if reduction == "none" else x.dtype.type(losses[0])), d


def categorical_cross_entropy(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """``-sum(target * log(prediction))`` of each sample, for probabilities as softmax gives them.

    For logits `softmax_cross_entropy` is faster, and its gradient has no division.

    Parameters
    ----------
    prediction : (N, C) float32 or float64
        Probabilities: from 0 to 1, with the sum 1 in each row, up to 1e-3.
    target : (N, C), dtype of prediction
        From 0 to 1: one-hot, or a share for each class.
    reduction : "mean", "sum" or "none"
        "mean" divides by N.

    Returns
    -------
    loss : scalar of the prediction's dtype, or (N,) for "none"
        A target of 0 takes no part, also where the probability is 0; a probability of 0 under a target above 0
        gives inf.
    d_prediction : (N, C)
        Gradient of ``loss.sum()``: ``-target / prediction``, divided by N for "mean"; 0 where the target is 0.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, a value is not from 0 to 1, or a row of the prediction has another sum.

    Notes
    -----
    K. Saitoh, "Deep Learning from Scratch" (O'Reilly Japan, 2016), section 4.2.2, without the ``+ 1e-7`` in the
    logarithm, with which the gradient would be another one.
    """
    name = "categorical_cross_entropy"
    x = check.float_array(name, "prediction", prediction, 2)
    check.batch(name, "prediction", x.shape, 2)
    checks.no_labels(name, x, target)
    x, t = checks.prediction_and_target(name, x, target)
    checks.probabilities(name, "prediction", x)
    checks.shares(name, "target", t)
    return run_loss(name, CATEGORICAL, x, t, reduction)


# ---- in compiled code


def _reduced(losses, reduction, n, like):
    """Return the loss that a reduction asks for, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_reduced, prefer_literal=True)
def _choose_reduced(losses, reduction, n, like):
    dtype = like.dtype
    if literal_value(reduction) == "none":
        return lambda losses, reduction, n, like: losses[:n].astype(dtype)
    return lambda losses, reduction, n, like: like.dtype.type(losses[0])


def _weights(class_weight, classes):
    """Return class weights as float64, none where there are none, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_weights)
def _choose_weights(class_weight, classes):
    if is_missing(class_weight):
        return lambda class_weight, classes: np.zeros(0)

    def given(class_weight, classes):
        if class_weight.size != classes:
            raise ValueError("class_weight: one weight for each class is needed")
        for weight in class_weight.flat:
            if not 0.0 <= weight < np.inf:
                raise ValueError("class_weight: finite weights are needed, none below 0")
        return flat(class_weight).astype(np.float64)

    return given


def _targets(prediction, target, ignore_index):
    """Return labels and soft targets, flat, of which one is empty, in compiled code."""
    raise NotImplementedError("for compiled code")


@inner_overload(_targets)
def _choose_targets(prediction, target, ignore_index):
    dtype = prediction.dtype

    def soft(prediction, target, ignore_index):
        if target.shape != prediction.shape:
            raise ValueError("softmax_cross_entropy: target does not have the shape of prediction")
        if ignore_index >= 0:
            raise ValueError("softmax_cross_entropy: ignore_index must be below 0 with soft targets")
        return np.zeros(0, np.int64), flat(target)

    def labels(prediction, target, ignore_index):
        n, classes = prediction.shape
        if target.size != n:
            raise ValueError("softmax_cross_entropy: one label for each sample is needed")
        for label in target:
            if (label < 0 or label >= classes) and label != ignore_index:
                raise ValueError("softmax_cross_entropy: a label is out of range")
        return flat(target).astype(np.int64), np.zeros(0, dtype)

    return soft if isinstance(target.dtype, types.Float) else labels


@inside(softmax_cross_entropy, literal=True)
def _softmax_inside(prediction, target, class_weight=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    name = "softmax_cross_entropy"
    is_soft, weighted = isinstance(target.dtype, types.Float), not is_missing(class_weight)
    check_ints(name, ignore_index=ignore_index)
    if weighted:
        check_vector(name, "class_weight", class_weight)
    if not is_soft and not (isinstance(target.dtype, types.Integer) and target.ndim == 1):
        raise TypingError(f"{name}: labels of an integer dtype (N,) are needed, or soft targets; got {target}")
    use_soft, use_weights = YES if is_soft else NO, YES if weighted else NO
    check_floats(name, prediction, *([target] if is_soft else []), *([class_weight] if weighted else []))

    def call(prediction, target, class_weight=None, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
        mean, reduce = read_reduction(reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError("softmax_cross_entropy: label_smoothing must be from 0 to 1")
        check_batch(prediction.shape)
        n, classes = prediction.shape
        weights = _weights(class_weight, classes)
        labels, soft = _targets(prediction, target, ignore_index)
        losses, d = np.zeros(max(1, n)), np.empty((n, classes), prediction.dtype)
        _softmax(ALONE, flat(prediction), labels, soft, use_soft, weights, use_weights, np.int64(ignore_index),
                 float(label_smoothing), np.bool_(mean), np.bool_(reduce), losses, d.reshape(-1), n, classes)
        return _reduced(losses, reduction, n, prediction), d

    return call


@inside(categorical_cross_entropy, literal=True)
def _categorical_inside(prediction, target, reduction="mean"):
    check_floats("categorical_cross_entropy", prediction, target)

    def call(prediction, target, reduction="mean"):
        if target.shape != prediction.shape:
            raise ValueError("categorical_cross_entropy: target does not have the shape of prediction")
        check_batch(prediction.shape)
        n, classes = prediction.shape
        for i in range(n):
            total = 0.0
            for c in range(classes):
                p, t = prediction[i, c], target[i, c]
                if p < 0.0 or t < 0.0 or t > 1.0:
                    raise ValueError("categorical_cross_entropy: values from 0 to 1 are needed")
                total += p
            if abs(total - 1.0) > checks.SLACK:
                raise ValueError("categorical_cross_entropy: a row of prediction does not have the sum 1")
        return loss_inside(CATEGORICAL, prediction, target, reduction, 0.0)

    return call
