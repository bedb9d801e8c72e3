"""Optimizers: the numbers of an update rule. The state belongs to the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastnn_kernels import _options as options
from fastnn_kernels.update import Update

__all__ = ["SGD", "Adam", "Momentum", "Optimizer", "get"]


class Optimizer:
    """What all optimizers have: a learning rate, and weight decay as L2 in the gradient.

    Attributes
    ----------
    lr : float
        Learning rate, above 0.
    weight_decay : float
        Adds ``weight_decay * p`` to the gradient of each parameter p.
    """

    lr: float
    weight_decay: float

    def __post_init__(self) -> None:
        self._check("lr")
        self._check("weight_decay")
        if self.lr == 0:
            raise ValueError(f"{type(self).__name__}: lr is 0, a number above 0 is needed")

    def update(self) -> Update:
        """Return the update rule for the interpreter."""
        raise NotImplementedError

    def _check(self, name: str, below: float = math.inf) -> None:
        """Make a float of the field, in the constructor only."""
        value = options.number(f"{type(self).__name__}: {name}", getattr(self, name), below=below)
        object.__setattr__(self, name, float(value))


@dataclass(frozen=True)
class SGD(Optimizer):
    """p -= lr * g; with momentum v = momentum * v + g, p -= lr * v, as in PyTorch."""

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", below=1.0)

    def update(self) -> Update:
        """Return sgd_update, or momentum_update where there is momentum."""
        if self.momentum == 0:
            return Update("sgd_update", weight_decay=self.weight_decay)
        return Update("momentum_update", 1, {"momentum": self.momentum}, self.weight_decay)


@dataclass(frozen=True)
class Momentum(SGD):
    """SGD with momentum 0.9: the textbook's name."""

    momentum: float = 0.9


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), eps after the bias correction, as in PyTorch."""

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", below=1.0)
        self._check("beta2", below=1.0)
        self._check("eps")

    def update(self) -> Update:
        """Return adam_update."""
        numbers = {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}
        return Update("adam_update", 2, numbers, self.weight_decay)


_NAMED: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Take an optimizer, or make one with its default numbers by name."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if not isinstance(optimizer, str):
        raise TypeError(
            f"compile: optimizer is a {type(optimizer).__name__}, an optimizer or its name is needed"
        )
    return _NAMED[options.choice("compile: optimizer", optimizer, tuple(_NAMED))]()
