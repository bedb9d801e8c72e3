"""What became of an exception in a user's function: compiled code can only tell that there was one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._arrays import Array
from .memory import Memory
from .reference.interpreter import Interpreter
from .registry import Kernel
from .tape import Tape
from .task import RAISED, WRONG_SHAPE
from .update import Update

STATUS_TEXTS = {
    RAISED: "an exception in a function of the user's",
    WRONG_SHAPE: "a gradient that is not shaped as the prediction",
}


class _Again(Interpreter):
    """Runs user's functions as compiled, and, where they raise, in plain Python."""

    def _twin(self, kernel: Kernel) -> Callable[..., Any]:
        return getattr(kernel.twin, "again", kernel.twin)


def raise_own(
    failed: Any, tape: Tape, memory: Memory, update: Update | None, kind: str, x: Array, y: Array, order: Array,
    batch_size: int, hyper: Array, sample_weight: Array | None,
) -> None:  # fmt: skip
    """Run the step that `failed` once more on plain arrays, so that the user's own exception is raised.

    It has the attribute `steps` of the error it stands for. Nothing happens where another kind of op refused, or where
    the step, computed by the twins and rounded otherwise, goes through.
    """
    if failed.status not in STATUS_TEXTS:
        return
    step = failed.steps
    rows = order[step * batch_size : (step + 1) * batch_size]
    copy = Memory(memory.params.copy(), memory.grads.copy(), memory.slots.copy(), memory.state.copy())
    again = _Again(tape, copy, update)
    weights = None if sample_weight is None else sample_weight[rows]
    lr, first = hyper[step : step + 1, 0], int(hyper[step, 1])
    try:
        if kind == "train":
            again.train(x, y, rows, batch_size, first, lr, sample_weight=sample_weight)
        elif kind == "gradients":
            again.gradients(x[rows], y[rows], sample_weight=weights)
        elif kind == "evaluate":
            again.evaluate(x[rows], y[rows], batch_size, sample_weight=weights)
        else:
            again.forward(x[rows], batch_size)
    except Exception as error:
        error.steps = step  # type: ignore[attr-defined]
        error.add_note(str(failed))
        raise error from None
