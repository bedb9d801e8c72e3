"""Curves over epochs; Matplotlib is imported at the first use."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

_SIZE = (4.0, 3.0)  # inches of one pair of axes


def curves(
    epochs: Sequence[int], values: Mapping[str, Sequence[float]], path: str | os.PathLike[str] | None = None
) -> Any:
    """Draw each of `values` over the epochs, "val_..." in the axes of what it belongs to.

    Parameters
    ----------
    epochs : sequence of int
    values : mapping of str to one float an epoch
    path : path, optional
        Write the picture there; its ending gives the format.

    Returns
    -------
    matplotlib.figure.Figure
        Belongs to no window: pyplot does not know it, and notebooks show it.

    Raises
    ------
    ImportError
        Without Matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise ImportError('plots need Matplotlib: pip install "fastnn-numba[plot]"') from None
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    figure = Figure(figsize=(_SIZE[0] * len(names), _SIZE[1]), layout="constrained")
    marker = "o" if len(epochs) == 1 else None  # one point has no line
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        drawn = [(label, key) for label, key in (("training", name), ("validation", f"val_{name}")) if key in values]
        for label, key in drawn:
            axes.plot(epochs, values[key], label=label, marker=marker)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if len(drawn) > 1:
            axes.legend()
    if path is not None:
        figure.savefig(path)
    return figure
