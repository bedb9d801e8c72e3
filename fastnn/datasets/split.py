"""Split a labelled data set into a training and a test part."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn_kernels import _options as options

from .train_test import TrainTest


def stratified_split(
    x: NDArray[Any],
    y: NDArray[np.int64],
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    classes: tuple[str, ...] = (),
) -> TrainTest:
    """Hold out the same share of every class, in seeded random order.

    Parameters
    ----------
    x : ndarray, shape (N, ...)
        Samples.
    y : ndarray of int64, shape (N,)
        Class of each sample.
    test_fraction : float
        Share of each class that goes to the test part, rounded to whole samples.
    seed : int
        The same seed gives the same split.
    classes : tuple of str
        Names of the classes, for the attribute of the result.

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``.

    Raises
    ------
    ValueError
        If the fraction is not between 0 and 1, or leaves one of the two parts empty.
    """
    options.integer("stratified_split: seed", seed, 0)
    if not 0.0 < options.number("stratified_split: test_fraction", test_fraction, -math.inf) < 1.0:
        raise ValueError(f"stratified_split: test_fraction is {test_fraction}, needed is between 0 and 1")
    if y.shape != (len(x),):
        raise ValueError(f"stratified_split: y has shape {y.shape}, needed is ({len(x)},)")
    order = np.random.default_rng(seed).permutation(len(x))
    is_test = np.zeros(len(x), dtype=bool)
    for label in np.unique(y):
        members = order[y[order] == label]
        is_test[members[: round(test_fraction * len(members))]] = True
    train, test = order[~is_test[order]], order[is_test[order]]
    if len(train) == 0 or len(test) == 0:
        raise ValueError(
            f"stratified_split: test_fraction {test_fraction} of {len(x)} samples leaves "
            f"{len(train)} for training and {len(test)} for testing, needed is at least one each"
        )
    return TrainTest((x[train], y[train]), (x[test], y[test]), classes)
