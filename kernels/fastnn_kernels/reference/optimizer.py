"""Optimizer updates of flat vectors, in place.

`weight_decay` adds weight_decay * params to the gradient (L2), but in AdamW. The gradients are not changed.
"""

from .._checks import Array, update_memory
from .._update_checks import numbers


def sgd_update(params: Array, grads: Array, *, lr: float, weight_decay: float = 0.0) -> None:
    """Do params -= lr * grads.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("sgd_update", grads, params=params)
    lr, decay = numbers("sgd_update", lr=lr, weight_decay=weight_decay)
    params -= lr * (grads + decay * params)


def momentum_update(
    params: Array,
    grads: Array,
    velocity: Array,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """Do velocity = momentum * velocity + grads, then params -= lr * velocity, as in PyTorch.

    `velocity` starts at 0, so that the first step is that of `sgd_update`.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("momentum_update", grads, params=params, velocity=velocity)
    lr, mu, decay = numbers("momentum_update", lr=lr, momentum=momentum, weight_decay=weight_decay)
    velocity *= mu
    velocity += grads + decay * params
    params -= lr * velocity


def nesterov_update(
    params: Array,
    grads: Array,
    velocity: Array,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """Do velocity = momentum * velocity + grads, then params -= lr * (grads + momentum * velocity), as in PyTorch.

    The step goes where momentum will carry the parameters next: the gradient, and the new velocity once more.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("nesterov_update", grads, params=params, velocity=velocity)
    lr, mu, decay = numbers("nesterov_update", lr=lr, momentum=momentum, weight_decay=weight_decay)
    g = grads + decay * params
    velocity *= mu
    velocity += g
    params -= lr * (g + mu * velocity)


def adagrad_update(
    params: Array, grads: Array, h: Array, *, lr: float, eps: float = 1e-10, weight_decay: float = 0.0
) -> None:
    """Do h += grads**2, then params -= lr * grads / (sqrt(h) + eps): steps shrink where gradients were large.

    `h` starts at 0 (Duchi et al. 2011).

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("adagrad_update", grads, params=params, h=h)
    lr, eps, decay = numbers("adagrad_update", lr=lr, eps=eps, weight_decay=weight_decay)
    g = grads + decay * params
    h += g * g
    params -= lr * g / (h**0.5 + eps)


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
    """Do h = alpha * h + (1 - alpha) * grads**2, then params -= lr * grads / (sqrt(h) + eps).

    `h` starts at 0 and forgets what was long ago (Hinton 2012, lecture 6e). PyTorch's default is alpha = 0.99.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("rmsprop_update", grads, params=params, h=h)
    lr, alpha, eps, decay = numbers("rmsprop_update", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)
    g = grads + decay * params
    h *= alpha
    h += (1 - alpha) * g * g
    params -= lr * g / (h**0.5 + eps)


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
    """Do one step of Adam (Kingma and Ba 2015, algorithm 1); `step` counts from 1, m and v start at 0.

    ``m = beta1 * m + (1 - beta1) * g``, ``v = beta2 * v + (1 - beta2) * g * g``, then
    ``params -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)``, as in PyTorch.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("adam_update", grads, params=params, m=m, v=v)
    step, lr, beta1, beta2, eps, decay = numbers(
        "adam_update", step=step, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay
    )
    g = grads + decay * params
    _averages(m, v, g, beta1, beta2)
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    params -= lr * m_hat / (v_hat**0.5 + eps)


def _averages(m: Array, v: Array, g: Array, beta1: float, beta2: float) -> None:
    """Let m and v take in the gradient and its square."""
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g


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
    """Do params *= 1 - lr * weight_decay, then one step of Adam without decay (Loshchilov and Hutter 2019).

    The decay does not pass through m and v, so that it is as strong where gradients are large.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("adamw_update", grads, params=params, m=m, v=v)
    step, lr, beta1, beta2, eps, decay = numbers(
        "adamw_update", step=step, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay
    )
    params *= 1 - lr * decay
    _averages(m, v, grads, beta1, beta2)
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    params -= lr * m_hat / (v_hat**0.5 + eps)


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
    """Do one step of Adam with Nesterov's momentum (Dozat 2016, algorithm 2), as in PyTorch's NAdam.

    Adam's beta1 grows with the steps, as ``mu(t) = beta1 * (1 - 0.5 * 0.96**(t * momentum_decay))``, and the step
    is taken along the gradient and the average m as it will be in the next step.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes differ, arrays overlap, or a number is out of its range.
    """
    update_memory("nadam_update", grads, params=params, m=m, v=v)
    step, lr, beta1, beta2, eps, decay, psi = numbers(
        "nadam_update", step=step, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay,
        momentum_decay=momentum_decay,
    )  # fmt: skip

    def mu(t: int) -> float:
        return float(beta1 * (1 - 0.5 * 0.96 ** (t * psi)))

    product = 1.0
    for t in range(1, step + 1):
        product *= mu(t)
        if product == 0:  # and so it stays
            break
    g = grads + decay * params
    _averages(m, v, g, beta1, beta2)
    m_hat = mu(step + 1) * m / (1 - product * mu(step + 1)) + (1 - mu(step)) * g / (1 - product)
    v_hat = v / (1 - beta2**step)
    params -= lr * m_hat / (v_hat**0.5 + eps)
