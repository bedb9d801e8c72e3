"""The data set that comes with the package."""

from importlib.resources import files

import numpy as np
from numpy.typing import DTypeLike

from .split import stratified_split
from .train_test import TrainTest

GREY_LEVELS = 16  # the file holds 0 to 16, the number of dark pixels in a 4x4 square


def digits(*, test_fraction: float = 0.2, seed: int = 0, dtype: DTypeLike = np.float32) -> TrainTest:
    """1,797 handwritten digits of 8x8 pixels, split into a training and a test part.

    The test set of the UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, CC BY 4.0;
    see LICENSE-digits.txt). The same share of every class is held out.

    Parameters
    ----------
    test_fraction : float
        Share of the images in the test part.
    seed : int
        The same seed gives the same split and order.
    dtype : float32 or float64
        Type of the images.

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 1, 8, 8), `dtype`, from 0 (white) to 1 (black);
        y of shape (N,), int64, 0 to 9.

    Raises
    ------
    ValueError
        If the fraction is not between 0 and 1 or leaves a part empty.
    TypeError
        If `dtype` is neither float32 nor float64.
    """
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"digits: dtype is {np.dtype(dtype)}, needed is float32 or float64")
    with (files(__package__) / "digits.npz").open("rb") as file, np.load(file) as arrays:
        x = (arrays["images"][:, None] / GREY_LEVELS).astype(dtype)
        y = arrays["labels"].astype(np.int64)
    return stratified_split(x, y, test_fraction=test_fraction, seed=seed, classes=tuple("0123456789"))
