"""Batch normalisation of (N, C, ...) arrays, in training and at inference."""

from math import prod

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from ._public import ALONE, check_floats, flat, inside, read_sizes
from .batch_norm_flat import TASK_FEATURES, column_gradients, column_moments, normalise_row, row_input_gradient
from .group_norm_flat import WIDE_BELOW, by_feature, map_gradients, normalise_run, run_input_gradient, run_moments
from .team import share_out


@kernel
def _column_moments(task, x, n, channels, pixels, centre, shift, variance):
    """Make the moments of some channels of maps so small that their features are taken as columns."""
    group, row = TASK_FEATURES // pixels, channels * pixels
    first = task * group
    buffers = np.empty(3 * TASK_FEATURES, x.dtype)
    column_moments(x, first * pixels, row, n, first, min(group, channels - first), pixels, buffers, centre, shift,
                   variance)


@kernel
def _map_moments(run, x, pixels, means, variances):
    means[run], variances[run] = run_moments(x, run * pixels, pixels)


@kernel
def _normalise_image(i, x, y, row, means, scales, shifts):
    normalise_row(x, y, i * row, row, means, scales, shifts)


@kernel
def _normalise_map(run, x, y, channels, pixels, mean, inv_std, gamma, beta):
    c = run % channels
    normalise_run(x, y, run * pixels, pixels, np.float64(mean[c]), np.float64(inv_std[c]), gamma, c, beta, False)


