"""Optimizers: each step is that of its kernel, with weight decay, clipping and the names they go by."""

from dataclasses import fields, replace

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, copy_of, small_data, small_model

import fastnn as fn
import fastnn_kernels.reference as ref
from fastnn.optimizers import get
from fastnn_kernels.update import NAMES

OPTIMIZERS = {
    "sgd_update": fn.SGD(0.05),
    "momentum_update": fn.Momentum(0.05),
    "nesterov_update": fn.SGD(0.05, 0.8, nesterov=True),
    "adagrad_update": fn.Adagrad(0.05),
    "rmsprop_update": fn.RMSprop(0.01, alpha=0.8),
    "adam_update": fn.Adam(0.01),
    "adamw_update": fn.AdamW(0.01),
    "nadam_update": fn.NAdam(0.01, momentum_decay=0.01),
}


def test_every_update_is_some_optimizers():
    assert tuple(OPTIMIZERS) == NAMES
    for rule, optimizer in OPTIMIZERS.items():
        assert optimizer.update().name == rule


def clipped(optimizer, grads):
    """Clip gradients by value, then by the norm of all of them together."""
    grads = copy_of(grads)
    if optimizer.clip_value is not None:
        for g in grads.values():
            np.clip(g, -optimizer.clip_value, optimizer.clip_value, out=g)
    if optimizer.clip_norm is not None:
        norm = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
        assert norm > optimizer.clip_norm, "clips nothing"
        for g in grads.values():
            g *= optimizer.clip_norm / (norm + 1e-6)
    return grads


@both_backends
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "clip_value": 0.05, "clip_norm": 0.2}])
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_step_is_that_of_the_kernel(backend, rule, options):
    optimizer = replace(OPTIMIZERS[rule], **options)
    x, y = small_data(17)
    model = small_model(backend, optimizer=optimizer)
    params, counts = copy_of(model.params), optimizer.update().counts_steps
    slots = {key: [np.zeros(p.size) for _ in range(optimizer.update().slots)] for key, p in params.items()}
    numbers = {name: getattr(optimizer, name) for name in optimizer.numbers if rule != "sgd_update"}
    for step in (1, 2, 3):
        loss, grads = model.gradients(x, y)
        grads = clipped(optimizer, grads)
        assert model.train_step(x, y) == pytest.approx(loss)
        for key, p in params.items():
            decay = 0.0 if key.endswith("/b") else optimizer.weight_decay
            getattr(ref, rule)(
                p.reshape(-1),
                grads[key].reshape(-1),
                *slots[key],
                lr=optimizer.lr,
                weight_decay=decay,
                **numbers,
                **({"step": step} if counts else {}),
            )
        assert_same(model.params, params, rtol=1e-9, atol=1e-12)


def test_names():
    names = {"sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "nadam"}
    for name in names:
        assert type(get(name)).__name__.lower() == name
    with pytest.raises(ValueError, match="optimizer is 'lion'") as error:
        get("lion")
    assert all(repr(name) in str(error.value) for name in names)


def test_defaults():
    assert fn.Momentum(0.1) == fn.Momentum(lr=0.1, momentum=0.9, weight_decay=0.0)
    assert (fn.RMSprop().alpha, fn.AdamW().weight_decay, fn.Adam().weight_decay) == (0.9, 0.01, 0.0)
    assert {f.name for f in fields(fn.SGD())} == {
        "lr", "momentum", "nesterov", "weight_decay", "clip_norm", "clip_value", "schedule"
    }  # fmt: skip


def test_the_order_of_an_optimizers_numbers():
    assert fn.SGD(0.1, 0.9, True) == fn.SGD(lr=0.1, momentum=0.9, nesterov=True)
    assert fn.Adam(0.1, 0.8, 0.99, 1e-7) == fn.Adam(lr=0.1, beta1=0.8, beta2=0.99, eps=1e-7)
    assert fn.RMSprop(0.1, 0.8, 1e-7) == fn.RMSprop(lr=0.1, alpha=0.8, eps=1e-7)
    assert fn.NAdam(0.1, 0.8, 0.99, 1e-7, 0.1).momentum_decay == 0.1


class Halving:
    def rates(self, lr, first_step, steps, steps_per_epoch, total_steps):
        return lr * 0.5 ** np.arange(first_step, first_step + steps)


def test_a_schedule_is_anything_with_rates():
    schedule = Halving()
    assert fn.Adam(schedule=schedule).schedule is schedule


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fn.SGD(0), ValueError, "SGD: lr is 0"),
        (lambda: fn.SGD(-0.1), ValueError, "SGD: lr is -0.1"),
        (lambda: fn.SGD(float("nan")), ValueError, "SGD: lr is nan"),
        (lambda: fn.SGD(float("inf")), ValueError, "SGD: lr is inf"),
        (lambda: fn.SGD("0.1"), TypeError, "SGD: lr is '0.1'"),
        (lambda: fn.SGD(0.1, nesterov=True), ValueError, "SGD: nesterov is True and momentum is 0"),
        (lambda: fn.SGD(0.1, 0.9, 0.01), TypeError, "SGD: nesterov is 0.01"),
        (lambda: fn.Momentum(momentum=1.0), ValueError, "Momentum: momentum is 1.0"),
        (lambda: fn.RMSprop(alpha=1.0), ValueError, "RMSprop: alpha is 1.0"),
        (lambda: fn.Adagrad(eps=-1.0), ValueError, "Adagrad: eps is -1.0"),
        (lambda: fn.Adam(beta2=1.0), ValueError, "Adam: beta2 is 1.0"),
        (lambda: fn.Adam(eps=-1e-8), ValueError, "Adam: eps"),
        (lambda: fn.AdamW(beta1=-0.1), ValueError, "AdamW: beta1 is -0.1"),
        (lambda: fn.NAdam(momentum_decay=None), TypeError, "NAdam: momentum_decay is None"),
        (lambda: fn.Adam(weight_decay=-1), ValueError, "Adam: weight_decay is -1"),
        (lambda: fn.Adam(clip_norm=0), ValueError, "Adam: clip_norm.* is 0"),
        (lambda: fn.Adam(clip_value=-1.0), ValueError, "Adam: clip_value.* is -1.0"),
        (lambda: fn.Adam(clip_value=True), TypeError, "Adam: clip_value.* is True"),
        (lambda: fn.Adam(schedule="cosine"), TypeError, "Adam: schedule is 'cosine'.*rates"),
        (lambda: fn.Adam(schedule=fn.schedules.Cosine), TypeError, "Adam: schedule is <class .*, an object"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
