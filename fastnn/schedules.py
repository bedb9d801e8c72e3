"""Learning rates that change while training: ``fn.Adam(1e-3, schedule=fn.schedules.Cosine())``.

A schedule gives each step its learning rate, as a pure function of the step's number and of the optimizer's `lr`, or
of what a callback has set ``model.lr`` to. Steps are counted within a call of fit: a second call starts the schedule
over, unless its `initial_epoch` says how many epochs were done before. `train_step` counts from compile().

A length is given in epochs or in steps; where neither is given it is the whole of fit.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from fastnn_kernels import _options as options

from .initializers import Array

__all__ = ["Constant", "Cosine", "Exponential", "LinearWarmup", "OneCycle", "Schedule", "Step"]


class Schedule(ABC):
    """Gives each step its learning rate."""

    @abstractmethod
    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return learning rates.

        Parameters
        ----------
        lr : float
            The rate to start from.
        first_step : int
            Number of the first step, counted from 0.
        steps : int
            How many are wanted.
        steps_per_epoch, total_steps : int or None
            Of the call of fit, None where not known.

        Returns
        -------
        (steps,) float64

        Raises
        ------
        ValueError
            If it needs to know how many steps there are, and that is None.
        """

    def _set(self, **values: Any) -> None:
        """Replace what the user wrote by its normal form, in the constructor only."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_length(self, needed: bool = False) -> None:
        """Check the fields `epochs` and `steps`, of which one may be given, or has to be."""
        name, fields = type(self).__name__, vars(self)
        if fields["epochs"] is not None and fields["steps"] is not None:
            raise ValueError(f"{name}: epochs and steps are both given, one is needed")
        if fields["epochs"] is not None:
            epochs = float(options.number(f"{name}: epochs", fields["epochs"]))
            if epochs == 0:
                raise ValueError(f"{name}: epochs is 0, a number above 0 is needed")
            self._set(epochs=epochs)
        elif fields["steps"] is not None:
            self._set(steps=options.integer(f"{name}: steps", fields["steps"], 1))
        elif needed:
            raise ValueError(f"{name}: epochs or steps is needed")

    def _length(self, steps_per_epoch: int | None, total_steps: int | None) -> float:
        """Return the length in steps."""
        fields = vars(self)
        if fields["steps"] is not None:
            return float(fields["steps"])
        if fields["epochs"] is not None and steps_per_epoch is not None:
            return float(fields["epochs"] * steps_per_epoch)
        if fields["epochs"] is None and total_steps is not None:
            return float(total_steps)
        raise ValueError(
            f"{type(self).__name__}: the number of steps of fit is not known here: give the schedule steps="
        )


def _numbers(first_step: int, steps: int) -> Array:
    return np.arange(first_step, first_step + steps, dtype=np.float64)


@dataclass(frozen=True)
class Constant(Schedule):
    """lr."""

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return `lr` for each step."""
        return np.full(steps, float(lr))


