"""Naive beside compiled: what kernels take on shapes of small CNNs, functions of one's own, and a model's layers.

>>> print(fn.profile.kernels("conv2d", shape="LeNet"))
>>> print(fn.profile.model(model, x, y))
>>> print(fn.profile.compare({"NumPy": np.dot, "mine": my_dot}, a, b))
"""

from .comparison import Comparison, FunctionTime, compare
from .kernel_results import KernelProfile, KernelTime
from .kernel_times import kernels
from .model_results import LayerTime, ModelProfile
from .model_times import model

__all__ = [
    "Comparison",
    "FunctionTime",
    "KernelProfile",
    "KernelTime",
    "LayerTime",
    "ModelProfile",
    "compare",
    "kernels",
    "model",
]
