"""Compiled kernels for small CNNs on CPUs, for NumPy arrays and for the user's own `@njit` functions.

Every kernel has a NumPy twin of the same name and signature in `fastnn_kernels.reference`. Arrays are float32 or
float64, images (N, C, H, W); options are keyword-only. Inside `@njit` code (also in `prange`, also in several Python
threads) the same names run on one thread.
"""

import importlib
from typing import TYPE_CHECKING, Any

from . import (  # noqa: F401  (bind their kernels for compiled callers)
    augment_inside,
    conv_inside,
    group_norm_inside,
    optimizer_inside,
    pool_inside,
)
from ._config import config, fma_peak
from ._threads import get_num_threads, set_num_threads
from ._version import __version__
from .activation import (
    elu,
    elu_backward,
    identity,
    identity_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    step,
    step_backward,
)
from .activation_smooth import sigmoid, sigmoid_backward, softplus, softplus_backward, tanh, tanh_backward
from .adaptive_pool import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
)
from .augment import crop, cutout, flip, mixup, rotate, shift
from .avg_pool import avg_pool2d, avg_pool2d_backward
from .batch_norm import batch_norm, batch_norm_backward
from .clip import clip_by_global_norm, clip_by_value, max_norm
from .conv import conv2d, conv2d_backward, conv2d_backward_input, conv2d_backward_weight
from .conv_transpose import (
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose2d_backward_input,
    conv_transpose2d_backward_weight,
)
from .cross_entropy import categorical_cross_entropy, softmax_cross_entropy
from .dense import dense, dense_backward
from .dropout import dropout, dropout_backward
from .gelu import gelu, gelu_backward, silu, silu_backward
from .group_norm import group_norm, group_norm_backward, layer_norm, layer_norm_backward
from .im2col import col2im, im2col
from .learning_rule import delta_update, hebb_update
from .loss import binary_cross_entropy_with_logits, huber, mean_squared_error, sum_squared_error
from .max_pool import max_pool2d, max_pool2d_backward
from .optimizer import (
    adagrad_update,
    adam_update,
    adamw_update,
    momentum_update,
    nadam_update,
    nesterov_update,
    rmsprop_update,
    sgd_update,
)
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

if TYPE_CHECKING:
    from . import reference
    from ._own_op import register_op

__all__ = [
    "__version__",
    "adagrad_update",
    "adam_update",
    "adamw_update",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "clip_by_global_norm",
    "clip_by_value",
    "col2im",
    "config",
    "conv2d",
    "conv2d_backward",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "conv_transpose2d_backward_input",
    "conv_transpose2d_backward_weight",
    "crop",
    "cutout",
    "delta_update",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "elu",
    "elu_backward",
    "flip",
    "fma_peak",
    "gelu",
    "gelu_backward",
    "get_num_threads",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "group_norm",
    "group_norm_backward",
    "hebb_update",
    "huber",
    "identity",
    "identity_backward",
    "im2col",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "log_softmax",
    "log_softmax_backward",
    "max_norm",
    "max_pool2d",
    "max_pool2d_backward",
    "mean_squared_error",
    "mixup",
    "momentum_update",
    "nadam_update",
    "nesterov_update",
    "reference",
    "register_op",
    "relu",
    "relu_backward",
    "rmsprop_update",
    "rotate",
    "set_num_threads",
    "sgd_update",
    "shift",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "step",
    "step_backward",
    "sum_squared_error",
    "tanh",
    "tanh_backward",
]


def __getattr__(name: str) -> Any:
    """Import at its first use what kernels alone do not need: the twins, and ops of one's own."""
    if name == "reference":
        return importlib.import_module(f"{__name__}.reference")
    if name == "register_op":
        return importlib.import_module(f"{__name__}._own_op").register_op
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
