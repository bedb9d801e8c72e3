"""The NumPy twins: same names and signatures as the compiled kernels, written to be read.

They take any real dtype for which the formula has a meaning and keep it: float32 stays float32. Arguments are
checked as by the kernels (`_checks`, `_options`); no arithmetic is shared with them.
"""

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
from .adaptive_pool import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
)
from .avg_pool import avg_pool2d, avg_pool2d_backward
from .conv import conv2d, conv2d_backward, conv2d_backward_input, conv2d_backward_weight
from .dense import dense, dense_backward
from .im2col import col2im, im2col
from .loss import softmax_cross_entropy, sum_squared_error
from .max_pool import max_pool2d, max_pool2d_backward
from .optimizer import adam_update, momentum_update, sgd_update
from .softmax import softmax, softmax_backward

__all__ = [
    "adam_update",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "dense",
    "dense_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "identity",
    "identity_backward",
    "im2col",
    "leaky_relu",
    "leaky_relu_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "momentum_update",
    "relu",
    "relu_backward",
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
