"""Cross-entropies over classes: the value, and the gradient of its sum."""

from typing import Any

import numpy as np

from .. import _loss_checks as checks
from .._checks import Array, batch, rank, same_shape
from .loss import reduced


def softmax_cross_entropy(
    prediction: Array,
    target: Array,
    *,
    class_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Cross-entropy of softmax(prediction): -sum over the classes of q * log(softmax(prediction)).

    q is the target as shares of the classes (1 for the label, 0 else), moved by `label_smoothing` towards equal
    shares, and multiplied by the class weights.

    Parameters
    ----------
    prediction : (N, C)
        Logits: the softmax is part of the loss.
    target : (N,) of an integer dtype, or (N, C)
        Labels from 0 to C - 1, or a share for each class ("soft targets"), which need not sum to 1.
    class_weight : (C,), optional
    ignore_index : int
        Label of samples that are left out.
    label_smoothing : float
        From 0 to 1.
    reduction : "mean", "sum" or "none"
        "mean" divides by N, or with labels by the sum of the weights of the labels that are not left out. Where that
        is 0, loss and gradient are 0, or NaN for a logit that is NaN in a sample that is not left out.

    Returns
    -------
    loss : scalar, or (N,) for "none"
        A share of 0 takes no part, also where the logit is -inf.
    d_prediction : (N, C)
        The gradient of loss.sum(): softmax(prediction) * sum(q) - q, divided as the loss.

    Raises
    ------
    TypeError, ValueError
        If `prediction` is not (N, C), targets, labels or class weights do not fit it or are out of their range, or an
        option is out of its range.
    """
    function = "softmax_cross_entropy"
    checks.reduction(function, reduction)
    ignore_index = checks.ignored_label(function, ignore_index)
    label_smoothing = checks.smoothing(function, label_smoothing)
    rank(function, "prediction", prediction.shape, 2)
    batch(function, "prediction", prediction.shape, 2)
    n, classes = prediction.shape
    if class_weight is None:
        weights = np.ones(classes, prediction.dtype)
    else:
        weights = checks.class_weights(function, class_weight, prediction)

    if target.ndim == 1:
        label = checks.labels(function, target, n, classes, ignore_index)
        used = label != ignore_index
        label = np.where(used, label, 0)
        shares = np.eye(classes, dtype=prediction.dtype)[label]
        divisor = float(weights[label[used]].sum(dtype=np.float64))
    else:
        used = np.ones(n, bool)
        shares = checks.soft_targets(function, target, prediction, ignore_index)
        divisor = float(n)
    q = weights * ((1 - label_smoothing) * shares + label_smoothing / classes)

    with np.errstate(invalid="ignore"):  # inf - inf: the sample becomes NaN, as in PyTorch
        z = prediction - prediction.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        terms = np.where((q == 0) & ~np.isnan(log_p), 0, q * log_p)  # 0 * -inf would be NaN
    losses = np.where(used, -terms.sum(axis=1), 0)
    d_prediction = np.where(used[:, None], np.exp(log_p) * q.sum(axis=1, keepdims=True) - q, 0)
    if divisor == 0 and reduction == "mean":  # nothing counts; PyTorch: NaN
        losses, d_prediction, divisor = 0 * losses, 0 * d_prediction, 1.0
    return reduced(losses, d_prediction, reduction, divisor)


def categorical_cross_entropy(prediction: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Cross-entropy of probabilities: -sum over the classes of target * log(prediction).

    Parameters
    ----------
    prediction : (N, C)
        Probabilities: from 0 to 1, each row with the sum 1, up to 1e-3.
    target : (N, C)
        From 0 to 1: one-hot, or a share for each class.
    reduction : "mean", "sum" or "none"

    Returns
    -------
    loss : scalar, or (N,) for "none"
        A target of 0 takes no part; a probability of 0 under a target above 0 gives inf.
    d_prediction : (N, C)
        The gradient of loss.sum(): -target / prediction, divided by N for "mean"; 0 where the target is 0.

    Raises
    ------
    TypeError, ValueError
        If shapes are not (N, C) or differ, probabilities or targets are out of their range, or `reduction` is none of
        the three.
    """
    function = "categorical_cross_entropy"
    checks.reduction(function, reduction)
    rank(function, "prediction", prediction.shape, 2)
    batch(function, "prediction", prediction.shape, 2)
    checks.no_labels(function, prediction, target)
    same_shape(function, prediction=prediction.shape, target=target.shape)
    checks.probabilities(function, "prediction", prediction)
    checks.shares(function, "target", target)
    nothing = (target == 0) & ~np.isnan(prediction)
    with np.errstate(divide="ignore"):  # log(0) and 1 / 0
        p = np.where(nothing, 1, prediction)
        losses = -(target * np.log(p)).sum(axis=1)
        d_prediction = -target / p
    return reduced(losses, d_prediction, reduction)
