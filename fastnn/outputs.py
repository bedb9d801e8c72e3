"""What a model's outputs say about classes."""

from __future__ import annotations

import numpy as np

from .initializers import Array
from .inputs import Shape
from .losses import Loss


def check_probabilities(loss: Loss | None, last_op: str) -> None:
    """Raise ValueError where neither the loss nor the last layer says that the outputs are probabilities."""
    if (loss is None or not loss.gives_probabilities) and last_op not in ("softmax", "sigmoid"):
        raise ValueError(
            "predict_proba: the outputs are no probabilities: compile with the loss "
            '"softmax_cross_entropy" or "binary_cross_entropy_with_logits", or end the model with Softmax or '
            "Sigmoid"
        )


def probabilities(outputs: Array, loss: Loss | None) -> Array:
    """Return probabilities (N, classes); of one output (N, 1) those of class 0 and class 1, (N, 2)."""
    found = outputs if loss is None else loss.probabilities(outputs)
    return np.concatenate([1 - found, found], axis=1) if found.shape[1:] == (1,) else found


def check_classes(shape: Shape, loss: Loss | None, last_op: str) -> None:
    """Raise ValueError where outputs of this shape, of one sample, are no scores of classes."""
    if len(shape) != 1 or (shape == (1,) and not _is_binary(loss) and last_op != "sigmoid"):
        raise ValueError(
            f"predict_classes: the output of one sample has shape {shape}, (classes,) with at least 2 "
            'classes is needed, or one output and the loss "binary_cross_entropy_with_logits"'
        )


def classes(outputs: Array, loss: Loss | None) -> Array:
    """Return the class of each sample, (N,) int64: that with the largest output, or of one output 0 or 1.

    With the loss "binary_cross_entropy_with_logits" and several outputs each is a question of its own: (N, outputs),
    0 or 1.
    """
    binary, single = _is_binary(loss), outputs.shape[1:] == (1,)
    if binary or single:
        right = (outputs > (0.0 if binary else 0.5)).astype(np.int64)
        return right[:, 0] if single else right
    return np.asarray(outputs.argmax(axis=1))


def _is_binary(loss: Loss | None) -> bool:
    """Whether the outputs are logits of questions that have two answers each."""
    return loss is not None and loss.name == "binary_cross_entropy_with_logits"
