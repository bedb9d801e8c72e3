"""fastnn: small CNNs on the CPU, trained by compiled Numba kernels with a NumPy twin each.

>>> import fastnn as fn
>>> (x_train, y_train), (x_test, y_test) = fn.datasets.digits()
>>> model = fn.models.small_cnn(x_train.shape[1:], 10)
>>> model.compile(optimizer=fn.Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
>>> history = model.fit(x_train, y_train, epochs=10)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        augment,
        callbacks,
        datasets,
        initializers,
        losses,
        metrics,
        models,
        preprocessing,
        profile,
        report,
        schedules,
        tuning,
    )
    from .callbacks import (
        Callback,
        CSVLogger,
        EarlyStopping,
        LambdaCallback,
        LearningRateScheduler,
        ModelCheckpoint,
        ProgressBar,
        ReduceLROnPlateau,
        TerminateOnNaN,
    )
    from .gradcheck import check_gradients
    from .history import History
    from .info import show_config
    from .layers import (
        ELU,
        GELU,
        AdaptiveAvgPool2D,
        AvgPool2D,
        BatchNorm,
        Concat,
        Conv2D,
        ConvTranspose2D,
        Dense,
        DepthwiseConv2D,
        Dropout,
        Flatten,
        GlobalAvgPool2D,
        GroupNorm,
        Identity,
        Layer,
        LayerNorm,
        LeakyReLU,
        LogSoftmax,
        MaxPool2D,
        ReLU,
        Residual,
        Sigmoid,
        SiLU,
        Softmax,
        Softplus,
        Step,
        Tanh,
        Weight,
    )
    from .loading import load
    from .model import Sequential
    from .optimizers import SGD, Adagrad, Adam, AdamW, Momentum, NAdam, Optimizer, RMSprop
    from .own_ops import register_op
    from .threads import get_num_threads, set_num_threads
    from .tuning import search
    from .warming import warmup

__all__ = [
    "ELU",
    "GELU",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdaptiveAvgPool2D",
    "AvgPool2D",
    "BatchNorm",
    "CSVLogger",
    "Callback",
    "Concat",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GlobalAvgPool2D",
    "GroupNorm",
    "History",
    "Identity",
    "LambdaCallback",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LearningRateScheduler",
    "LogSoftmax",
    "MaxPool2D",
    "ModelCheckpoint",
    "Momentum",
    "NAdam",
    "Optimizer",
    "ProgressBar",
    "RMSprop",
    "ReLU",
    "ReduceLROnPlateau",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Step",
    "Tanh",
    "TerminateOnNaN",
    "Weight",
    "augment",
    "callbacks",
    "check_gradients",
    "datasets",
    "get_num_threads",
    "initializers",
    "load",
    "losses",
    "metrics",
    "models",
    "preprocessing",
    "profile",
    "register_op",
    "report",
    "schedules",
    "search",
    "set_num_threads",
    "show_config",
    "tuning",
    "warmup",
]

_SUBMODULES = (
    "augment",
    "callbacks",
    "datasets",
    "initializers",
    "losses",
    "metrics",
    "models",
    "preprocessing",
    "profile",
    "report",
    "schedules",
    "tuning",
)

# Looked through in this order at the first use of a name: importing Numba takes a quarter of a second, which
# `fastnn --help` and readers of data sets need not wait for.
_MODULES = (
    "info",
    "threads",
    "history",
    "optimizers",
    "layers",
    "callbacks",
    "warming",
    "model",
    "loading",
    "gradcheck",
    "tuning",
    "own_ops",
)


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    for module in _MODULES:
        found = getattr(import_module(f".{module}", __name__), name, None)
        if found is not None:
            globals()[name] = found
            return found
    raise ImportError(f"{__name__}.{name} is in none of its modules")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
