"""Optimizer updates of a range of flat arrays, in one pass over memory.

Rules that differ in numbers alone share a block: momentum and Nesterov, Adagrad and RMSprop, Adam, AdamW and NAdam.
`decay` is weight decay as L2 in the gradient.
"""

from ._jit import kernel
from .simd import lanes, vfma, vsqrt
from .span import load_span, store_span
from .vmath import vset

# Numbers of the rules of `adam_block`.
ADAM, ADAMW, NADAM = range(3)


@kernel
def sgd_block(p, po, g, go, size, lr, decay):
    """``p -= lr * (g + decay * p)``."""
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = load_span(p, po + i, n)
        gradient = vfma(vset(p, decay), value, load_span(g, go + i, n))
        store_span(p, po + i, vfma(vset(p, -lr), gradient, value), n)


@kernel
def momentum_block(p, po, g, go, v, vo, size, nesterov, lr, momentum, decay):
    """``v = momentum * v + g``, then ``p -= lr * v``, or with `nesterov` ``p -= lr * (g + momentum * v)``."""
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = load_span(p, po + i, n)
        gradient = vfma(vset(p, decay), value, load_span(g, go + i, n))
        velocity = vfma(vset(p, momentum), load_span(v, vo + i, n), gradient)
        store_span(v, vo + i, velocity, n)
        way = vfma(vset(p, momentum), velocity, gradient) if nesterov else velocity
        store_span(p, po + i, vfma(vset(p, -lr), way, value), n)


@kernel
def square_block(p, po, g, go, h, ho, size, lr, kept, added, eps, decay):
    """``h = kept * h + added * g * g``, then ``p -= lr * g / (sqrt(h) + eps)``."""
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = load_span(p, po + i, n)
        gradient = vfma(vset(p, decay), value, load_span(g, go + i, n))
        square = vfma(vset(p, kept), load_span(h, ho + i, n), vset(p, added) * gradient * gradient)
        store_span(h, ho + i, square, n)
        store_span(p, po + i, value + vset(p, -lr) * gradient / (vsqrt(square) + vset(p, eps)), n)


@kernel
def _nadam_schedule(step, beta1, momentum_decay):
    """Return mu of this step, mu of the next, and the product of mu from step 1 to this one.

    The product is not kept as state but made anew: a factor is below beta1, and below about 0.5 at first, so that
    after some 60 steps ``1 - product`` is 1 and no further factor matters.
    """
    ratio = 0.96**momentum_decay
    power, product, done = ratio, 1.0, 0.0
    while done < step and product > 1e-18:
        product *= beta1 * (1.0 - 0.5 * power)
        power *= ratio
        done += 1.0
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay))
    following = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1.0) * momentum_decay))
    return mu, following, product


@kernel
def adam_rates(rule, step, lr, beta1, beta2, decay, momentum_decay):
    """Return the numbers of a step: factors of g, m and sqrt(v), L2 decay, and what is kept of p."""
    correction = (1.0 - beta2**step) ** -0.5
    if rule == NADAM:
        mu, following, product = _nadam_schedule(step, beta1, momentum_decay)
        of_g, of_m = -lr * (1.0 - mu) / (1.0 - product), -lr * following / (1.0 - product * following)
        return of_g, of_m, correction, decay, 1.0
    rate = -lr / (1.0 - beta1**step)
    if rule == ADAMW:
        return 0.0, rate, correction, 0.0, 1.0 - lr * decay
    return 0.0, rate, correction, decay, 1.0


@kernel
def adam_block(p, po, g, go, m, mo, v, vo, size, rates, beta1, beta2, eps):
    """``p = kept * p + (of_g * g + of_m * m) / (correction * sqrt(v) + eps)``, after the step of m and v."""
    of_g, of_m, correction, decay, kept = rates
    L = lanes(p)
    for i in range(0, size, L):
        n = size - i
        value = load_span(p, po + i, n)
        gradient = vfma(vset(p, decay), value, load_span(g, go + i, n))
        first = vfma(vset(p, beta1), load_span(m, mo + i, n), vset(p, 1.0 - beta1) * gradient)
        second = vfma(vset(p, beta2), load_span(v, vo + i, n), vset(p, 1.0 - beta2) * gradient * gradient)
        store_span(m, mo + i, first, n)
        store_span(v, vo + i, second, n)
        way = vfma(vset(p, of_g), gradient, vset(p, of_m) * first)
        way = way / vfma(vsqrt(second), vset(p, correction), vset(p, eps))
        store_span(p, po + i, vfma(vset(p, kept), value, way), n)