def _batch_norm_entry(team, x, y, gamma, beta, running_mean, running_var, mean, inv_std, n, channels, pixels, training,
                      momentum, eps):
    wide, row, count = pixels < WIDE_BELOW, channels * pixels, n * pixels
    centre, shift, variance = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    if not training:
        centre[:] = running_mean
        variance[:] = running_var
    elif wide:
        tasks = -(-channels // (TASK_FEATURES // pixels))
        share_out(team, tasks, _column_moments, (x, n, channels, pixels, centre, shift, variance))
    else:
        means, variances = np.empty(n * channels), np.empty(n * channels)
        share_out(team, n * channels, _map_moments, (x, pixels, means, variances))
        # The variance of all is the mean of the maps' variances and the variance of their means.
        for run in range(n * channels):
            centre[run % channels] += means[run] / n
        for run in range(n * channels):
            d = means[run] - centre[run % channels]
            variance[run % channels] += (variances[run] + d * d) / n
    scale = np.empty_like(gamma)
    for c in range(channels):
        if training:
            running_mean[c] = (1.0 - momentum) * running_mean[c] + momentum * centre[c]
            running_var[c] = (1.0 - momentum) * running_var[c] + momentum * variance[c] * count / (count - 1)
        mean[c], inv_std[c] = centre[c], 1.0 / np.sqrt(variance[c] + eps)
        scale[c] = inv_std[c] * gamma[c]
    if wide:
        features = by_feature(mean, pixels), by_feature(scale, pixels), by_feature(beta, pixels)
        share_out(team, n, _normalise_image, (x, y, row, *features))
    else:
        share_out(team, n * channels, _normalise_map, (x, y, channels, pixels, mean, inv_std, gamma, beta))


@kernel
def _column_gradients(task, dy, x, n, channels, pixels, mean, total, product):
    group, row = TASK_FEATURES // pixels, channels * pixels
    first = task * group
    buffers = np.empty(3 * TASK_FEATURES, x.dtype)
    column_gradients(dy, x, first * pixels, row, n, first, min(group, channels - first), pixels, buffers, mean, total,
                     product)


@kernel
def _map_gradients(run, dy, x, channels, pixels, mean, totals, products):
    totals[run], products[run] = map_gradients(dy, x, run * pixels, pixels, np.float64(mean[run % channels]))


@kernel
def _image_input_gradient(i, dy, x, dx, row, training, means, scales, slopes, shifts):
    if training:
        row_input_gradient(dy, x, dx, i * row, row, means, scales, slopes, shifts)
    else:
        normalise_row(dy, dx, i * row, row, shifts, scales, shifts)


@kernel
def _map_input_gradient(run, dy, x, dx, channels, pixels, training, mean, inv_std, gamma, slope, shift):
    c = run % channels
    inverse = np.float64(inv_std[c])
    if training:
        run_input_gradient(dy, x, dx, run * pixels, pixels, np.float64(mean[c]), inverse, gamma, c, False,
                           np.float64(slope[c]), np.float64(shift[c]))
    else:
        normalise_run(dy, dx, run * pixels, pixels, 0.0, inverse, gamma, c, shift, False)


def _backward_entry(team, dy, x, gamma, mean, inv_std, dx, dgamma, dbeta, n, channels, pixels, training):
    wide, row, count = pixels < WIDE_BELOW, channels * pixels, n * pixels
    total, product = np.zeros(channels), np.zeros(channels)
    if wide:
        tasks = -(-channels // (TASK_FEATURES // pixels))
        share_out(team, tasks, _column_gradients, (dy, x, n, channels, pixels, mean, total, product))
    else:
        totals, products = np.empty(n * channels), np.empty(n * channels)
        share_out(team, n * channels, _map_gradients, (dy, x, channels, pixels, mean, totals, products))
        for run in range(n * channels):
            total[run % channels] += totals[run]
            product[run % channels] += products[run]
    scale, slope, shift = np.empty_like(gamma), np.zeros_like(gamma), np.zeros_like(gamma)
    for c in range(channels):
        inverse = np.float64(inv_std[c])
        dbeta[c], dgamma[c] = total[c], product[c] * inverse
        scale[c] = gamma[c] * inverse
        if training:  # else x moves neither mean nor variance: slope and shift stay 0
            slope[c] = gamma[c] * inverse * inverse * inverse * product[c] / count
            shift[c] = gamma[c] * inverse * total[c] / count
    if wide:
        features = (by_feature(mean, pixels), by_feature(scale, pixels), by_feature(slope, pixels),
                    by_feature(shift, pixels))
        share_out(team, n, _image_input_gradient, (dy, x, dx, row, training, *features))
    else:
        share_out(team, n * channels, _map_input_gradient, (dy, x, dx, channels, pixels, training, mean, inv_std, gamma,
                                                            slope, shift))


_forward, _backward = entry(_batch_norm_entry), entry(_backward_entry)


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    running_mean: Array,
    running_var: Array,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, with a mean and a variance for each channel.

    With ``training=True`` they are those of the batch, the variance biased (divided by the count). The running
    statistics are changed in place: ``new = (1 - momentum) * old + momentum * batch``, with the unbiased variance
    (divided by the count less one). With ``training=False`` the running statistics are used and nothing is changed.

    Parameters
    ----------
    x : (N, C, ...) float32 or float64
    gamma, beta : (C,), dtype of x
        Scale and shift; ones and zeros where none is wanted.
    running_mean, running_var : (C,), dtype of x
        Start with zeros and ones. In training they are written: C-contiguous, sharing no memory with an input.
    training : bool
    momentum : float
        Weight of the new batch, as in PyTorch: 0.1 here is Keras' momentum 0.9.
    eps : float
        Added to the variance.

    Returns
    -------
    y : shape and dtype of x
    mean, inv_std : (C,), dtype of x
        The mean taken, and ``1 / sqrt(var + eps)``: what `batch_norm_backward` needs.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, an option is out of its range, or training has less than two values for each
        channel; the running statistics are then as they were.

    Notes
    -----
    Ioffe, Szegedy, "Batch normalization", ICML 2015. Variances come from deviations from the mean, never from a
    difference of squares: channels with a mean far larger than their deviation keep their digits.
    """
    name = "batch_norm"
    images = check.float_array(name, "x", x)
    vectors = {"gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var}
    flats = {key: check.float_array(name, key, value, 1) for key, value in vectors.items()}
    check.same_dtype(name, x=images, **flats)
    training = options.flag(f"{name}: training", training)
    check.batch_norm_shapes(name, images.shape, training, **{k: v.shape for k, v in flats.items()})
    options.fraction(f"{name}: momentum", momentum)
    options.number(f"{name}: eps", eps)
    if training:
        inputs = {"x": x, "gamma": gamma, "beta": beta}
        check.in_place_array(name, "running_mean", running_mean, 1, **inputs)
        check.in_place_array(name, "running_var", running_var, 1, **inputs, running_mean=running_mean)
    n, channels = images.shape[:2]
    pixels = prod(images.shape[2:])
    y = np.empty_like(images, subok=False)
    mean, inv_std = np.empty(channels, images.dtype), np.empty(channels, images.dtype)
    workers = _threads.workers_for(max(n, channels), 4 * images.size)
    _threads.launch(_forward, workers, flat_alias(images), y.reshape(-1), *map(flat_alias, flats.values()), mean,
                    inv_std, n, channels, pixels, training, float(momentum), float(eps))
    return y, mean, inv_std


def batch_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, *, training: bool = True
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm` for x, gamma and beta.

    With n values a channel and ``z = (x - mean) * inv_std``: ``dbeta = sum(dy)``, ``dgamma = sum(dy * z)``,
    ``dx = gamma * inv_std * (dy - dbeta / n - z * dgamma / n)``; with ``training=False`` mean and variance are
    constants and ``dx = gamma * inv_std * dy``.

    Parameters
    ----------
    dy, x : (N, C, ...) float32 or float64
        Gradient of the output, and the input.
    gamma : (C,), dtype of x
    mean, inv_std : (C,), dtype of x
        What `batch_norm` gave.
    training : bool
        As in the forward call.

    Returns
    -------
    dx : shape and dtype of x
    dgamma, dbeta : (C,), dtype of x

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    name = "batch_norm_backward"
    gradient, images = check.float_array(name, "dy", dy), check.float_array(name, "x", x)
    vectors = {"gamma": gamma, "mean": mean, "inv_std": inv_std}
    flats = {key: check.float_array(name, key, value, 1) for key, value in vectors.items()}
    check.same_dtype(name, dy=gradient, x=images, **flats)
    training = options.flag(f"{name}: training", training)
    check.batch_norm_shapes(name, images.shape, False, **{k: v.shape for k, v in flats.items()})
    check.output_gradient(name, gradient.shape, images.shape)
    n, channels = images.shape[:2]
    pixels = prod(images.shape[2:])
    dx = np.empty_like(images, subok=False)
    dgamma, dbeta = np.empty(channels, images.dtype), np.empty(channels, images.dtype)
    workers = _threads.workers_for(max(n, channels), 4 * images.size)
    _threads.launch(_backward, workers, flat_alias(gradient), flat_alias(images), *map(flat_alias, flats.values()),
                    dx.reshape(-1), dgamma, dbeta, n, channels, pixels, training)
    return dx, dgamma, dbeta


@inside(batch_norm)
def _batch_norm_inside(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    check_floats("batch_norm", x, gamma, beta, in_place=(running_mean, running_var))

    def call(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
        n, channels, pixels = read_sizes(x.shape)
        one = (channels,)
        if gamma.shape != one or beta.shape != one or running_mean.shape != one or running_var.shape != one:
            raise ValueError("batch_norm: gamma, beta and the statistics need one value for each channel")
        if training and n * pixels < 2:
            raise ValueError("batch_norm: training needs more than one value for each channel")
        if not (0.0 <= momentum <= 1.0 and 0.0 <= eps < np.inf):
            raise ValueError("batch_norm: momentum or eps is out of range")
        y = np.empty(x.shape, x.dtype)
        mean, inv_std = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
        _forward(ALONE, flat(x), y.reshape(-1), flat(gamma), flat(beta), running_mean, running_var, mean,
                 inv_std, n, channels, pixels, bool(training), float(momentum), float(eps))
        return y, mean, inv_std

    return call


@inside(batch_norm_backward)
def _batch_norm_backward_inside(dy, x, gamma, mean, inv_std, training=True):
    check_floats("batch_norm_backward", dy, x, gamma, mean, inv_std)

    def call(dy, x, gamma, mean, inv_std, training=True):
        n, channels, pixels = read_sizes(x.shape)
        if dy.shape != x.shape:
            raise ValueError("batch_norm_backward: dy and x have different shapes")
        if gamma.shape != (channels,) or mean.shape != (channels,) or inv_std.shape != (channels,):
            raise ValueError("batch_norm_backward: gamma, mean and inv_std need one value for each channel")
        dx = np.empty(x.shape, x.dtype)
        dgamma, dbeta = np.empty(channels, x.dtype), np.empty(channels, x.dtype)
        _backward(ALONE, flat(dy), flat(x), flat(gamma), flat(mean), flat(inv_std), dx.reshape(-1), dgamma,
                  dbeta, n, channels, pixels, bool(training))
        return dx, dgamma, dbeta

    return call
