"""What a model's outputs say about classes."""

from __future__ import annotations

import numpy as np

from .initializers import Array
from .losses import Loss


def probabilities(outputs: Array, loss: Loss | None, last_op: str) -> Array:
    """Return probabilities (N, classes); of one output (N, 1) those of class 0 and class 1, (N, 2).

    Raises
    ------
    ValueError
        If neither the loss nor the last layer says what the outputs are.
    """
    found = None if loss is None else loss.probabilities(outputs)
    if found is None:
        if last_op not in ("softmax", "sigmoid"):
            raise ValueError(
                "predict_proba: the outputs are no probabilities: compile with the loss "
                '"softmax_cross_entropy" or "binary_cross_entropy_with_logits", or end the model with Softmax or '
                "Sigmoid"
            )
        found = outputs
    return np.concatenate([1 - found, found], axis=1) if found.shape[1:] == (1,) else found


def classes(outputs: Array, loss: Loss | None, last_op: str) -> Array:
    """Return the class of each sample, (N,) int64: that with the largest output, or of one output 0 or 1.

    With the loss "binary_cross_entropy_with_logits" and several outputs each is a question of its own: (N, outputs),
    0 or 1.

    Raises
    ------
    ValueError
        If the outputs are no scores of classes.
    """
    binary = loss is not None and loss.name == "binary_cross_entropy_with_logits"
    single = outputs.shape[1:] == (1,)
    if outputs.ndim != 2 or (single and not binary and last_op != "sigmoid"):
        raise ValueError(
            f"predict_classes: the output of one sample has shape {outputs.shape[1:]}, (classes,) with at least 2 "
            'classes is needed, or one output and the loss "binary_cross_entropy_with_logits"'
        )
    if binary or single:
        right = (outputs > (0.0 if binary else 0.5)).astype(np.int64)
        return right[:, 0] if single else right
    return np.asarray(outputs.argmax(axis=1))
