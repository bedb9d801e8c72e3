"""The flat arrays of a model: parameters, gradients, optimizer state, running statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .tape import Tape

Array = NDArray[Any]


@dataclass
class Memory:
    """All that a model owns besides its tape.

    Attributes
    ----------
    params : (tape.size,) float32 or float64
        All parameters, one behind the other.
    grads : (tape.size,) same dtype
        Gradient of the last batch's mean loss, without weight decay, after a training step as clipped there; 0 for
        frozen parameters.
    slots : (k, tape.size) same dtype
        The optimizer's state: k values for each parameter.
    state : (tape.state_size,) same dtype
        Running statistics; only `train` changes them.
    """

    params: Array
    grads: Array
    slots: Array
    state: Array

    @classmethod
    def create(cls, tape: Tape, dtype: DTypeLike) -> Memory:
        """Allocate zeros for `tape`, without optimizer state, and states with their initial values."""
        n = tape.size
        state = np.zeros(tape.state_size, dtype)
        for s in tape.states:
            state[s.offset : s.offset + s.size] = s.initial
        return cls(np.zeros(n, dtype), np.zeros(n, dtype), np.zeros((0, n), dtype), state)

    def reset_slots(self, count: int) -> None:
        """Start over with `count` zeros of optimizer state for each parameter."""
        self.slots = np.zeros((count, self.params.size), self.params.dtype)

    @staticmethod
    def views(tape: Tape, array: Array) -> dict[str, Array]:
        """Name the parts of a flat array of tape.size elements; the views share its memory."""
        return {p.name: array[p.offset : p.offset + p.size].reshape(p.shape) for p in tape.params}

    @staticmethod
    def state_views(tape: Tape, array: Array) -> dict[str, Array]:
        """Name the parts of a flat array of tape.state_size elements; the views share its memory."""
        return {s.name: array[s.offset : s.offset + s.size].reshape(s.shape) for s in tape.states}

    @contextmanager
    def restored_on_error(self) -> Iterator[None]:
        """Put all arrays back to what they hold now if the block raises anything, Ctrl-C included."""
        arrays = (self.params, self.grads, self.slots, self.state)
        saved = [array.copy() for array in arrays]
        try:
            yield
        except BaseException:
            for array, before in zip(arrays, saved, strict=True):
                array[...] = before
            raise
