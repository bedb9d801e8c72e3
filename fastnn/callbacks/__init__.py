"""Called while fit trains: to stop early, to save, to change the learning rate, to show how it goes."""

from .base import Callback, CallbackList
from .progress_bar import ProgressBar

__all__ = [
    "Callback",
    "CallbackList",
    "ProgressBar",
]
