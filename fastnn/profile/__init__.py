"""Naive beside compiled: what kernels take on shapes of small CNNs.

>>> print(fn.profile.kernels("conv2d", shape="LeNet"))
"""

from .kernel_results import KernelProfile, KernelTime
from .kernel_times import kernels

__all__ = ["KernelProfile", "KernelTime", "kernels"]
