"""The shape of a registry row: what an op is, and how its kernels are found.

The rows themselves are in the package `ops`; user code adds its own through `register`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .stage import Stage

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Kernel:
    """One kernel of an op: operands by name, the NumPy twin, and the compiled stages.

    Attributes
    ----------
    name : str
        "forward", "backward..." (conv2d has "backward_input" and "backward_weight"), "inference" or "commit".
    reads, writes : tuple of str
        Operand names. The gradient of operand `v` is called `dv`; that is how the tape wires backward rows.
    twin : callable
        ``twin(**reads, shapes=..., **attrs) -> array or tuple of arrays`` in the order of `writes`, on plain
        (N, ...) arrays; operands that are absent (a layer without bias) are passed as None. That of a loss is given
        the `target` as well, and returns the batch's mean loss first; that of a random op is given the `step`.
    stages : tuple of Stage
        The compiled kernel: one stage, or several where the batch as a whole is needed in between.
    alias : bool
        Whether what it writes is what it reads, under another shape or name: no stage runs.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    twin: Callable[..., Any]
    stages: tuple[Stage, ...]
    alias: bool = False


@dataclass(frozen=True)
class Op:
    """A row of the registry.

    Attributes
    ----------
    name : str
        The name used on tapes.
    shape : callable
        ``shape(shapes, **attrs) -> {written operand: shape of one sample}``; raises ValueError where it cannot.
    forward : Kernel
        The forward kernel.
    backward : tuple of Kernel
        Its gradients; empty for an op nothing is trained through.
    inference : Kernel, optional
        What takes the place of `forward` where nothing is trained.
    commit : Kernel, optional
        What a training step does to the op's states after everything else, so that a step which an op refuses leaves
        them alone. Its stages run on the tile axis; they read values of the whole batch and states.
    whole : tuple of str
        Operands written that belong to the batch, not to a sample: one place for all blocks.
    random : bool
        Whether it draws random numbers; the tape then gives each row of such ops an attribute `number` of its own.
    check : callable, optional
        ``check(row, samples)`` raises ValueError where a batch of so many samples cannot be trained on.
    weights : bool
        Whether, as a loss, it takes a weight for each sample: its row then has the attribute `weighted`, and its twin
        is given `sample_weight`.
    """

    name: str
    shape: Callable[..., Mapping[str, Shape]]
    forward: Kernel
    backward: tuple[Kernel, ...] = ()
    inference: Kernel | None = None
    commit: Kernel | None = None
    whole: tuple[str, ...] = ()
    random: bool = False
    check: Callable[[Any, int], None] | None = None
    weights: bool = False

    def kernel(self, name: str) -> Kernel:
        """Return the kernel called `name`."""
        for kernel in (self.forward, *self.backward, self.inference, self.commit):
            if kernel is not None and kernel.name == name:
                return kernel
        raise KeyError(f"op {self.name!r} has no kernel {name!r}")


_OPS: dict[str, Op] = {}


def _load() -> None:
    """Import the rows at first use: they import this module, and kernels alone do not need them."""
    importlib.import_module(f"{__package__}.ops")


def register(op: Op, *, replace: bool = False) -> Op:
    """Add `op`; its name must be new, unless it is to take the place of another."""
    if op.name in _OPS and not replace:
        raise ValueError(f"register: an op called {op.name!r} is registered already")
    _OPS[op.name] = op
    return op


def get(name: str) -> Op:
    """Return the op called `name`."""
    if name not in _OPS:  # asked for several times in each call of a step
        _load()
    try:
        return _OPS[name]
    except KeyError:
        raise ValueError(f"no op is called {name!r}; there are: {', '.join(sorted(_OPS))}") from None


def names() -> tuple[str, ...]:
    """Names of all registered ops."""
    _load()
    return tuple(_OPS)
