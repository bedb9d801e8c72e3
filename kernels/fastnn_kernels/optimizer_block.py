"""Optimizer updates of a range of flat arrays, in one pass."""

from ._jit import inline, kernel
from .simd import lanes, vfma, vload, vload_first, vsqrt, vstore, vstore_first
from .vmath import vset


@inline
def _load(memory, i, n):
    return vload(memory, i) if n >= lanes(memory) else vload_first(memory, i, n)


@inline
def _store(memory, i, value, n):
    if n >= lanes(memory):
        vstore(memory, i, value)
    else:
        vstore_first(memory, i, value, n)


@kernel
def sgd_block(p, po, g, go, size, lr, decay):
    """``p -= lr * (g + decay * p)``."""
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = _load(p, po + i, n)
        gradient = vfma(vset(p, decay), value, _load(g, go + i, n))
        _store(p, po + i, vfma(vset(p, -lr), gradient, value), n)


@kernel
def momentum_block(p, po, g, go, v, vo, size, lr, momentum, decay):
    """``v = momentum * v + g + decay * p``, then ``p -= lr * v``."""
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = _load(p, po + i, n)
        gradient = vfma(vset(p, decay), value, _load(g, go + i, n))
        velocity = vfma(vset(p, momentum), _load(v, vo + i, n), gradient)
        _store(v, vo + i, velocity, n)
        _store(p, po + i, vfma(vset(p, -lr), velocity, value), n)


@kernel
def adam_block(p, po, g, go, m, mo, v, vo, size, step, lr, beta1, beta2, eps, decay):
    """Adam (Kingma and Ba 2015, algorithm 1), eps after the bias correction, decay as L2 in the gradient."""
    L = lanes(p)
    rate = vset(p, -lr / (1.0 - beta1**step))
    correction = vset(p, (1.0 - beta2**step) ** -0.5)
    for i in range(0, size, L):
        n = size - i
        value = _load(p, po + i, n)
        gradient = vfma(vset(p, decay), value, _load(g, go + i, n))
        first = vfma(vset(p, beta1), _load(m, mo + i, n), vset(p, 1.0 - beta1) * gradient)
        second = vfma(vset(p, beta2), _load(v, vo + i, n), vset(p, 1.0 - beta2) * gradient * gradient)
        _store(m, mo + i, first, n)
        _store(v, vo + i, second, n)
        _store(p, po + i, value + rate * first / vfma(vsqrt(second), correction, vset(p, eps)), n)
