"""Augmentation inside training: `fit(..., augment=[Flip(), Crop(4)])` changes each batch a little before each step.

Steps run in the order of the list, inside the compiled call, on images in the model's dtype (uint8 pixels are shares of
255 by then). Random numbers depend on the model's seed, the number of the optimizer's step, the place of the step in
the list among those of its kind, and the position of the sample in the batch: they are the same for any number of
threads, and those of the functions of the same names in `fastnn_kernels`. `evaluate`, `predict`, `gradients`,
`train_step` and validation take images as they are.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from fastnn_kernels import _augmentation as check
from fastnn_kernels import _options as options
from fastnn_kernels import reference
from fastnn_kernels._options import Size
from fastnn_kernels.augmentation import Augmentation

from .initializers import Array
from .inputs import Shape

__all__ = ["AugmentStep", "Crop", "Cutout", "Flip", "MixUp", "Rotate", "Shift"]


class AugmentStep(ABC):
    """One step of augmentation; its fields are the options of the kernel `name`.

    Attributes
    ----------
    name : str
        The kernel in `fastnn_kernels`.
    """

    name: ClassVar[str]

    def check_images(self, function: str, shape: Shape) -> None:
        """Raise ValueError where one sample's shape does not suit."""
        if len(shape) != 3:
            raise ValueError(
                f"{function}: augment has {self}, which needs images (C, H, W); the model's input_shape is {shape}"
            )

    def lowered(self, seed: int, op: int) -> Augmentation:
        """Return the step as the interpreters take it; `op` tells steps of one kind apart."""
        own: tuple[Any, ...] = fields(self)  # type: ignore[arg-type]
        values = ((f.name, getattr(self, f.name)) for f in own)
        # Interpreters look up what they have compiled by it: no lists.
        plain = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in values)
        return Augmentation(self.name, plain, seed, op)


@dataclass(frozen=True)
class Flip(AugmentStep):
    """Mirror each image, each of the wanted directions with a probability of its own.

    Parameters
    ----------
    horizontal, vertical : bool
        Left to right, top to bottom.
    probability : float
        From 0 to 1.
    """

    name = "flip"

    horizontal: bool = True
    vertical: bool = False
    probability: float = 0.5

    def __post_init__(self) -> None:
        options.flag("Flip: horizontal", self.horizontal)
        options.flag("Flip: vertical", self.vertical)
        options.fraction("Flip: probability", self.probability)


@dataclass(frozen=True)
class Crop(AugmentStep):
    """Pad each image and cut a window of the image's size out at a random place; ``Crop(4)`` is usual for CIFAR-10.

    Parameters
    ----------
    padding : int or (h, w)
        Pixels added on each side.
    size : int or (h, w), optional
        Size of the window, which must be that of the model's images; None is just that.
    fill : float
        Value of the pixels added.
    """

    name = "crop"

    padding: Size
    _: KW_ONLY
    size: Size | None = None
    fill: float = 0.0

    def __post_init__(self) -> None:
        options.pair("Crop: padding", self.padding, 0)
        if self.size is not None:
            options.pair("Crop: size", self.size, 1)
        check.fill_value("Crop", self.fill)

    def check_images(self, function: str, shape: Shape) -> None:
        """Need images of the size of the window."""
        super().check_images(function, shape)
        if self.size is not None and options.pair("Crop: size", self.size, 1) != shape[1:]:
            raise ValueError(f"{function}: augment has {self}, the model needs images of size {shape[1:]}")
        check.window("crop", "padding", (1, *shape), self.padding)


@dataclass(frozen=True)
class Shift(AugmentStep):
    """Move each image by whole pixels, down or up and right or left, all distances equally likely.

    Parameters
    ----------
    max_shift : int or (h, w)
        Longest way.
    fill : float
        Value of the pixels that come in from outside.
    """

    name = "shift"

    max_shift: Size
    _: KW_ONLY
    fill: float = 0.0

    def __post_init__(self) -> None:
        options.pair("Shift: max_shift", self.max_shift, 0)
        check.fill_value("Shift", self.fill)

    def check_images(self, function: str, shape: Shape) -> None:
        """Need images."""
        super().check_images(function, shape)
        check.window("shift", "max_shift", (1, *shape), self.max_shift)


