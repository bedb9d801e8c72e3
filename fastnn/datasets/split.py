"""Split a labelled data set into a training and a test part."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    TypeError
        If the fraction is no number or the seed no int.
    ValueError
        If the fraction is not between 0 and 1 or leaves one of the two parts empty, or the seed is below 0.
    """
    # Not by the kernels' checks of options: whoever reads data should not have to wait for Numba.
    given: Any = test_fraction, seed
    if isinstance(given[0], bool) or not isinstance(given[0], Real):
        raise TypeError(f"stratified_split: test_fraction is {test_fraction!r}, a number between 0 and 1 is needed")
    if not 0.0 < test_fraction < 1.0:
        raise ValueError(f"stratified_split: test_fraction is {test_fraction}, needed is between 0 and 1")
    if isinstance(given[1], bool) or not isinstance(given[1], Integral):
        raise TypeError(f"stratified_split: seed is {seed!r}, an int is needed")
    if seed < 0:
        raise ValueError(f"stratified_split: seed is {seed}, at least 0 is needed")
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
