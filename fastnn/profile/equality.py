"""Results are compared before anything is timed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .work import Array, Call, Work

# Of the largest element: sums of up to some 30,000 products of float32, in another order.
TOLERANCE = 1e-4


def results(work: Work, function: Callable[..., Any], call: Call) -> list[Array]:
    """Call on copies of the arguments; return what comes back, or what was changed."""
    args, given = copy.deepcopy(call)
    returned = function(*args, **given)
    return [args[k] for k in work.in_place] or as_list(returned)


def as_list(returned: Any) -> list[Array]:
    """Make a list of one result or of several."""
    return [np.asarray(r) for r in (returned if isinstance(returned, tuple | list) else (returned,))]


def check(what: str, who: str, found: Sequence[Array], expected: Sequence[Array], tolerance: float = TOLERANCE) -> None:
    """Stop unless the results are the expected ones, up to rounding.

    Raises
    ------
    RuntimeError
    """
    if len(found) != len(expected):
        raise RuntimeError(f"{what}: {who} gives {len(found)} results, needed are {len(expected)}")
    for got, want in zip(found, expected, strict=True):
        if got.shape != want.shape:
            raise RuntimeError(f"{what}: {who} gives a result of shape {got.shape}, needed is {want.shape}")
        a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
        scale = float(np.abs(b).max(initial=0.0))
        difference = float(np.abs(a - b).max(initial=0.0))
        if not difference <= tolerance * scale:  # also for NaN
            raise RuntimeError(f"{what}: {who} differs by {difference:g} of {scale:g}; nothing is timed")
