"""The op registry's rows: every op that a tape can name. A new op is one more line here."""

from ..registry import register
from .activation import IDENTITY_OP, LEAKY_RELU_OP, RELU_OP, SIGMOID_OP, TANH_OP
from .batch_norm import BATCH_NORM
from .conv import CONV2D
from .dense import DENSE
from .dropout import DROPOUT
from .group_norm import GROUP_NORM, LAYER_NORM
from .loss import SOFTMAX_CROSS_ENTROPY, SUM_SQUARED_ERROR
from .pool import MAX_POOL2D
from .shape import ADD, LOAD, RESHAPE, UNLOAD
from .softmax import SOFTMAX

for _op in (
    LOAD, UNLOAD, RESHAPE, ADD,
    CONV2D, MAX_POOL2D, DENSE,
    RELU_OP, LEAKY_RELU_OP, SIGMOID_OP, TANH_OP, IDENTITY_OP, SOFTMAX,
    BATCH_NORM, GROUP_NORM, LAYER_NORM, DROPOUT,
    SOFTMAX_CROSS_ENTROPY, SUM_SQUARED_ERROR,
):
    register(_op)
