"""The kernels as a first textbook writes them: loops in plain Python that index NumPy arrays, one element at a time."""

from __future__ import annotations

import math

import numpy as np

from .work import Array


def conv2d(x: Array, w: Array, b: Array, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """Sum over channels and window for each pixel of the output."""
    n, _, h, width = x.shape
    filters, channels, kh, kw = w.shape
    y = np.zeros((n, filters, out_size(h, kh, stride, padding), out_size(width, kw, stride, padding)), x.dtype)
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
    k, oh, ow = kernel_size, out_size(h, kernel_size, stride, padding), out_size(width, kernel_size, stride, padding)
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
    k, oh, ow = kernel_size, out_size(h, kernel_size, stride, padding), out_size(width, kernel_size, stride, padding)
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


def avg_pool2d(x: Array, kernel_size: int) -> Array:
    """Add up each window."""
    n, channels, h, width = x.shape
    k = kernel_size
    y = np.zeros((n, channels, h // k, width // k), x.dtype)
    for i in range(n):
        for c in range(channels):
            for r in range(h // k):
                for s in range(width // k):
                    total = x.dtype.type(0)
                    for p in range(k):
                        for q in range(k):
                            total += x[i, c, r * k + p, s * k + q]
                    y[i, c, r, s] = total / (k * k)
    return y


def dense(x: Array, w: Array, b: Array) -> Array:
    """Sum over the inputs for each output of each sample."""
    n, inputs = x.shape
    y = np.empty((n, len(b)), x.dtype)
    for i in range(n):
        for j in range(len(b)):
            total = b[j]
            for k in range(inputs):
                total += x[i, k] * w[k, j]
            y[i, j] = total
    return y


def relu(x: Array) -> Array:
    """Compare one element after the other."""
    y = np.zeros_like(x)
    n, channels, h, width = x.shape
    for i in range(n):
        for c in range(channels):
            for r in range(h):
                for s in range(width):
                    if x[i, c, r, s] > 0:
                        y[i, c, r, s] = x[i, c, r, s]
    return y


def batch_norm(
    x: Array, gamma: Array, beta: Array, *, running_mean: Array, running_var: Array, training: bool
) -> tuple[Array, Array, Array]:
    """Pass over each channel three times: for its mean, its variance, its values."""
    n, channels, h, width = x.shape
    count, momentum, eps = n * h * width, 0.1, 1e-5
    y, means, inverses = np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)
    for c in range(channels):
        total = squares = 0.0
        for i in range(n):
            for r in range(h):
                for s in range(width):
                    total += x[i, c, r, s]
        mean = total / count
        for i in range(n):
            for r in range(h):
                for s in range(width):
                    squares += (x[i, c, r, s] - mean) ** 2
        means[c], inverses[c] = mean, 1 / math.sqrt(squares / count + eps)
        for i in range(n):
            for r in range(h):
                for s in range(width):
                    y[i, c, r, s] = (x[i, c, r, s] - mean) * inverses[c] * gamma[c] + beta[c]
        running_mean[c] += momentum * (mean - running_mean[c])
        running_var[c] += momentum * (squares / (count - 1) - running_var[c])
    return y, means, inverses


def softmax_cross_entropy(prediction: Array, target: Array) -> tuple[float, Array]:
    """Write the loss of each sample and its gradient, class by class."""
    n, classes = prediction.shape
    loss, gradient = 0.0, np.empty_like(prediction)
    for i in range(n):
        largest = prediction[i, 0]
        for c in range(1, classes):
            largest = max(largest, prediction[i, c])
        total = 0.0
        for c in range(classes):
            total += math.exp(prediction[i, c] - largest)
        loss += math.log(total) + largest - prediction[i, target[i]]
        for c in range(classes):
            gradient[i, c] = (math.exp(prediction[i, c] - largest) / total - (c == target[i])) / n
    return loss / n, gradient


def out_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Count the windows along one side."""
    return (size + 2 * padding - kernel) // stride + 1
