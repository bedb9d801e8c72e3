"""The NumPy twins: same names and signatures as the compiled kernels, written to be read.

They take any real dtype for which the formula has a meaning and keep it: float32 stays float32. Shapes and options
are checked as by the kernels (`_checks`, `_options`), and TypeError or ValueError raised as they do; dtypes are not
(twins take integers too). What is changed in place is checked before anything changes; integers are changed in place
only by options that are whole numbers. No arithmetic is shared with the kernels.
"""

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

__all__ = [
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
    "gelu",
    "gelu_backward",
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
    "relu",
    "relu_backward",
    "rmsprop_update",
    "rotate",
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