@dataclass(frozen=True)
class Rotate(AugmentStep):
    """Rotate each image about its centre by a random angle, with bilinear interpolation.

    Parameters
    ----------
    degrees : float or (low, high)
        Range of the angles, counter-clockwise, from -360 to 360; a number means (-degrees, degrees).
    fill : float
        Value of the pixels outside the image.
    """

    name = "rotate"

    degrees: float | tuple[float, float]
    _: KW_ONLY
    fill: float = 0.0

    def __post_init__(self) -> None:
        check.angles("Rotate", self.degrees)
        check.fill_value("Rotate", self.fill)


@dataclass(frozen=True)
class Cutout(AugmentStep):
    """Hide a rectangle about a random pixel of each image, in all channels (DeVries and Taylor 2017).

    Parameters
    ----------
    size : int or (h, w)
        Size of the rectangle; what lies outside the image is cut off.
    fill : float
        Value written into it.
    """

    name = "cutout"

    size: Size
    _: KW_ONLY
    fill: float = 0.0

    def __post_init__(self) -> None:
        options.pair("Cutout: size", self.size, 1)
        check.fill_value("Cutout", self.fill)


@dataclass(frozen=True)
class MixUp(AugmentStep):
    """Mix each sample and its target with a random other one of its batch (Zhang et al. 2018).

    Targets must be numbers: fit makes rows of shares (N, classes) of labels, and mixes the targets of a regression as
    they are. The loss and the metrics of the training data are those for mixed targets; a prediction is correct if it
    is the class with the larger share. Weights of samples or classes are refused: a mixed sample has no class or
    weight of its own. A list has it once at most.

    Parameters
    ----------
    alpha : float
        More than 0; the share of the sample itself is drawn from Beta(alpha, alpha). Small: nearly unmixed; 1: all
        shares are equally likely.
    """

    name = "mixup"

    alpha: float

    def __post_init__(self) -> None:
        check.beta_parameter("MixUp", self.alpha)

    def check_images(self, function: str, shape: Shape) -> None:
        """Take samples of any shape."""


def mixed_targets(steps: Iterable[Augmentation], targets: Array, batch_size: int, first_step: int) -> Array:
    """Return the targets (n, ...) of batches of training as MixUp mixes them; as they are without it."""
    for part in steps:
        if part.mixes:
            rows = targets.reshape(len(targets), -1)
            batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
            mixed = [
                reference.mixup(batch, batch, **dict(part.options), seed=part.seed, step=first_step + k, op=part.op)[1]
                for k, batch in enumerate(batches)
            ]
            targets = np.concatenate(mixed).reshape(targets.shape)
    return targets


def lowered_steps(function: str, steps: Iterable[AugmentStep], shape: Shape, seed: int) -> tuple[Augmentation, ...]:
    """Check a list of steps for samples of this shape; return it as the interpreters take it.

    Raises
    ------
    TypeError, ValueError
        If one is no step, does not suit the samples, or there is more than one MixUp.
    """
    if isinstance(steps, AugmentStep) or not isinstance(steps, Iterable):
        raise TypeError(f"{function}: augment is {steps!r}, a list of steps of fastnn.augment is needed")
    counts: dict[str, int] = {}
    result = []
    for k, step in enumerate(steps):
        if not isinstance(step, AugmentStep):
            raise TypeError(f"{function}: augment[{k}] is {step!r}, a step of fastnn.augment is needed: Flip()")
        step.check_images(function, shape)
        op = counts.get(step.name, 0)
        result.append(step.lowered(seed, op))
        counts[step.name] = op + 1
    if counts.get(MixUp.name, 0) > 1:
        raise ValueError(f"{function}: augment has {counts[MixUp.name]} MixUp, one at most is needed")
    return tuple(result)
