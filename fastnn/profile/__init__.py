"""Naive beside compiled: what kernels take on shapes of small CNNs, and functions of one's own.

>>> print(fn.profile.kernels("conv2d", shape="LeNet"))
>>> print(fn.profile.compare({"NumPy": np.dot, "mine": my_dot}, a, b))
"""

from .comparison import Comparison, FunctionTime, compare
from .kernel_results import KernelProfile, KernelTime
from .kernel_times import kernels

__all__ = ["Comparison", "FunctionTime", "KernelProfile", "KernelTime", "compare", "kernels"]
