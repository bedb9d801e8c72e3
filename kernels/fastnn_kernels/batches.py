"""How the samples of an order are shared out into batches."""

import numpy as np

from ._arrays import Array


def batch_weights(order: Array, batch_size: int, sample_weight: Array | None = None) -> Array:
    """Sum the weights of each batch of `order`, (steps,) float64: its number of samples where they have none."""
    starts = np.arange(0, len(order), batch_size)
    if sample_weight is None:
        return np.minimum(batch_size, len(order) - starts).astype(np.float64)
    return np.add.reduceat(sample_weight[order].astype(np.float64), starts)
