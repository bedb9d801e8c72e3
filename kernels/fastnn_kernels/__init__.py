"""Compiled kernels for small CNNs on CPUs, for NumPy arrays and for the user's own `@njit` functions.

Every kernel has a NumPy twin of the same name and signature in `fastnn_kernels.reference`. Arrays are float32 or
float64, images (N, C, H, W); options are keyword-only. Inside `@njit` code (also in `prange`, also in several Python
threads) the same names run on one thread.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import conv_inside  # noqa: F401  (binds conv2d and its gradients for compiled callers)
from ._config import config, fma_peak
from ._threads import get_num_threads, set_num_threads
from ._version import __version__
from .activation import (
    identity,
    identity_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from .conv import conv2d, conv2d_backward, conv2d_backward_input, conv2d_backward_weight
from .cross_entropy import categorical_cross_entropy, softmax_cross_entropy
from .dense import dense, dense_backward
from .im2col import col2im, im2col
from .loss import binary_cross_entropy_with_logits, huber, mean_squared_error, sum_squared_error
from .optimizer import adam_update, momentum_update, sgd_update
from .pool import max_pool2d, max_pool2d_backward
from .softmax import softmax, softmax_backward

if TYPE_CHECKING:
    from . import reference

__all__ = [
    "__version__",
    "adam_update",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "col2im",
    "config",
    "conv2d",
    "conv2d_backward",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "dense",
    "dense_backward",
    "fma_peak",
    "get_num_threads",
    "huber",
    "identity",
    "identity_backward",
    "im2col",
    "leaky_relu",
    "leaky_relu_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mean_squared_error",
    "momentum_update",
    "reference",
    "relu",
    "relu_backward",
    "set_num_threads",
    "sgd_update",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "sum_squared_error",
    "tanh",
    "tanh_backward",
]


def __getattr__(name: str) -> Any:
    """Import `reference` at its first use: kernels alone do not need the twins."""
    if name == "reference":
        return importlib.import_module(f"{__name__}.reference")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
