"""Optimizer updates of flat arrays, in place; `optimizer_inside.py` binds them for compiled callers."""

from typing import Any

from . import _checks as check
from . import _threads
from ._arrays import Array, writeable_alias
from ._jit import entry, exact, inline, kernel
from ._update_checks import floats, step_count
from .optimizer_block import (
    ADAM,
    ADAMW,
    NADAM,
    adam_block,
    adam_rates,
    momentum_block,
    sgd_block,
    square_block,
)
from .sharing import share_of
from .team import share_out, threads_of

# Elements of whole vectors, on any machine.
_WHOLE = 16
_ADAM_NUMBERS = "lr beta1 beta2 eps weight_decay"


@inline
def part(index, parts, size):
    """Return where a part of a flat array starts, and how many elements it has.

    Parts start with whole vectors, so that an element is in one or behind the last whatever the parts: equal bits.
    """
    first, last = share_of(index, parts, size // _WHOLE)
    return first * _WHOLE, (size if index == parts - 1 else last * _WHOLE) - first * _WHOLE


@kernel
def _sgd_part(index, parts, p, g, lr, decay):
    i, size = part(index, parts, p.size)
    sgd_block(p, i, g, i, size, lr, decay)


@kernel
def _momentum_part(index, parts, p, g, v, nesterov, lr, momentum, decay):
    i, size = part(index, parts, p.size)
    momentum_block(p, i, g, i, v, i, size, nesterov, lr, momentum, decay)


@kernel
def _square_part(index, parts, p, g, h, lr, kept, added, eps, decay):
    i, size = part(index, parts, p.size)
    square_block(p, i, g, i, h, i, size, lr, kept, added, eps, decay)


@kernel
def _adam_part(index, parts, p, g, m, v, rates, beta1, beta2, eps):
    i, size = part(index, parts, p.size)
    adam_block(p, i, g, i, m, i, v, i, size, rates, beta1, beta2, eps)


@kernel
def _are_apart(sizes, starts, itemsize):
    """Whether flat arrays have one size, and each memory of its own."""
    for i in range(len(sizes)):
        for k in range(i):
            if sizes[i] != sizes[k] or abs(starts[i] - starts[k]) < sizes[i] * itemsize:
                return False
    return True


def _sgd_entry(team, p, g, lr, decay):
    sizes, starts = (p.size, g.size), (p.ctypes.data, g.ctypes.data)
    if not _are_apart(sizes, starts, p.itemsize):
        return False
    parts = threads_of(team)
    share_out(team, parts, _sgd_part, (parts, p, g, lr, decay))
    return True


def _momentum_entry(team, p, g, v, nesterov, lr, momentum, decay):
    sizes, starts = (p.size, g.size, v.size), (p.ctypes.data, g.ctypes.data, v.ctypes.data)
    if not _are_apart(sizes, starts, p.itemsize):
        return False
    parts = threads_of(team)
    share_out(team, parts, _momentum_part, (parts, p, g, v, nesterov, lr, momentum, decay))
    return True


def _square_entry(team, p, g, h, lr, kept, added, eps, decay):
    sizes, starts = (p.size, g.size, h.size), (p.ctypes.data, g.ctypes.data, h.ctypes.data)
    if not _are_apart(sizes, starts, p.itemsize):
        return False
    parts = threads_of(team)
    share_out(team, parts, _square_part, (parts, p, g, h, lr, kept, added, eps, decay))
    return True


def _adam_entry(team, p, g, m, v, rule, step, lr, beta1, beta2, eps, decay, momentum_decay):
    sizes = p.size, g.size, m.size, v.size
    starts = p.ctypes.data, g.ctypes.data, m.ctypes.data, v.ctypes.data
    if not _are_apart(sizes, starts, p.itemsize):
        return False
    rates, parts = adam_rates(rule, step, lr, beta1, beta2, decay, momentum_decay), threads_of(team)
    share_out(team, parts, _adam_part, (parts, p, g, m, v, rates, beta1, beta2, eps))
    return True


# One entry serves all rules that differ in numbers alone.
SGD, MOMENTUM = entry(_sgd_entry), entry(_momentum_entry)
SQUARE, ADAMS = entry(_square_entry), entry(_adam_entry)


def launch_update(compiled: Any, params: Array, *rest: Any) -> Any:
    """Run an entry on flat arrays and numbers, on as many threads as that is worth; return its result."""
    workers = _threads.workers_for(params.size // _WHOLE, 25 * params.size)
    return _threads.launch(compiled, workers, params, *rest)


# Entries by what they were compiled from and the dtype of the parameters.
_known: dict[tuple[Any, Any], Any] = {}


def _update(
    function: str, compiled: Any, grads: Array, names: str, arrays: tuple[Array, ...], values: tuple[Any, ...],
    *variant: int,
) -> None:  # fmt: skip
    """Check the arrays, the parameters first and then what else is written, and run an entry; `values` are checked."""
    params, *averages = arrays
    try:
        # For a small update Python's checks would take longer than all the rest: where types are those of a call that
        # was checked, the entry looks at sizes and memory. A dispatch that fails takes longer than the checks.
        if check.are_plain(grads, arrays) and launch_update(
            _known[compiled, params.dtype], params, grads, *averages, *variant, *values
        ):
            return
    except (KeyError, TypeError):
        pass  # not checked yet, or wrong
    state = dict(zip(names.split(), arrays, strict=True))
    grads = writeable_alias(check.update_arrays(function, grads, **state))
    rest = (params, grads, *averages, *variant, *values)
    if (compiled, params.dtype) not in _known:
        _known[compiled, params.dtype] = exact(compiled, 0, *rest)
    if not launch_update(_known[compiled, params.dtype], *rest):
        raise ValueError(f"{function}: arrays overlap or differ in size")


def sgd_update(params: Array, grads: Array, *, lr: float, weight_decay: float = 0.0) -> None:
    """Gradient descent: ``params -= lr * (grads + weight_decay * params)``, in place.

    Parameters
    ----------
    params : (size,) float32 or float64
        Changed in place.
    grads : (size,), dtype of params
    lr, weight_decay : float
        At least 0.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "sgd_update"
    _update(name, SGD, grads, "params", (params,), floats(name, "lr weight_decay", lr, weight_decay))


def momentum_update(
    params: Array, grads: Array, velocity: Array, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> None:
    """Momentum: ``velocity = momentum * velocity + grads``, then ``params -= lr * velocity``, in place.

    Source: Polyak (1964), in the form of PyTorch: the first step is that of `sgd_update`.

    Parameters
    ----------
    params, velocity : (size,) float32 or float64
        Changed in place; velocity starts with zeros.
    grads : (size,), dtype of params
    lr, weight_decay : float
        At least 0; weight decay is L2 in the gradient.
    momentum : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "momentum_update"
    values = floats(name, "lr momentum weight_decay", lr, momentum, weight_decay)
    _update(name, MOMENTUM, grads, "params velocity", (params, velocity), values, 0)


def nesterov_update(
    params: Array, grads: Array, velocity: Array, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> None:
    """Nesterov's momentum: the step goes ahead along the new velocity, in place.

    ``velocity = momentum * velocity + grads``, then ``params -= lr * (grads + momentum * velocity)``, as in
    PyTorch's SGD. Source: Nesterov (1983), rewritten for the gradient at params by Sutskever et al. (2013).

    Parameters
    ----------
    params, velocity : (size,) float32 or float64
        Changed in place; velocity starts with zeros.
    grads : (size,), dtype of params
    lr, weight_decay : float
        At least 0; weight decay is L2 in the gradient.
    momentum : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "nesterov_update"
    values = floats(name, "lr momentum weight_decay", lr, momentum, weight_decay)
    _update(name, MOMENTUM, grads, "params velocity", (params, velocity), values, 1)


def adagrad_update(
    params: Array, grads: Array, h: Array, *, lr: float, eps: float = 1e-10, weight_decay: float = 0.0
) -> None:
    """Adagrad (Duchi et al., 2011): ``h += grads**2``, then ``params -= lr * grads / (sqrt(h) + eps)``, in place.

    Parameters
    ----------
    params, h : (size,) float32 or float64
        Changed in place; h, the sum of squares so far, starts with zeros.
    grads : (size,), dtype of params
    lr, eps, weight_decay : float
        At least 0; weight decay is L2 in the gradient. With eps 0 a gradient that was always 0 gives NaN.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "adagrad_update"
    lr, eps, decay = floats(name, "lr eps weight_decay", lr, eps, weight_decay)
    _update(name, SQUARE, grads, "params h", (params, h), (lr, 1.0, 1.0, eps, decay))


def rmsprop_update(
    params: Array,
    grads: Array,
    h: Array,
    *,
    lr: float,
    alpha: float = 0.9,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """RMSprop (Hinton, 2012, lecture 6e): Adagrad with an average that forgets, in place.

    ``h = alpha * h + (1 - alpha) * grads**2``, then ``params -= lr * grads / (sqrt(h) + eps)``. alpha is 0.9, as in
    the lecture and the textbook; PyTorch's default is 0.99. eps is outside the root, as in PyTorch.

    Parameters
    ----------
    params, h : (size,) float32 or float64
        Changed in place; h starts with zeros.
    grads : (size,), dtype of params
    lr, eps, weight_decay : float
        At least 0; weight decay is L2 in the gradient.
    alpha : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "rmsprop_update"
    lr, alpha, eps, decay = floats(name, "lr alpha eps weight_decay", lr, alpha, eps, weight_decay)
    _update(name, SQUARE, grads, "params h", (params, h), (lr, alpha, 1.0 - alpha, eps, decay))


def adam_update(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """Adam (Kingma and Ba, 2015, algorithm 1), in place.

    ``m = beta1 * m + (1 - beta1) * grads``, ``v = beta2 * v + (1 - beta2) * grads**2``, then
    ``params -= lr / (1 - beta1**step) * m / (sqrt(v) / sqrt(1 - beta2**step) + eps)``, as in PyTorch.

    Parameters
    ----------
    params, m, v : (size,) float32 or float64
        Changed in place; m and v start with zeros.
    grads : (size,), dtype of params
    step : int
        Number of this step, counted from 1.
    lr, eps, weight_decay : float
        At least 0; weight decay is L2 in the gradient.
    beta1, beta2 : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "adam_update"
    values = floats(name, _ADAM_NUMBERS, lr, beta1, beta2, eps, weight_decay)
    _update(name, ADAMS, grads, "params m v", (params, m, v), (step_count(name, step), *values, 0.0), ADAM)


def adamw_update(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> None:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2), in place.

    ``params *= 1 - lr * weight_decay``, then the step of `adam_update` without decay, as in PyTorch's AdamW.

    Parameters
    ----------
    params, m, v : (size,) float32 or float64
        Changed in place; m and v start with zeros.
    grads : (size,), dtype of params
    step : int
        Number of this step, counted from 1.
    lr, eps, weight_decay : float
        At least 0; weight_decay is 0.01 unless given, as in PyTorch.
    beta1, beta2 : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "adamw_update"
    values = floats(name, _ADAM_NUMBERS, lr, beta1, beta2, eps, weight_decay)
    _update(name, ADAMS, grads, "params m v", (params, m, v), (step_count(name, step), *values, 0.0), ADAMW)


def nadam_update(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
) -> None:
    """Adam with Nesterov's momentum (Dozat, 2016, algorithm 2), in place, as in PyTorch's NAdam.

    With ``mu(t) = beta1 * (1 - 0.5 * 0.96**(t * momentum_decay))``, ``P(t) = mu(1) * ... * mu(t)``, t = step, and m
    and v as in `adam_update`: ``params -= lr / (sqrt(v) / sqrt(1 - beta2**t) + eps) *
    ((1 - mu(t)) / (1 - P(t)) * grads + mu(t + 1) / (1 - P(t + 1)) * m)``. P follows from t: it is no state.

    Parameters
    ----------
    params, m, v : (size,) float32 or float64
        Changed in place; m and v start with zeros.
    grads : (size,), dtype of params
    step : int
        Number of this step, counted from 1.
    lr, eps, weight_decay, momentum_decay : float
        At least 0; weight decay is L2 in the gradient.
    beta1, beta2 : float
        From 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    name = "nadam_update"
    names = f"{_ADAM_NUMBERS} momentum_decay"
    values = floats(name, names, lr, beta1, beta2, eps, weight_decay, momentum_decay)
    _update(name, ADAMS, grads, "params m v", (params, m, v), (step_count(name, step), *values), NADAM)
