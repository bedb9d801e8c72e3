"""The gradients as a first textbook writes them: the forward loops again, and the other way round."""

from __future__ import annotations

import numpy as np

from .work import Array


def conv2d_backward_input(
    dy: Array, w: Array, x_shape: tuple[int, ...], *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Array:
    """Give each gradient of a pixel back to the pixels it came from."""
    dx = np.zeros(x_shape, dy.dtype)
    filters, channels, kh, kw = w.shape
    for i in range(len(dy)):
        for f in range(filters):
            first = f // (filters // groups) * channels
            for r in range(dy.shape[2]):
                for s in range(dy.shape[3]):
                    for c in range(channels):
                        for p in range(kh):
                            for q in range(kw):
                                row, column = r * stride + p - padding, s * stride + q - padding
                                if 0 <= row < x_shape[2] and 0 <= column < x_shape[3]:
                                    dx[i, first + c, row, column] += dy[i, f, r, s] * w[f, c, p, q]
    return dx


def conv2d_backward_weight(
    dy: Array, x: Array, w_shape: tuple[int, ...], *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Array:
    """Add up, for each weight, the gradients of the pixels times what it met there."""
    dw = np.zeros(w_shape, dy.dtype)
    filters, channels, kh, kw = w_shape
    for i in range(len(dy)):
        for f in range(filters):
            first = f // (filters // groups) * channels
            for r in range(dy.shape[2]):
                for s in range(dy.shape[3]):
                    for c in range(channels):
                        for p in range(kh):
                            for q in range(kw):
                                row, column = r * stride + p - padding, s * stride + q - padding
                                if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                                    dw[f, c, p, q] += dy[i, f, r, s] * x[i, first + c, row, column]
    return dw


def max_pool2d_backward(dy: Array, argmax: Array, x_shape: tuple[int, ...]) -> Array:
    """Give each gradient to the pixel that was the largest."""
    dx = np.zeros(x_shape, dy.dtype)
    n, channels, h, width = dy.shape
    for i in range(n):
        for c in range(channels):
            for r in range(h):
                for s in range(width):
                    place = argmax[i, c, r, s]
                    dx[i, c, place // x_shape[3], place % x_shape[3]] += dy[i, c, r, s]
    return dx


def avg_pool2d_backward(dy: Array, x_shape: tuple[int, ...], kernel_size: int) -> Array:
    """Share each gradient out to the pixels of its window."""
    dx = np.zeros(x_shape, dy.dtype)
    k = kernel_size
    n, channels, h, width = dy.shape
    for i in range(n):
        for c in range(channels):
            for r in range(h):
                for s in range(width):
                    for p in range(k):
                        for q in range(k):
                            dx[i, c, r * k + p, s * k + q] += dy[i, c, r, s] / (k * k)
    return dx


def dense_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Give each gradient of an output to the inputs, the weights and the bias it came from."""
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[1], w.dtype)
    n, inputs = x.shape
    for i in range(n):
        for j in range(len(db)):
            db[j] += dy[i, j]
            for k in range(inputs):
                dx[i, k] += dy[i, j] * w[k, j]
                dw[k, j] += dy[i, j] * x[i, k]
    return dx, dw, db


def relu_backward(dy: Array, y: Array) -> Array:
    """Let the gradient pass where the relu was above 0."""
    dx = np.zeros_like(dy)
    n, channels, h, width = dy.shape
    for i in range(n):
        for c in range(channels):
            for r in range(h):
                for s in range(width):
                    if y[i, c, r, s] > 0:
                        dx[i, c, r, s] = dy[i, c, r, s]
    return dx


def batch_norm_backward(dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array) -> tuple[Array, Array, Array]:
    """Pass over each channel twice: for the gradients of its two parameters, then for those of its values."""
    n, channels, h, width = x.shape
    count = n * h * width
    dx, dgamma, dbeta = np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)
    for c in range(channels):
        products = total = 0.0
        for i in range(n):
            for r in range(h):
                for s in range(width):
                    total += dy[i, c, r, s]
                    products += dy[i, c, r, s] * (x[i, c, r, s] - mean[c]) * inv_std[c]
        dgamma[c], dbeta[c] = products, total
        for i in range(n):
            for r in range(h):
                for s in range(width):
                    normal = (x[i, c, r, s] - mean[c]) * inv_std[c]
                    moved = dy[i, c, r, s] - total / count - normal * products / count
                    dx[i, c, r, s] = moved * gamma[c] * inv_std[c]
    return dx, dgamma, dbeta