@dataclass(frozen=True)
class Step(Schedule):
    """``lr * gamma ** floor(step / length)``: PyTorch's StepLR.

    Parameters
    ----------
    epochs : float, optional
        Length in epochs, or `steps`: one is needed.
    gamma : float
        Factor at the end of each length.
    steps : int, optional
        Length in steps.
    """

    epochs: float | None = None
    gamma: float = 0.1
    _: KW_ONLY
    steps: int | None = None

    def __post_init__(self) -> None:
        self._check_length(needed=True)
        self._set(gamma=float(options.number("Step: gamma", self.gamma)))

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return the rates of steps, the first of them `first_step`."""
        length = self._length(steps_per_epoch, total_steps)
        return lr * self.gamma ** np.floor(_numbers(first_step, steps) / length)


@dataclass(frozen=True)
class Exponential(Schedule):
    """``lr * gamma ** (step / length)``: PyTorch's ExponentialLR in small steps, Keras' ExponentialDecay.

    Parameters
    ----------
    gamma : float
        Factor of each length.
    epochs : float, optional
        Length in epochs; 1 where `steps` is not given either.
    steps : int, optional
        Length in steps.
    """

    gamma: float = 0.95
    _: KW_ONLY
    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.steps is None:
            self._set(epochs=1.0)
        self._check_length()
        self._set(gamma=float(options.number("Exponential: gamma", self.gamma)))

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return the rates of steps, the first of them `first_step`."""
        length = self._length(steps_per_epoch, total_steps)
        return lr * self.gamma ** (_numbers(first_step, steps) / length)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From lr down to ``alpha * lr`` along half a cosine, without restarts (Loshchilov and Hutter 2017, SGDR).

    ``lr * (alpha + (1 - alpha) * (1 + cos(pi * min(step / length, 1))) / 2)``.

    Parameters
    ----------
    alpha : float
        What is left at the end, 0 to 1, as in Keras' CosineDecay.
    epochs, steps : optional
        Length in epochs or in steps; the whole of fit by default.
    """

    alpha: float = 0.0
    _: KW_ONLY
    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        self._check_length()
        self._set(alpha=options.fraction("Cosine: alpha", self.alpha))

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return the rates of steps, the first of them `first_step`."""
        done = np.minimum(_numbers(first_step, steps) / self._length(steps_per_epoch, total_steps), 1.0)
        return lr * (self.alpha + (1 - self.alpha) * (1 + np.cos(np.pi * done)) / 2)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to lr and down to nearly nothing, along two half cosines: PyTorch's OneCycleLR (Smith and Topin 2018).

    From ``lr / div_factor`` up to lr at step ``pct_start * length - 1``, then down to
    ``lr / div_factor / final_div_factor`` at the last step. The momentum stays as it is.

    Parameters
    ----------
    pct_start : float
        Share of the length, 0 to 1, in which the rate rises.
    div_factor, final_div_factor : float
        Above 0.
    epochs, steps : optional
        Length in epochs or in steps; the whole of fit by default.
    """

    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    _: KW_ONLY
    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        self._check_length()
        self._set(pct_start=options.fraction("OneCycle: pct_start", self.pct_start))
        for name in ("div_factor", "final_div_factor"):
            value = float(options.number(f"OneCycle: {name}", vars(self)[name]))
            if value == 0:
                raise ValueError(f"OneCycle: {name} is 0, a number above 0 is needed")
            self._set(**{name: value})

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return the rates of steps, the first of them `first_step`."""
        length = max(round(self._length(steps_per_epoch, total_steps)), 1)
        step = np.minimum(_numbers(first_step, steps), length - 1)
        start = lr / self.div_factor
        # A rise, or a whole cycle, of less than one step is left out: it begins at the top.
        top = max(self.pct_start * length - 1, 0.0)
        up = _cosine(start, lr, step / top) if top else np.full(steps, float(lr))
        fall = (step - top) / (length - 1 - top) if length - 1 > top else np.zeros(steps)
        down = _cosine(lr, start / self.final_div_factor, fall)
        return np.where(step <= top, up, down)


def _cosine(start: float, end: float, done: Array) -> Array:
    """Go from `start` to `end` along half a cosine; `done` is 0 to 1."""
    return end + (start - end) * (1 + np.cos(np.pi * done)) / 2


@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """Grows from 0 to lr on a line, then goes on with another schedule (Goyal et al. 2017, section 2.2).

    Step k of the first `length` has the rate ``lr * (k + 1) / length``; the other schedule counts its steps, and the
    whole of fit, from the end of these.

    Parameters
    ----------
    schedule : Schedule, optional
        What comes then; lr by default.
    epochs, steps : optional
        Length of the warm-up in epochs or in steps: one is needed.
    """

    schedule: Schedule = Constant()
    _: KW_ONLY
    epochs: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        self._check_length(needed=True)
        if not callable(getattr(self.schedule, "rates", None)) or isinstance(self.schedule, type):
            raise TypeError(f"LinearWarmup: schedule is {self.schedule!r}, a schedule is needed")

    def rates(
        self, lr: float, first_step: int, steps: int, steps_per_epoch: int | None, total_steps: int | None
    ) -> Array:
        """Return the rates of steps, the first of them `first_step`."""
        length = math.ceil(self._length(steps_per_epoch, total_steps))
        rising = min(max(length - first_step, 0), steps)
        line = lr * (_numbers(first_step, rising) + 1) / length
        if rising == steps:
            return line
        rest = None if total_steps is None else max(total_steps - length, 1)
        then = self.schedule.rates(lr, first_step + rising - length, steps - rising, steps_per_epoch, rest)
        return np.concatenate([line, then])
