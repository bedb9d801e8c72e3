"""Data sets: the embedded 8x8 digits, and larger ones read from a folder on this machine.

Nothing here downloads anything.
"""

from .embedded import digits
from .local import mnist
from .npz import load_npz
from .split import stratified_split

__all__ = ["digits", "load_npz", "mnist", "stratified_split"]
