"""Optimizer updates for compiled callers: the entries of `optimizer.py`, without a team, behind the public names."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core.errors import TypingError

from ._jit import kernel
from ._public import ALONE, check_floats, flat, inside, is_int
from .optimizer import (
    ADAMS,
    MOMENTUM,
    SGD,
    SQUARE,
    adagrad_update,
    adam_update,
    adamw_update,
    momentum_update,
    nadam_update,
    nesterov_update,
    rmsprop_update,
    sgd_update,
)
from .optimizer_block import ADAM, ADAMW, NADAM

# Rules are passed as np.int64: to Numba each literal int is a type of its own, and would compile the entry once more.


def _update(public: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Bind an update to what compiled callers run; its positional arguments are arrays, all but grads written."""
    by_position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    arrays = [p.name for p in inspect.signature(public).parameters.values() if p.kind == by_position]

    def bind(implementation: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(implementation)

        @inside(public)
        def choose(*args: Any, **options: Any) -> Callable[..., Any]:
            given = signature.bind(*args, **options).arguments
            check_floats(public.__name__, given["grads"], in_place=[given[a] for a in arrays if a != "grads"])
            if given["grads"].ndim != 1:
                raise TypingError(f"{public.__name__}: grads has {given['grads'].ndim} axes, 1 is needed")
            if "step" in given and not is_int(given["step"]):
                raise TypingError(f"{public.__name__}: step is an int, not {given['step']}")
            return implementation

        return choose

    return bind


@kernel
def _check(sizes, positive, averages):
    """Check in compiled code what `_update_checks` checks in Python; NaN fails every comparison."""
    for size in sizes:
        if size != sizes[0]:
            raise ValueError("optimizer update: params, grads and state must have the same size")
    for value in positive:
        if not 0.0 <= value < float("inf"):
            raise ValueError("optimizer update: lr, eps, weight_decay and momentum_decay must be at least 0")
    for value in averages:
        if not 0.0 <= value < 1.0:
            raise ValueError("optimizer update: momentum, alpha, beta1 and beta2 must be from 0 to below 1")


@kernel
def _done(updated):
    if not updated:
        raise ValueError("optimizer update: arrays overlap, memory of their own is needed")


@_update(sgd_update)
def _sgd(params, grads, lr, weight_decay=0.0):
    rate, decay = float(lr), float(weight_decay)
    _check((params.size, grads.size), (rate, decay), (0.0,))
    _done(SGD(ALONE, params, flat(grads), rate, decay))


@kernel
def _momentum(params, grads, velocity, nesterov, lr, momentum, decay):
    _check((params.size, grads.size, velocity.size), (lr, decay), (momentum,))
    _done(MOMENTUM(ALONE, params, flat(grads), velocity, nesterov, lr, momentum, decay))


@_update(momentum_update)
def _momentum_inside(params, grads, velocity, lr, momentum=0.9, weight_decay=0.0):
    _momentum(params, grads, velocity, np.int64(0), float(lr), float(momentum), float(weight_decay))


@_update(nesterov_update)
def _nesterov_inside(params, grads, velocity, lr, momentum=0.9, weight_decay=0.0):
    _momentum(params, grads, velocity, np.int64(1), float(lr), float(momentum), float(weight_decay))


@kernel
def _square(params, grads, h, lr, alpha, kept, added, eps, decay):
    _check((params.size, grads.size, h.size), (lr, eps, decay), (alpha,))
    _done(SQUARE(ALONE, params, flat(grads), h, lr, kept, added, eps, decay))


@_update(adagrad_update)
def _adagrad_inside(params, grads, h, lr, eps=1e-10, weight_decay=0.0):
    _square(params, grads, h, float(lr), 0.0, 1.0, 1.0, float(eps), float(weight_decay))


@_update(rmsprop_update)
def _rmsprop_inside(params, grads, h, lr, alpha=0.9, eps=1e-8, weight_decay=0.0):
    average = float(alpha)
    _square(params, grads, h, float(lr), average, average, 1.0 - average, float(eps), float(weight_decay))


@kernel
def _adam(params, grads, m, v, rule, step, lr, beta1, beta2, eps, decay, momentum_decay):
    if step < 1:
        raise ValueError("optimizer update: step is counted from 1")
    _check((params.size, grads.size, m.size, v.size), (lr, eps, decay, momentum_decay), (beta1, beta2))
    _done(ADAMS(ALONE, params, flat(grads), m, v, rule, float(step), lr, beta1, beta2, eps, decay, momentum_decay))


@_update(adam_update)
def _adam_inside(params, grads, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    _adam(params, grads, m, v, np.int64(ADAM), step, float(lr), float(beta1), float(beta2), float(eps),
          float(weight_decay), 0.0)


@_update(adamw_update)
def _adamw_inside(params, grads, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    _adam(params, grads, m, v, np.int64(ADAMW), step, float(lr), float(beta1), float(beta2), float(eps),
          float(weight_decay), 0.0)


@_update(nadam_update)
def _nadam_inside(params, grads, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
                  momentum_decay=4e-3):  # fmt: skip
    _adam(params, grads, m, v, np.int64(NADAM), step, float(lr), float(beta1), float(beta2), float(eps),
          float(weight_decay), float(momentum_decay))
