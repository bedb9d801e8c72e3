"""What users give as data -> a source of batches: arrays, or objects that give samples or batches themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn_kernels import _options as options

from . import inputs
from .sources import Arrays, Part, Source
from .streams import Batches, Samples, Stream
from .weights import Preparation

if TYPE_CHECKING:
    from .network import Network
    from .trainable import Trainable


def gives_batches(x: Any) -> bool:
    """Tell objects that give samples or batches from arrays, and from what is neither."""
    if isinstance(x, (list, tuple, str, bytes, Mapping)) or hasattr(x, "__array__") or np.isscalar(x):
        return False
    return hasattr(x, "__getitem__") or hasattr(x, "__iter__") or hasattr(x, "__next__")


def for_fit(
    model: Trainable,
    x: Any,
    y: Any,
    *,
    batch_size: int | str,
    validation_data: Any,
    validation_split: float,
    shuffle: bool,
    drop_last: bool,
    steps_per_epoch: int | None,
    validation_steps: int | None,
    epochs: int,
    sample_weight: Any,
    prepare: Preparation,
) -> tuple[Source, Source | None]:
    """Check the data of fit; return what is trained on, and what is evaluated after each of the `epochs` to come."""
    share = options.number("fit: validation_split", validation_split, below=1.0)
    options.flag("fit: shuffle", shuffle)
    options.flag("fit: drop_last", drop_last)
    if validation_data is not None and share:
        raise ValueError("fit: validation_data and validation_split are both given, one is needed")
    seed = model.seed if shuffle else None
    validation: Source | None = None
    if gives_batches(x):
        if share:
            raise ValueError("fit: validation_split needs arrays: give validation_data")
        if sample_weight is not None:
            raise ValueError("fit: sample_weight needs arrays: x gives batches (x, y, sample_weight)")
        source = _stream(
            model, "fit", "x", x, y, batch_size, steps_per_epoch, epochs, prepare, seed=seed, drop_last=drop_last
        )
    else:
        _only_of_batches("fit", "steps_per_epoch", steps_per_epoch)
        (images, targets), rest = model._batch("fit", x, y, staged=True), None
        weights = model._weights("fit", sample_weight, len(images))
        if share:
            (images, targets), rest = inputs.split_off("fit: validation_split", images, targets, share)
        n = len(images)
        size = inputs.batch_size("fit", batch_size, n, drop_last=drop_last)
        if rest is not None:
            rest_weights = None if weights is None else weights[n:]
            validation = Arrays(*rest, min(size, len(rest[0])), model.dtype, weights=rest_weights)
        targets, weights = prepare("fit", targets, None if weights is None else weights[:n])
        if weights is not None and not weights.any():
            raise ValueError("fit: all samples have the weight 0, one that counts is needed")
        source = Arrays(images, targets, size, model.dtype, weights=weights, seed=seed, drop_last=drop_last)
    if isinstance(source, (Arrays, Samples)):
        model._lowered.check_batches("fit", len(source.x), source.batch_size, drop_last=drop_last)
    if validation_data is not None:
        validation = _validation(model, validation_data, batch_size, validation_steps, epochs)
    else:
        _only_of_batches("fit", "validation_steps", validation_steps)
    return source, validation


def for_evaluate(
    model: Trainable, x: Any, y: Any, sample_weight: Any, batch_size: int | str, steps: int | None
) -> Source:
    """Check the data of evaluate."""
    if gives_batches(x):
        if sample_weight is not None:
            raise ValueError("evaluate: sample_weight needs arrays: x gives batches (x, y, sample_weight)")
        return _stream(model, "evaluate", "x", x, y, batch_size, steps, 1)
    _only_of_batches("evaluate", "steps", steps)
    images, targets = model._batch("evaluate", x, y, staged=True)
    weights = model._weights("evaluate", sample_weight, len(images))
    size = inputs.batch_size("evaluate", batch_size, len(images))
    return Arrays(images, targets, size, model.dtype, weights=weights)


def for_predict(model: Network, function: str, x: Any, batch_size: int | str, steps: int | None = None) -> Source:
    """Check the data of predict."""
    if gives_batches(x):

        def check(where: str, item: Any) -> Part:
            images = model._images(where, item[0] if isinstance(item, (tuple, list)) else item)
            return Part(images, images, np.arange(len(images)), len(images))

        return _source(model, function, "x", x, check, batch_size, steps, 1)
    _only_of_batches(function, "steps", steps)
    images = model._images(function, x, staged=True)
    return Arrays(images, images, inputs.batch_size(function, batch_size, len(images)), model.dtype)


def _validation(model: Trainable, data: Any, batch_size: int | str, steps: int | None, epochs: int) -> Source:
    if gives_batches(data):
        name = "validation_data"
        return _stream(model, "fit", name, data, None, batch_size, steps, epochs, steps_name="validation_steps")
    _only_of_batches("fit", "validation_steps", steps)
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(
            "fit: validation_data is no pair of arrays, (x, y) or (x, y, sample_weight) is needed, or an object that "
            "gives batches"
        )
    names = [f"validation_data[{k}]" for k in range(3)]
    images, targets = model._batch("fit", data[0], data[1], (names[0], names[1]), staged=True)
    weights = model._weights("fit", data[2] if len(data) == 3 else None, len(images), names[2])
    size = inputs.batch_size("fit", batch_size, len(images))
    return Arrays(images, targets, size, model.dtype, weights=weights)


def _stream(
    model: Trainable,
    function: str,
    name: str,
    x: Any,
    y: Any,
    batch_size: int | str,
    steps: int | None,
    epochs: int,
    prepare: Preparation | None = None,
    **how: Any,
) -> Source:
    """Make a source of an object that gives batches with their targets."""
    if y is not None:
        raise TypeError(f"{function}: {name} gives batches (x, y), y is not needed")
    model._check_compiled(function)

    def check(where: str, item: Any) -> Part:
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
            raise TypeError(f"{where} is a {type(item).__name__}, (x, y) or (x, y, sample_weight) is needed")
        images, targets = model._batch(where, item[0], item[1])
        weights = model._weights(where, item[2] if len(item) == 3 else None, len(images))
        if prepare is not None:
            targets, weights = prepare(where, targets, weights)
        return Part(images, targets, np.arange(len(images)), len(images), weights)

    return _source(model, function, name, x, check, batch_size, steps, epochs, **how)


def _source(
    model: Network,
    function: str,
    name: str,
    x: Any,
    check: Callable[[str, Any], Part],
    batch_size: int | str,
    steps: int | None,
    epochs: int,
    *,
    steps_name: str | None = None,
    seed: int | None = None,
    drop_last: bool = False,
) -> Source:
    """Find out what an object gives."""
    what = f"{function}: {name}"
    inputs.batch_size(function, batch_size, 1)
    steps_name = f"{function}: " + (steps_name or ("steps_per_epoch" if function == "fit" else "steps"))
    if steps is not None:
        steps = options.integer(steps_name, steps, 1)
    if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, Iterator):
        if len(x) == 0:
            raise ValueError(f"{what} has the length 0, at least one batch or sample is needed")
        first = x[0]
        images = np.asarray(first[0] if isinstance(first, (tuple, list)) else first)
        if images.shape == model.input_shape:
            if steps is not None:
                raise ValueError(f"{steps_name} is {steps}, but {name} gives samples: all of them make an epoch")
            size = inputs.batch_size(function, batch_size, len(x), drop_last=drop_last)
            return Samples(what, x, check, size, seed=seed, drop_last=drop_last)
        check(f"{what}[0]", first)
        if drop_last:
            raise ValueError(f"{function}: drop_last needs arrays or samples, {name} gives batches")
        return Batches(what, x, check, steps, steps_name, seed=seed)
    if drop_last:
        raise ValueError(f"{function}: drop_last needs arrays or samples, {name} gives batches")
    if not hasattr(x, "__iter__") and not hasattr(x, "__next__"):
        raise TypeError(f"{what} is {x!r}, which has neither a length nor an iterator")
    if isinstance(x, Iterator) and steps is None and epochs > 1:
        raise ValueError(
            f"{what} is an iterator, which ends once, and there are {epochs} epochs: {steps_name.split()[-1]} is "
            "needed, or an object that can be iterated anew"
        )
    return Stream(what, x, check, steps)


def _only_of_batches(function: str, name: str, steps: int | None) -> None:
    if steps is not None:
        raise ValueError(f"{function}: {name} is {steps}, but the data are arrays: all of them are used")
