"""`--augment flip,crop=4,rotate=10`: steps of augmentation by name."""

import argparse
from typing import TYPE_CHECKING

from .arguments import positive_float

if TYPE_CHECKING:
    from ..augment import AugmentStep

# name: class, and what its number is; where none is given a share of the image's shorter side, or the number itself
STEPS = {
    "flip": ("Flip", ""),
    "crop": ("Crop", "pixels of padding, default an eighth of the side"),
    "shift": ("Shift", "pixels at most, default an eighth of the side"),
    "rotate": ("Rotate", "degrees at most, default 10"),
    "cutout": ("Cutout", "pixels a side, default a quarter of the side"),
    "mixup": ("MixUp", "alpha, default 0.2"),
}
HELP = "steps, each with its number: " + "; ".join(
    f"{name}={told}" if told else name for name, (_, told) in STEPS.items()
)
PIXELS = {"crop": 8, "shift": 8, "cutout": 4}
NUMBERS = {"rotate": 10.0, "mixup": 0.2}


def parse(text: str) -> list[tuple[str, float | None]]:
    """Read names with or without numbers."""
    steps: list[tuple[str, float | None]] = []
    for part in text.split(","):
        name, equals, number = part.partition("=")
        if name not in STEPS or (equals and name == "flip"):
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(STEPS)}, with =NUMBER but for flip")
        value = positive_float(number) if equals else None
        if value is not None and name in PIXELS and not value.is_integer():
            raise argparse.ArgumentTypeError(f"{part!r}: {number} is no whole number of pixels")
        steps.append((name, value))
    return steps


def as_text(steps: list[tuple[str, float | None]]) -> str:
    """Write steps as they are typed."""
    return ",".join(name if value is None else f"{name}={value:g}" for name, value in steps)


def build(steps: list[tuple[str, float | None]], input_shape: tuple[int, ...]) -> "list[AugmentStep]":
    """Make the steps for images of this shape."""
    from .. import augment

    built: list[AugmentStep] = []
    for name, value in steps:
        make = getattr(augment, STEPS[name][0])
        if name in PIXELS:
            built.append(make(int(value) if value else max(1, min(input_shape[1:]) // PIXELS[name])))
        elif name in NUMBERS:
            built.append(make(value or NUMBERS[name]))
        else:
            built.append(make())
    return built
