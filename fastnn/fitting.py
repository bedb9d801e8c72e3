"""From the plan of a call of fit to the loop: callbacks join, the state begins or comes from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from .callbacks import Callback, CallbackList
from .history import History
from .interrupts import held_back
from .training import Loop, Plan

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .trainable import Trainable


def run(
    model: Trainable,
    plan: Plan,
    callbacks: Iterable[Callback],
    initial_epoch: int,
    verbose: str | int,
    resumed: Checkpoint | None,
) -> History:
    """Train as planned, from the start or from where `resumed` stands; what does not fit is refused before that."""
    called = CallbackList(callbacks, verbose)
    plan = replace(plan, schedule=called.schedule or plan.schedule)
    names = ["loss", *(metric.name for metric in plan.metrics)]
    measured = names + [f"val_{name}" for name in names] * (plan.validation is not None)
    called.join(model, {"epochs": plan.epochs, "steps": plan.source.steps, "metrics": measured})
    plan.rates(model.lr, 0, 1)  # a schedule may want to know more than there is
    if resumed is not None:
        called.check_restorable(resumed.state.callbacks)
        resumed.state.check_resumable(plan.settings, plan.epochs)
    with held_back():
        if resumed is None:
            model.training_state.begin(initial_epoch, plan.source.steps, plan.settings)
        else:
            resumed.restore(model)
        model.history = model.training_state.history
    plan = replace(plan, lr=model.lr)
    Loop(model._engine, model.training_state, plan, called).run()
    return model.history
