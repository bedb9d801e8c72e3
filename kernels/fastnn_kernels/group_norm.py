"""Group normalisation of (N, C, ...) arrays, and layer normalisation over the last axes of an array."""

from math import prod

import numpy as np

from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, flat_alias
from ._jit import entry, kernel
from .group_norm_flat import (
    WIDE_BELOW,
    by_feature,
    map_gradients,
    normalise_run,
    run_gradients_wide,
    run_input_gradient,
    run_moments,
)
from .reduction import tree_sum
from .team import share_out

# Parts that a batch is cut into at most, each with sums of its own for the gradients of scale and shift.
_CHUNKS = 16


@kernel
def _normalise_group(run, x, y, gammas, betas, mean, inv_std, groups, each, pixels, eps):
    wide, size = pixels < WIDE_BELOW, each * pixels
    start, first = run * size, run % groups * each
    centre, variance = run_moments(x, start, size)
    inverse = 1.0 / np.sqrt(variance + eps)
    mean[run], inv_std[run] = centre, inverse
    if wide:
        normalise_run(x, y, start, size, centre, inverse, gammas, first * pixels, betas, True)
    else:
        for c in range(each):
            normalise_run(x, y, start + c * pixels, pixels, centre, inverse, gammas, first + c, betas, False)


def _group_norm_entry(team, x, y, gamma, beta, mean, inv_std, n, channels, pixels, groups, eps):
    gammas, betas = by_feature(gamma, pixels), by_feature(beta, pixels)
    share_out(team, n * groups, _normalise_group, (x, y, gammas, betas, mean, inv_std, groups, channels // groups,
                                                   pixels, eps))


@kernel
def _group_gradients(task, dy, x, gammas, mean, inv_std, dx, sums, n, samples, groups, each, pixels):
    """Make the gradients of a group in some samples: the input's, and parts of those of the parameters."""
    wide, size, features = pixels < WIDE_BELOW, each * pixels, gammas.size
    chunk, group = task // groups, task % groups
    first = group * each
    at_gamma = chunk * 2 * features + (first * pixels if wide else first)
    at_beta = at_gamma + features
    for i in range(chunk * samples, min(n, (chunk + 1) * samples)):
        run = i * groups + group
        start, centre, inverse = run * size, np.float64(mean[run]), np.float64(inv_std[run])
        if wide:
            total, product = run_gradients_wide(dy, x, start, size, centre, inverse, gammas, first * pixels, sums,
                                                at_gamma, at_beta)
        else:
            total, product = 0.0, 0.0
            for c in range(each):
                of_map = map_gradients(dy, x, start + c * pixels, pixels, centre)
                sums[at_beta + c] += of_map[0]
                sums[at_gamma + c] += of_map[1] * inverse
                total += of_map[0] * gammas[first + c]
                product += of_map[1] * gammas[first + c]
        slope, shift = inverse * inverse * inverse * product / size, inverse * total / size
        if wide:
            run_input_gradient(dy, x, dx, start, size, centre, inverse, gammas, first * pixels, True, slope, shift)
        else:
            for c in range(each):
                run_input_gradient(dy, x, dx, start + c * pixels, pixels, centre, inverse, gammas, first + c, False,
                                   slope, shift)


