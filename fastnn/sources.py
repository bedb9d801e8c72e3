"""Where batches come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn_kernels.batches import batch_weights

from .images import is_readable, readable
from .initializers import Array
from .losses import Loss

# Elements of x in one call that does not train. The number of samples in such a call follows from their shape alone,
# so that sums over calls have the same bits on a slow machine and on a fast one.
_ELEMENTS = 2**21


@dataclass(frozen=True)
class Part:
    """Batches for one call of the interpreter.

    Attributes
    ----------
    x, y : (M, ...)
        Samples and targets.
    order : (n,) int64
        Which of them, in which order.
    batch_size : int
    weights : (M,) or None
        What each sample counts; 1 by default.
    """

    x: Array
    y: Array
    order: Array
    batch_size: int
    weights: Array | None = None

    @property
    def steps(self) -> int:
        """Number of batches."""
        return -(-len(self.order) // self.batch_size)

    @property
    def sizes(self) -> Array:
        """Samples of each batch, (steps,)."""
        return np.minimum(self.batch_size, len(self.order) - self.batch_size * np.arange(self.steps))

    def weight_sums(self, loss: Loss) -> Array:
        """Return what each batch counts in an average over batches, (steps,) float64: what its mean loss is over."""
        if not loss.weighs:
            return batch_weights(self.order, self.batch_size, self.weights)
        counts = loss.counts(self.targets)
        if self.weights is not None:
            counts *= self.weights[self.order]
        return batch_weights(np.arange(len(counts)), self.batch_size, counts)

    def batches(self) -> Iterator[Part]:
        """Give the batches one by one."""
        for start in range(0, len(self.order), self.batch_size):
            some = self.order[start : start + self.batch_size]
            weights = None if self.weights is None else self.weights[some]
            yield Part(self.x[some], self.y[some], np.arange(len(some)), self.batch_size, weights)

    @property
    def targets(self) -> Array:
        """Targets in the order the samples are used, (n, ...)."""
        return self.y[self.order]


class Source(ABC):
    """Gives the batches of an epoch, as many in one call as are asked for.

    Attributes
    ----------
    steps : int or None
        Batches of an epoch; None where that shows at its end.
    samples : int or None
        Samples of an epoch.
    most : int or None
        Batches that it can give at once; None is any number.
    """

    steps: int | None = None
    samples: int | None = None
    most: int | None = None

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a position in the epoch depends on; of plain data."""

    @abstractmethod
    def start(self, epoch: int, position: int) -> None:
        """Go to a batch of an epoch; both count from 0, epochs since compile()."""

    @abstractmethod
    def take(self, steps: int) -> Part | None:
        """Give the next batches, at least one and at most `steps`; None at the end of the epoch."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Take notice that an epoch has ended."""

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """Give all batches once in their own order, in calls of about the same length."""


def settings_of_samples(samples: int, used: int, batch_size: int, seed: int | None) -> dict[str, Any]:
    """Return the settings of a source that puts samples into batches itself."""
    return {"samples": samples, "samples an epoch": used, "batch_size": batch_size, "seed": seed}


class Arrays(Source):
    """Batches of samples that lie in arrays.

    Parameters
    ----------
    x : (N, ...)
        Samples; those that the interpreter cannot read are copied for each call.
    y : (N, ...)
        As the interpreter takes them.
    batch_size : int
        At most N.
    dtype : dtype
        The model's.
    weights : (N,), optional
        What each sample counts.
    seed : int, optional
        Shuffles: a new order each epoch, given by seed and epoch. None is the order of the arrays.
    drop_last : bool
        Leave out a last batch that is smaller.
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        dtype: np.dtype[Any],
        *,
        weights: Array | None = None,
        seed: int | None = None,
        drop_last: bool = False,
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.batch_size, self.seed = batch_size, seed
        self._staged = None if is_readable(x) else dtype
        self._used = len(x) - len(x) % batch_size if drop_last else len(x)
        self.samples, self.steps = self._used, -(-self._used // batch_size)
        self._order = np.zeros(0, np.int64)

    @property
    def settings(self) -> dict[str, Any]:
        """Number of samples and batches, and what shuffles them."""
        return settings_of_samples(len(self.x), self._used, self.batch_size, self.seed)

    def order(self, epoch: int) -> Array:
        """Return the samples of an epoch, in the order they are used."""
        if self.seed is None:
            return np.arange(self._used)
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.x))[: self._used]

    def start(self, epoch: int, position: int) -> None:
        """Go to a batch of an epoch."""
        self._order = self.order(epoch)[position * self.batch_size :]

    def take(self, steps: int) -> Part | None:
        """Give the next batches."""
        n = steps * self.batch_size
        part, self._order = self._order[:n], self._order[n:]
        if len(part) == 0:
            return None
        if self._staged is None:
            return Part(self.x, self.y, part, self.batch_size, self.weights)
        return self._part(part)

    def parts(self) -> Iterator[Part]:
        """Give all samples in the order of the arrays."""
        size = max(1, _ELEMENTS // (self.batch_size * max(1, self.x[0].size))) * self.batch_size
        if len(self.x) <= size and self._staged is None:
            yield Part(self.x, self.y, np.arange(len(self.x)), self.batch_size, self.weights)
            return
        for first in range(0, len(self.x), size):
            yield self._part(slice(first, first + size))

    def _part(self, samples: Array | slice) -> Part:
        """Take some samples out of the arrays."""
        x, y = self.x[samples], self.y[samples]
        if self._staged is not None:
            x = readable(x, self._staged)
        weights = None if self.weights is None else self.weights[samples]
        return Part(x, y, np.arange(len(x)), self.batch_size, weights)
