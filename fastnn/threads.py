"""The number of threads that compiled kernels use."""

from __future__ import annotations

import fastnn_kernels

__all__ = ["get_num_threads", "set_num_threads"]


def set_num_threads(n: int) -> None:
    """Let compiled kernels use n threads; results have the same bits for every n."""
    fastnn_kernels.set_num_threads(n)


def get_num_threads() -> int:
    """Return the number of threads compiled kernels use."""
    return int(fastnn_kernels.get_num_threads())
