"""What every data set returns: a training part, a test part and the names of the classes."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Labelled = tuple[NDArray[Any], NDArray[np.int64]]
IMAGE_TYPES = ("float32", "float64", "uint8")


class TrainTest(tuple[Labelled, Labelled]):
    """A training and a test part; unpacks as ``(x_train, y_train), (x_test, y_test)``.

    Attributes
    ----------
    classes : tuple of str
        Name of each class, in the order of the labels; empty where the data set has none.
    """

    classes: tuple[str, ...]

    def __new__(cls, train: Labelled, test: Labelled, classes: tuple[str, ...] = ()) -> "TrainTest":
        """Make the pair."""
        self = super().__new__(cls, (train, test))
        self.classes = tuple(classes)
        return self

    def __getnewargs__(self) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Let copies keep the names."""
        return (*self, self.classes)


def check_dtype(function: str, dtype: DTypeLike) -> np.dtype[Any]:
    """Check in which type images are asked for."""
    try:
        checked = np.dtype(dtype)
    except TypeError:
        checked = None
    if dtype is None or checked not in IMAGE_TYPES:
        raise TypeError(f"{function}: dtype is {dtype!r}, needed is one of {', '.join(IMAGE_TYPES)}")
    return checked


def as_images(pixels: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give pixels as they are, or as floats from 0 to 1."""
    return pixels if dtype == np.uint8 else pixels / dtype.type(255)
