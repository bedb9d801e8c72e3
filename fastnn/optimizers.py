"""Optimizers: the numbers of an update rule. The state belongs to the model.

Weight decay leaves out biases and the scales and shifts of norms: it is there to keep weights small.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels import _update_checks as check
from fastnn_kernels.update import Update

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Momentum", "NAdam", "Optimizer", "RMSprop", "get"]


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have; `lr` is the first argument of each.

    A step clips the gradient by value, then by norm, applies the rule with its weight decay, and last the `max_norm`
    of the layers that have one. Frozen parameters take no part in any of it.

    Parameters
    ----------
    lr : float
        Learning rate, above 0.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient of each parameter p (L2 regularisation), in AdamW instead
        ``p *= 1 - lr * weight_decay``. Biases, and scales and shifts of norms, are left out.
    clip_norm : float, optional
        Scales the gradient of all parameters together down to this norm.
    clip_value : float, optional
        Clips each element of the gradient to [-clip_value, clip_value].
    schedule : object, optional
        Gives the learning rates of the steps in place of `lr` alone: an object with the method `rates`, as the
        schedules of this package.

    Raises
    ------
    TypeError, ValueError
        If a number is none, or outside its range.
    """

    lr: float = 0.01
    _: KW_ONLY
    weight_decay: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    schedule: Any = None

    # Name of the kernel, the values of state it keeps for each parameter, and the fields that are its numbers.
    rule: ClassVar[str] = ""
    slots: ClassVar[int] = 0
    numbers: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        name = type(self).__name__
        for field in ("lr", "weight_decay", *self.numbers):
            self._set(field, float(*check.numbers(name, **{field: getattr(self, field)})))
        if self.lr == 0:
            raise ValueError(f"{name}: lr is 0, a number above 0 is needed")
        for field in ("clip_norm", "clip_value"):
            if getattr(self, field) is not None:
                self._set(field, float(check.limit(f"{name}: {field}", getattr(self, field))))
        given = self.schedule
        if given is not None and (isinstance(given, type) or not callable(getattr(given, "rates", None))):
            raise TypeError(
                f"{name}: schedule is {self.schedule!r}, an object with the method rates is needed: fn.schedules"
            )

    def update(self) -> Update:
        """Return the update rule for the interpreter."""
        given = {field: getattr(self, field) for field in self.numbers}
        return Update(self.rule, self.slots, given, self.weight_decay, self.clip_value, self.clip_norm)

    def _set(self, field: str, value: Any) -> None:
        """Replace what the user wrote by its normal form, in the constructor only."""
        object.__setattr__(self, field, value)


@dataclass(frozen=True)
class SGD(Optimizer):
    """``p -= lr * g``; with momentum ``v = momentum * v + g``, ``p -= lr * v``, as in PyTorch.

    Parameters
    ----------
    lr : float
        Learning rate, above 0.
    momentum : float
        What v keeps of itself, 0 <= momentum < 1. v starts at 0.
    nesterov : bool
        Looks ahead: ``p -= lr * (g + momentum * v)``. Needs momentum above 0.
    weight_decay, clip_norm, clip_value, schedule
        See `Optimizer`.
    """

    momentum: float = 0.0
    nesterov: bool = False

    numbers = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        self._set("nesterov", options.flag(f"{name}: nesterov", self.nesterov))
        if self.nesterov and self.momentum == 0:
            raise ValueError(f"{name}: nesterov is True and momentum is 0, needed: 0 < momentum")

    def update(self) -> Update:
        """Return sgd_update, or where there is momentum momentum_update or nesterov_update."""
        if self.momentum == 0:
            return Update("sgd_update", 0, {}, self.weight_decay, self.clip_value, self.clip_norm)
        rule, given = "nesterov_update" if self.nesterov else "momentum_update", {"momentum": self.momentum}
        return Update(rule, 1, given, self.weight_decay, self.clip_value, self.clip_norm)


@dataclass(frozen=True)
class Momentum(SGD):
    """SGD with momentum 0.9: the textbook's name. Parameters as of `SGD`."""

    momentum: float = 0.9


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """``h += g**2``, ``p -= lr * g / (sqrt(h) + eps)`` (Duchi et al. 2011): steps shrink where gradients were large.

    Parameters
    ----------
    lr : float
        Learning rate, above 0.
    eps : float
        Keeps the divisor from 0.
    weight_decay, clip_norm, clip_value, schedule
        See `Optimizer`.
    """

    eps: float = 1e-10

    rule = "adagrad_update"
    slots = 1
    numbers = ("eps",)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """``h = alpha * h + (1 - alpha) * g**2``, ``p -= lr * g / (sqrt(h) + eps)`` (Hinton 2012, lecture 6e).

    Parameters
    ----------
    lr : float
        Learning rate, above 0.
    alpha : float
        What h keeps of itself: 0.9 as in the textbook and in Keras (`rho`), where PyTorch has 0.99.
    eps : float
        Keeps the divisor from 0.
    weight_decay, clip_norm, clip_value, schedule
        See `Optimizer`.
    """

    alpha: float = 0.9
    eps: float = 1e-8

    rule = "rmsprop_update"
    slots = 1
    numbers = ("alpha", "eps")


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), eps after the bias correction, as in PyTorch.

    Parameters
    ----------
    lr : float
        Learning rate, above 0.
    beta1, beta2 : float
        What the averages of the gradient and of its square keep of themselves.
    eps : float
        Keeps the divisor from 0.
    weight_decay, clip_norm, clip_value, schedule
        See `Optimizer`.
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    rule = "adam_update"
    slots = 2
    numbers: ClassVar[tuple[str, ...]] = ("beta1", "beta2", "eps")


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, ``p *= 1 - lr * weight_decay`` (Loshchilov and Hutter 2019, algorithm 2).

    Parameters as of `Adam`; weight_decay is 0.01 by default, as in PyTorch.
    """

    _: KW_ONLY
    weight_decay: float = 0.01

    rule = "adamw_update"


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016), as in PyTorch.

    Parameters as of `Adam`; lr is 2e-3 by default.

    Parameters
    ----------
    momentum_decay : float
        beta1 starts lower, and grows the faster the larger this is.
    """

    lr: float = 2e-3
    momentum_decay: float = 4e-3

    rule = "nadam_update"
    numbers = (*Adam.numbers, "momentum_decay")


_NAMED: dict[str, type[Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, Momentum, Adagrad, RMSprop, Adam, AdamW, NAdam)
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Take an optimizer, or make one with its default numbers by name."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if not isinstance(optimizer, str):
        raise TypeError(f"compile: optimizer is a {type(optimizer).__name__}, an optimizer or its name is needed")
    return _NAMED[options.choice("compile: optimizer", optimizer, tuple(_NAMED))]()
