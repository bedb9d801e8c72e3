"""Group and layer normalisation for compiled callers: the same checks, in compiled code, no team."""

import numpy as np

from ._public import ALONE, check_floats, flat, inside, read_sizes, sample_size
from .group_norm import _backward, _forward, group_norm, group_norm_backward, layer_norm, layer_norm_backward


@inside(group_norm)
def _group_norm_inside(x, gamma, beta, groups, eps=1e-5):
    check_floats("group_norm", x, gamma, beta)

    def call(x, gamma, beta, groups, eps=1e-5):
        n, channels, pixels = read_sizes(x.shape)
        if groups < 1 or channels % groups != 0:
            raise ValueError("group_norm: groups does not divide the channels")
        if gamma.shape != (channels,) or beta.shape != (channels,):
            raise ValueError("group_norm: gamma and beta need one value for each channel")
        if not 0.0 <= eps < np.inf:
            raise ValueError("group_norm: eps is out of range")
        y = np.empty(x.shape, x.dtype)
        mean, inv_std = np.empty((n, groups), x.dtype), np.empty((n, groups), x.dtype)
        _forward(ALONE, flat(x), y.reshape(-1), flat(gamma), flat(beta), mean.reshape(-1),
                 inv_std.reshape(-1), n, channels, pixels, groups, float(eps))
        return y, mean, inv_std

    return call


@inside(group_norm_backward)
def _group_norm_backward_inside(dy, x, gamma, mean, inv_std, groups):
    check_floats("group_norm_backward", dy, x, gamma, mean, inv_std)

    def call(dy, x, gamma, mean, inv_std, groups):
        n, channels, pixels = read_sizes(x.shape)
        if dy.shape != x.shape:
            raise ValueError("group_norm_backward: dy and x have different shapes")
        if groups < 1 or channels % groups != 0:
            raise ValueError("group_norm_backward: groups does not divide the channels")
        if gamma.shape != (channels,) or mean.shape != (n, groups) or inv_std.shape != (n, groups):
            raise ValueError("group_norm_backward: gamma, mean or inv_std has another shape than x needs")
        dx, dgamma, dbeta = np.empty(x.shape, x.dtype), np.empty(channels, x.dtype), np.empty(channels, x.dtype)
        _backward(ALONE, flat(dy), flat(x), flat(gamma), flat(mean), flat(inv_std), dx.reshape(-1), dgamma,
                  dbeta, n, channels, pixels, groups)
        return dx, dgamma, dbeta

    return call


@inside(layer_norm)
def _layer_norm_inside(x, gamma, beta, eps=1e-5):
    check_floats("layer_norm", x, gamma, beta)
    axes = x.ndim - gamma.ndim

    def call(x, gamma, beta, eps=1e-5):
        sample_size(x.shape)
        if not 0 < axes < x.ndim or x.shape[axes:] != gamma.shape or beta.shape != gamma.shape:
            raise ValueError("layer_norm: gamma and beta need the shape of the last axes of x")
        if not 0.0 <= eps < np.inf:
            raise ValueError("layer_norm: eps is out of range")
        y = np.empty(x.shape, x.dtype)
        mean, inv_std = np.empty(x.shape[:axes], x.dtype), np.empty(x.shape[:axes], x.dtype)
        _forward(ALONE, flat(x), y.reshape(-1), flat(gamma), flat(beta), mean.reshape(-1), inv_std.reshape(-1),
                 mean.size, gamma.size, 1, 1, float(eps))
        return y, mean, inv_std

    return call


@inside(layer_norm_backward)
def _layer_norm_backward_inside(dy, x, gamma, mean, inv_std):
    check_floats("layer_norm_backward", dy, x, gamma, mean, inv_std)
    axes = x.ndim - gamma.ndim

    def call(dy, x, gamma, mean, inv_std):
        if dy.shape != x.shape:
            raise ValueError("layer_norm_backward: dy and x have different shapes")
        sample_size(x.shape)
        if not 0 < axes < x.ndim or x.shape[axes:] != gamma.shape:
            raise ValueError("layer_norm_backward: gamma needs the shape of the last axes of x")
        if mean.shape != x.shape[:axes] or inv_std.shape != x.shape[:axes]:
            raise ValueError("layer_norm_backward: mean and inv_std need the shape of the first axes of x")
        dx, dgamma, dbeta = np.empty(x.shape, x.dtype), np.empty(gamma.shape, x.dtype), np.empty(gamma.shape, x.dtype)
        _backward(ALONE, flat(dy), flat(x), flat(gamma), flat(mean), flat(inv_std), dx.reshape(-1),
                  dgamma.reshape(-1), dbeta.reshape(-1), mean.size, gamma.size, 1, 1)
        return dx, dgamma, dbeta

    return call
