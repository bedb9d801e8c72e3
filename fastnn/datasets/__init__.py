"""Data sets: the embedded 8x8 digits, known ones read from a folder on this machine, and one's own files.

Nothing is downloaded unless it is asked for.
"""

from .cifar import cifar10
from .embedded import digits
from .folder_of_images import image_folder
from .idx_sets import fashion_mnist, load_idx, mnist
from .npz import load_npz
from .split import stratified_split
from .train_test import TrainTest

__all__ = [
    "TrainTest",
    "cifar10",
    "digits",
    "fashion_mnist",
    "image_folder",
    "load_idx",
    "load_npz",
    "mnist",
    "stratified_split",
]
