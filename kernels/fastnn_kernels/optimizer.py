"""Optimizer updates of flat arrays, in place."""

from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, writeable_alias
from ._jit import entries, kernel, prange
from ._public import check_floats, flat, inside
from .optimizer_block import adam_block, momentum_block, sgd_block

# Elements of one parallel task.
_CHUNK = 8192


def _sgd_entry(workers, p, g, lr, decay):
    for c in prange(-(-p.size // _CHUNK)):
        i = c * _CHUNK
        sgd_block(p, i, g, i, min(_CHUNK, p.size - i), lr, decay)


def _momentum_entry(workers, p, g, v, lr, momentum, decay):
    for c in prange(-(-p.size // _CHUNK)):
        i = c * _CHUNK
        momentum_block(p, i, g, i, v, i, min(_CHUNK, p.size - i), lr, momentum, decay)


def _adam_entry(workers, p, g, m, v, step, lr, beta1, beta2, eps, decay):
    for c in prange(-(-p.size // _CHUNK)):
        i = c * _CHUNK
        adam_block(p, i, g, i, m, i, v, i, min(_CHUNK, p.size - i), step, lr, beta1, beta2, eps, decay)


_sgd, _momentum, _adam = entries(_sgd_entry), entries(_momentum_entry), entries(_adam_entry)


def _workers(size: int) -> int:
    return _threads.workers_for(-(-size // _CHUNK), 10 * size)


def sgd_update(params: Array, grads: Array, *, lr: float, weight_decay: float = 0.0) -> None:
    """``params -= lr * (grads + weight_decay * params)``, in place.

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
    gradient = check.update_arrays("sgd_update", grads, params=params)
    lr, decay = options.number("sgd_update: lr", lr), options.number("sgd_update: weight_decay", weight_decay)
    _threads.launch(_sgd, _workers(params.size), params, writeable_alias(gradient), lr, decay)


def momentum_update(
    params: Array, grads: Array, velocity: Array, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> None:
    """``velocity = momentum * velocity + grads``, then ``params -= lr * velocity``, in place.

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
    gradient = check.update_arrays(name, grads, params=params, velocity=velocity)
    lr, decay = options.number(f"{name}: lr", lr), options.number(f"{name}: weight_decay", weight_decay)
    momentum = options.number(f"{name}: momentum", momentum, 0.0, 1.0)
    _threads.launch(_momentum, _workers(params.size), params, writeable_alias(gradient), velocity, lr, momentum, decay)


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
    """Adam (Kingma and Ba, 2015, algorithm 1), in place; eps is added after the bias correction.

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
    gradient = check.update_arrays(name, grads, params=params, m=m, v=v)
    step = options.integer(f"{name}: step", step, 1)
    lr, decay = options.number(f"{name}: lr", lr), options.number(f"{name}: weight_decay", weight_decay)
    beta1, beta2 = (options.number(f"{name}: {k}", b, 0.0, 1.0) for k, b in (("beta1", beta1), ("beta2", beta2)))
    eps = options.number(f"{name}: eps", eps)
    _threads.launch(_adam, _workers(params.size), params, writeable_alias(gradient), m, v, float(step), lr, beta1,
                    beta2, eps, decay)


_sgd_serial, _momentum_serial, _adam_serial = _sgd[0], _momentum[0], _adam[0]


@kernel
def _check_rates(lr, small, average):
    """Check in compiled code what `options.number` checks in Python; NaN fails every comparison."""
    if not (lr >= 0.0 and small >= 0.0 and 0.0 <= average < 1.0):
        raise ValueError("lr, weight_decay and eps must be at least 0, averages from 0 to below 1")


@inside(sgd_update)
def _sgd_inside(params, grads, lr, weight_decay=0.0):
    check_floats("sgd_update", grads, in_place=(params,))

    def call(params, grads, lr, weight_decay=0.0):
        if grads.size != params.size:
            raise ValueError("sgd_update: params and grads have different sizes")
        _check_rates(lr, weight_decay, 0.0)
        _sgd_serial(1, params, flat(grads), float(lr), float(weight_decay))

    return call


@inside(momentum_update)
def _momentum_inside(params, grads, velocity, lr, momentum=0.9, weight_decay=0.0):
    check_floats("momentum_update", grads, in_place=(params, velocity))

    def call(params, grads, velocity, lr, momentum=0.9, weight_decay=0.0):
        if grads.size != params.size or velocity.size != params.size:
            raise ValueError("momentum_update: params, grads and velocity have different sizes")
        _check_rates(lr, weight_decay, momentum)
        _momentum_serial(1, params, flat(grads), velocity, float(lr), float(momentum), float(weight_decay))

    return call


@inside(adam_update)
def _adam_inside(params, grads, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    check_floats("adam_update", grads, in_place=(params, m, v))

    def call(params, grads, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
        if grads.size != params.size or m.size != params.size or v.size != params.size:
            raise ValueError("adam_update: params, grads, m and v have different sizes")
        if step < 1:
            raise ValueError("adam_update: step is counted from 1")
        _check_rates(lr, weight_decay, beta1)
        _check_rates(lr, eps, beta2)
        _adam_serial(1, params, flat(grads), m, v, float(step), float(lr), float(beta1), float(beta2), float(eps),
                     float(weight_decay))

    return call