def _backward_entry(team, dy, x, gamma, mean, inv_std, dx, dgamma, dbeta, n, channels, pixels, groups):
    gammas = by_feature(gamma, pixels)
    features = gammas.size
    samples = max(1, -(-n // _CHUNKS))
    chunks = -(-n // samples)
    sums = np.zeros(max(1, chunks) * 2 * features, x.dtype)
    share_out(team, chunks * groups, _group_gradients, (dy, x, gammas, mean, inv_std, dx, sums, n, samples, groups,
                                                        channels // groups, pixels))
    tree_sum(sums, 0, 2 * features, chunks, 2 * features)
    repeats = features // channels
    for c in range(channels):
        of_gamma, of_beta = 0.0, 0.0
        for k in range(c * repeats, (c + 1) * repeats):
            of_gamma += sums[k]
            of_beta += sums[features + k]
        dgamma[c], dbeta[c] = of_gamma, of_beta


_forward, _backward = entry(_group_norm_entry), entry(_backward_entry)


def _normalise(x, gamma, beta, statistics, sizes, eps):
    """Launch the forward kernel on (n, channels, pixels, groups)."""
    y = np.empty(x.shape, x.dtype)
    mean, inv_std = np.empty(statistics, x.dtype), np.empty(statistics, x.dtype)
    workers = _threads.workers_for(sizes[0] * sizes[3], 4 * x.size)
    _threads.launch(_forward, workers, flat_alias(x), y.reshape(-1), flat_alias(gamma), flat_alias(beta),
                    mean.reshape(-1), inv_std.reshape(-1), *sizes, float(eps))
    return y, mean, inv_std


def _gradients(dy, x, gamma, mean, inv_std, sizes):
    """Launch the backward kernel on (n, channels, pixels, groups)."""
    dx, dgamma, dbeta = np.empty(x.shape, x.dtype), np.empty(gamma.shape, x.dtype), np.empty(gamma.shape, x.dtype)
    workers = _threads.workers_for(min(_CHUNKS, sizes[0]) * sizes[3], 4 * x.size)
    _threads.launch(_backward, workers, *map(flat_alias, (dy, x, gamma, mean, inv_std)), dx.reshape(-1),
                    dgamma.reshape(-1), dbeta.reshape(-1), *sizes)
    return dx, dgamma, dbeta


def _float_arrays(function, **arrays):
    """Check arrays of one float dtype; return them C-contiguous."""
    checked = {name: check.float_array(function, name, array) for name, array in arrays.items()}
    check.same_dtype(function, **checked)
    return checked


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, with a mean and a variance for each group of each sample.

    Parameters
    ----------
    x : (N, C, ...) float32 or float64
    gamma, beta : (C,), dtype of x
    groups : int
        A divisor of C: channels ``k * C / groups`` to ``(k + 1) * C / groups - 1`` form group k. 1 takes a sample as a
        whole, C each channel alone (instance normalisation).
    eps : float
        Added to the variance, which is the biased one.

    Returns
    -------
    y : shape and dtype of x
    mean, inv_std : (N, groups), dtype of x
        The mean, and ``1 / sqrt(var + eps)``: what `group_norm_backward` needs.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `groups` does not divide C.

    Notes
    -----
    Wu, He, "Group normalization", ECCV 2018.
    """
    name = "group_norm"
    a = _float_arrays(name, x=x, gamma=gamma, beta=beta)
    shape = a["x"].shape
    count = check.group_norm_shapes(name, shape, groups, gamma=a["gamma"].shape, beta=a["beta"].shape)
    options.number(f"{name}: eps", eps)
    return _normalise(**a, statistics=(shape[0], count), sizes=(*shape[:2], prod(shape[2:]), count), eps=eps)


def group_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array, *, groups: int
) -> tuple[Array, Array, Array]:
    """Gradients of `group_norm` for x, gamma and beta.

    With ``z = (x - mean) * inv_std`` and n values a group: ``dbeta = sum(dy)`` and ``dgamma = sum(dy * z)`` over
    samples and pixels, ``dx = inv_std * (g - sum(g) / n - z * sum(g * z) / n)`` with ``g = gamma * dy`` and sums over
    the group.

    Parameters
    ----------
    dy, x : (N, C, ...) float32 or float64
        Gradient of the output, and the input.
    gamma : (C,), dtype of x
    mean, inv_std : (N, groups), dtype of x
        What `group_norm` gave.
    groups : int
        As in the forward call.

    Returns
    -------
    dx : shape and dtype of x
    dgamma, dbeta : (C,), dtype of x

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit, or `groups` does not divide C.
    """
    name = "group_norm_backward"
    a = _float_arrays(name, dy=dy, x=x, gamma=gamma, mean=mean, inv_std=inv_std)
    shape = a["x"].shape
    shapes = {key: a[key].shape for key in ("gamma", "mean", "inv_std")}
    count = check.group_norm_shapes(name, shape, groups, **shapes)
    check.output_gradient(name, a["dy"].shape, shape)
    return _gradients(**a, sizes=(*shape[:2], prod(shape[2:]), count))


def layer_norm(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, with mean and variance over the last axes, those of gamma.

    Parameters
    ----------
    x : (N, ...) float32 or float64
    gamma, beta : shape of the last axes of x, dtype of x
        All axes but N at most: (C, H, W) takes an image as a whole, (W,) each of its rows, as in PyTorch.
    eps : float
        Added to the variance, which is the biased one.

    Returns
    -------
    y : shape and dtype of x
    mean, inv_std : shape of the other axes of x, dtype of x
        The mean, and ``1 / sqrt(var + eps)``: what `layer_norm_backward` needs.

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.

    Notes
    -----
    Ba, Kiros, Hinton, "Layer normalization", arXiv:1607.06450, 2016.
    """
    name = "layer_norm"
    a = _float_arrays(name, x=x, gamma=gamma, beta=beta)
    shape, last = a["x"].shape, a["gamma"].shape
    check.layer_norm_shapes(name, shape, last, beta=a["beta"].shape)
    options.number(f"{name}: eps", eps)
    others = shape[: -len(last)]
    return _normalise(**a, statistics=others, sizes=(prod(others), prod(last), 1, 1), eps=eps)


def layer_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inv_std: Array
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_norm` for x, gamma and beta: those of `group_norm` with one group.

    Parameters
    ----------
    dy, x : (N, ...) float32 or float64
        Gradient of the output, and the input.
    gamma : shape of the last axes of x, dtype of x
    mean, inv_std : shape of the other axes of x, dtype of x
        What `layer_norm` gave.

    Returns
    -------
    dx : shape and dtype of x
    dgamma, dbeta : shape and dtype of gamma

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes do not fit.
    """
    name = "layer_norm_backward"
    a = _float_arrays(name, dy=dy, x=x, gamma=gamma, mean=mean, inv_std=inv_std)
    shape, last = a["x"].shape, a["gamma"].shape
    check.layer_norm_shapes(name, shape, last, mean=a["mean"].shape, inv_std=a["inv_std"].shape)
    check.output_gradient(name, a["dy"].shape, shape)
    return _gradients(**a, sizes=(prod(shape[: -len(last)]), prod(last), 1, 1))
