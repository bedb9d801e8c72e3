"""Sources that ask an object of the user's for samples or batches, when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .initializers import Array
from .sources import Part, Source, settings_of_samples

# Called with a name for messages and what was given; returns the batch as the interpreter takes it.
Check = Callable[[str, Any], Part]
_END = object()


class _Indexed(Source):
    """What `Samples` and `Batches` share: an object with a length, whose items are used in an order of the epoch."""

    most = 1

    def __init__(self, what: str, x: Any, check: Check, seed: int | None) -> None:
        self.what, self.x, self.check, self.seed = what, x, check, seed
        self._order = np.zeros(0, np.int64)

    def order(self, epoch: int) -> Array:
        """Return the numbers of all items, in the order they are used."""
        n = len(self.x)
        return np.arange(n) if self.seed is None else np.random.default_rng((self.seed, epoch)).permutation(n)

    def finish(self) -> None:
        """Tell the object, as Keras does."""
        if hasattr(self.x, "on_epoch_end"):
            self.x.on_epoch_end()


class Batches(_Indexed):
    """An object with `__len__` and `__getitem__` whose items are batches: a Sequence of Keras.

    Parameters
    ----------
    what, steps_name : str
        What it and `steps` are called in messages: "fit: x", "fit: steps_per_epoch".
    x : object
    check : callable
    steps : int, optional
        Batches of an epoch; all by default.
    seed : int, optional
        Shuffles the batches.
    """

    def __init__(
        self, what: str, x: Any, check: Check, steps: int | None, steps_name: str, *, seed: int | None = None
    ) -> None:
        super().__init__(what, x, check, seed)
        self._used = len(x) if steps is None else steps
        if self._used > len(x):
            raise ValueError(f"{steps_name} is {steps}, at most {len(x)} is needed, the length of {what.split()[-1]}")
        self.steps = self._used

    @property
    def settings(self) -> dict[str, Any]:
        """Number of batches, and what shuffles them."""
        return {"batches": len(self.x), "batches an epoch": self._used, "seed": self.seed}

    def start(self, epoch: int, position: int) -> None:
        """Go to a batch of an epoch."""
        self._order = self.order(epoch)[position : self._used]

    def take(self, steps: int) -> Part | None:
        """Ask for the next batch."""
        if len(self._order) == 0:
            return None
        k, self._order = int(self._order[0]), self._order[1:]
        return self.check(f"{self.what}[{k}]", self.x[k])

    def parts(self) -> Iterator[Part]:
        """Ask for each batch."""
        for k in range(self._used):
            yield self.check(f"{self.what}[{k}]", self.x[k])


class Samples(_Indexed):
    """An object with `__len__` and `__getitem__` whose items are samples: a Dataset of PyTorch.

    Parameters
    ----------
    what : str
        What it is called in messages: "fit: x".
    x : object
    check : callable
    batch_size : int
        At most its length.
    seed : int, optional
        Shuffles the samples.
    drop_last : bool
        Leave out a last batch that is smaller.
    """

    def __init__(
        self, what: str, x: Any, check: Check, batch_size: int, *, seed: int | None = None, drop_last: bool = False
    ) -> None:
        super().__init__(what, x, check, seed)
        self.batch_size = batch_size
        self._used = len(x) - len(x) % batch_size if drop_last else len(x)
        self.samples, self.steps = self._used, -(-self._used // batch_size)

    @property
    def settings(self) -> dict[str, Any]:
        """Number of samples and batches, and what shuffles them."""
        return settings_of_samples(len(self.x), self._used, self.batch_size, self.seed)

    def start(self, epoch: int, position: int) -> None:
        """Go to a batch of an epoch."""
        self._order = self.order(epoch)[position * self.batch_size : self._used]

    def take(self, steps: int) -> Part | None:
        """Ask for the samples of the next batch."""
        if len(self._order) == 0:
            return None
        indices, self._order = self._order[: self.batch_size], self._order[self.batch_size :]
        return self._gather(indices)

    def parts(self) -> Iterator[Part]:
        """Ask for all samples, a batch at a time."""
        for first in range(0, self._used, self.batch_size):
            yield self._gather(np.arange(first, min(first + self.batch_size, self._used)))

    def _gather(self, indices: Array) -> Part:
        # A last, smaller batch is computed as the others are: the bits are those of samples in an array.
        return replace(self._checked(indices), batch_size=self.batch_size)

    def _checked(self, indices: Array) -> Part:
        items = [self.x[int(k)] for k in indices]
        if not isinstance(items[0], (tuple, list)):
            return self.check(f"{self.what}[{indices[0]}]", _stacked(self.what, indices, items))
        for k, item in zip(indices, items, strict=True):
            if not isinstance(item, (tuple, list)) or len(item) != len(items[0]):
                raise TypeError(f"{self.what}[{k}] is {item!r}, needed are {len(items[0])} parts as of the others")
        columns = [_stacked(self.what, indices, column) for column in zip(*items, strict=True)]
        return self.check(f"{self.what}[{indices[0]}] and what follows it", columns)


def _stacked(what: str, indices: Array, column: Any) -> Array:
    arrays = [np.asarray(value) for value in column]
    for k, array in zip(indices, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{what}[{k}] has a part of shape {array.shape}, that of {what}[{indices[0]}] has {arrays[0].shape}"
            )
    return np.stack(arrays)


class Stream(Source):
    """An iterator or iterable of batches: a generator, a DataLoader of PyTorch.

    With `steps` the same iterator goes on from epoch to epoch, and an iterable begins anew when it has ended; without,
    an epoch is all that the object gives. Where training is resumed in the middle of an epoch, the object begins at
    the epoch's start: the batches that were trained on are taken and left.

    Parameters
    ----------
    what : str
        What it is called in messages: "fit: x".
    x : iterator or iterable
    check : callable
    steps : int, optional
        Batches of an epoch.
    """

    most = 1

    def __init__(self, what: str, x: Any, check: Check, steps: int | None) -> None:
        self.what, self.x, self.check = what, x, check
        self._limit = steps
        self.steps = steps if steps is not None else _length(x)
        self._iterator: Iterator[Any] | None = None
        self._next = 0  # number of the next batch of the epoch

    @property
    def settings(self) -> dict[str, Any]:
        """Number of batches."""
        return {"steps": self.steps}

    def start(self, epoch: int, position: int) -> None:
        """Go to a batch of an epoch."""
        if self._limit is None or self._iterator is None:
            self._iterator = iter(self.x)
        self._next = 0
        while self._next < position:
            if self._draw() is _END:
                raise ValueError(
                    f"{self.what} ended after {self._next} batches, training is to go on behind {position}"
                )

    def take(self, steps: int) -> Part | None:
        """Take the next batch."""
        if self._limit is not None and self._next >= self._limit:
            return None
        item = self._draw()
        return None if item is _END else self.check(f"{self.what}: batch {self._next - 1}", item)

    def parts(self) -> Iterator[Part]:
        """Take the batches of an epoch."""
        self.start(0, 0)
        while (part := self.take(1)) is not None:
            yield part

    def _draw(self) -> Any:
        """Take what comes next; _END at the end of an epoch whose length is not known."""
        assert self._iterator is not None
        item = next(self._iterator, _END)
        if item is _END and self._limit is not None and self._iterator is not self.x:
            self._iterator = iter(self.x)
            item = next(self._iterator, _END)
        if item is not _END:
            self._next += 1
        elif self._next == 0:
            raise ValueError(f"{self.what} gave no batches; an iterator gives them only once")
        elif self._limit is not None:
            raise ValueError(f"{self.what} ended after {self._next} of the {self._limit} batches of an epoch")
        return item


def _length(x: Any) -> int | None:
    try:
        return len(x)
    except TypeError:
        return None
