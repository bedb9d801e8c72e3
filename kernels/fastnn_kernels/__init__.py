"""Compiled kernels for small CNNs."""
