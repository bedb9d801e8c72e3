"""Vectors at the end of a run of elements: what lies behind it is neither read nor written."""

from ._jit import inline
from .simd import lanes, vload, vload_first, vstore, vstore_first


@inline
def load_span(m, i, count):
    """Vector from `i` on, of which `count` elements exist: any number, zeros behind them."""
    if count >= lanes(m):
        return vload(m, i)
    return vload_first(m, i, count)


@inline
def store_span(m, i, value, count):
    """Store a vector from `i` on, of which `count` elements exist: any number."""
    if count >= lanes(m):
        vstore(m, i, value)
    else:
        vstore_first(m, i, value, count)
