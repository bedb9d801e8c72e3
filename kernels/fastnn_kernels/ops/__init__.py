"""The op registry's rows: every op that a tape can name. A new op is one more line here."""

from ..registry import register
from .activation import ACTIVATIONS
from .augment import AUGMENTATIONS, FETCH, INTERLEAVE
from .avg_pool import ADAPTIVE_AVG_POOL2D, AVG_POOL2D, GLOBAL_AVG_POOL2D
from .batch_norm import BATCH_NORM
from .concat import CONCAT
from .conv import CONV2D
from .conv_pool import CONV2D_MAX_POOL2D
from .conv_transpose import CONV_TRANSPOSE2D
from .dense import DENSE
from .dropout import DROPOUT
from .finite import FINITE
from .function_loss import FUNCTION_LOSS
from .group_norm import GROUP_NORM, LAYER_NORM
from .loss import (
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    CATEGORICAL_CROSS_ENTROPY,
    HUBER_OP,
    MEAN_SQUARED_ERROR,
    SOFTMAX_CROSS_ENTROPY,
    SUM_SQUARED_ERROR,
)
from .pool import MAX_POOL2D
from .shape import ADD, LOAD, LOAD_TARGETS, RESHAPE, UNLOAD
from .softmax import LOG_SOFTMAX, SOFTMAX

for _op in (
    LOAD,
    LOAD_TARGETS,
    UNLOAD,
    FETCH,
    *AUGMENTATIONS,
    INTERLEAVE,
    FINITE,
    RESHAPE,
    ADD,
    CONCAT,
    CONV2D,
    CONV2D_MAX_POOL2D,
    CONV_TRANSPOSE2D,
    MAX_POOL2D,
    AVG_POOL2D,
    GLOBAL_AVG_POOL2D,
    ADAPTIVE_AVG_POOL2D,
    DENSE,
    *ACTIVATIONS,
    SOFTMAX,
    LOG_SOFTMAX,
    BATCH_NORM,
    GROUP_NORM,
    LAYER_NORM,
    DROPOUT,
    SOFTMAX_CROSS_ENTROPY,
    CATEGORICAL_CROSS_ENTROPY,
    SUM_SQUARED_ERROR,
    MEAN_SQUARED_ERROR,
    HUBER_OP,
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    FUNCTION_LOSS,
):
    register(_op)
