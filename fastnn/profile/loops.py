"""The kernels as a first textbook writes them: loops in plain Python that index NumPy arrays, one element at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .work import Array


def conv2d(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """Sum over channels and window for each pixel of the output."""
    n, _, h, width = x.shape
    filters, channels, kh, kw = w.shape
    y = np.zeros((n, filters, _out(h, kh, stride, padding), _out(width, kw, stride, padding)), x.dtype)
    for i in range(n):
        for f in range(filters):
            first = f // (filters // groups) * channels
            for r in range(y.shape[2]):
                for s in range(y.shape[3]):
                    total = b[f]
                    for c in range(channels):
                        for p in range(kh):
                            for q in range(kw):
                                row, column = r * stride + p - padding, s * stride + q - padding
                                if 0 <= row < h and 0 <= column < width:
                                    total += x[i, first + c, row, column] * w[f, c, p, q]
                    y[i, f, r, s] = total
    return y


def im2col(x: Array, kernel_size: int, *, stride: int = 1, padding: int = 0) -> Array:
    """Copy each window into a column."""
    n, channels, h, width = x.shape
    k, oh, ow = kernel_size, _out(h, kernel_size, stride, padding), _out(width, kernel_size, stride, padding)
    cols = np.zeros((channels * k * k, n * oh * ow), x.dtype)
    for c in range(channels):
        for p in range(k):
            for q in range(k):
                for i in range(n):
                    for r in range(oh):
                        for s in range(ow):
                            row, column = r * stride + p - padding, s * stride + q - padding
                            if 0 <= row < h and 0 <= column < width:
                                cols[(c * k + p) * k + q, (i * oh + r) * ow + s] = x[i, c, row, column]
    return cols


def col2im(cols: Array, x_shape: tuple[int, ...], kernel_size: int, *, stride: int = 1, padding: int = 0) -> Array:
    """Add each column to the window it came from."""
    n, channels, h, width = x_shape
    k, oh, ow = kernel_size, _out(h, kernel_size, stride, padding), _out(width, kernel_size, stride, padding)
    x = np.zeros(x_shape, cols.dtype)
    for c in range(channels):
        for p in range(k):
            for q in range(k):
                for i in range(n):
                    for r in range(oh):
                        for s in range(ow):
                            row, column = r * stride + p - padding, s * stride + q - padding
                            if 0 <= row < h and 0 <= column < width:
                                x[i, c, row, column] += cols[(c * k + p) * k + q, (i * oh + r) * ow + s]
    return x


def max_pool2d(x: Array, kernel_size: int) -> tuple[Array, Array]:
    """Look for the largest element of each window, and where it stands in the image."""
    n, channels, h, width = x.shape
    k = kernel_size
    y = np.zeros((n, channels, h // k, width // k), x.dtype)
    argmax = np.zeros(y.shape, np.int64)
    for i in range(n):
        for c in range(channels):
            for r in range(h // k):
                for s in range(width // k):
                    best = r * k * width + s * k
                    for p in range(k):
                        for q in range(k):
                            if x[i, c, r * k + p, s * k + q] > x[i, c, best // width, best % width]:
                                best = (r * k + p) * width + s * k + q
                    y[i, c, r, s], argmax[i, c, r, s] = x[i, c, best // width, best % width], best
    return y, argmax


def adam_update(params: Array, grads: Array, m: Array, v: Array, *, step: int, lr: float) -> None:
    """Update one parameter after the other."""
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    for k in range(len(params)):
        m[k] = beta1 * m[k] + (1 - beta1) * grads[k]
        v[k] = beta2 * v[k] + (1 - beta2) * grads[k] ** 2
        params[k] -= lr * (m[k] / (1 - beta1**step)) / (math.sqrt(v[k] / (1 - beta2**step)) + eps)


def smaller(kernel: str, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], float]:
    """Cut the arguments down to a few samples, filters or parameters; return them and what share of the work is left.

    Each loop does the same for every sample, filter and parameter, so that time goes with the work.
    """
    if kernel == "conv2d":
        x, w, b = args
        # Filters of a grouped convolution read channels of their own: all of them stay.
        filters = len(w) if w.shape[1] != x.shape[1] else min(len(w), 2)
        parts = (x[:1].copy(), w[:filters].copy(), b[:filters].copy())
        return parts, filters / (len(x) * len(w))
    if kernel == "im2col":
        return (args[0][:1].copy(), *args[1:]), 1 / len(args[0])
    if kernel == "col2im":
        cols, shape, size = args
        pixels = cols.shape[1] // shape[0]
        return (cols[:, :pixels].copy(), (1, *shape[1:]), size), 1 / shape[0]
    if kernel == "max_pool2d":
        return (args[0][:1].copy(), *args[1:]), 1 / len(args[0])
    count = min(len(args[0]), 5000)
    return tuple(a[:count].copy() for a in args), count / len(args[0])


LOOPS = {f.__name__: f for f in (im2col, col2im, conv2d, max_pool2d, adam_update)}


def _out(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1
