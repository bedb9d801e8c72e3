"""Cases of optimizer updates."""

from itertools import chain
from typing import Any

from case import Call, Case, Data


def optimizer_cases(size: int) -> list[Case]:
    def case(kernel: str, label: str, state: int, options: dict[str, Any], *, exact: bool = False) -> Case:
        def make(d: Data) -> Call:
            params, grads = d.array(size), d.array(size)
            return (params, grads, *(d.positive(size) for _ in range(state))), options

        in_place = (0, *range(2, 2 + state))
        return Case(f"{kernel}:{size}:{label}", kernel, make, exact=exact, in_place=in_place)

    return [
        case("sgd_update", "plain", 0, {"lr": 3, "weight_decay": 0}, exact=True),
        case("sgd_update", "decay", 0, {"lr": 2, "weight_decay": 3}, exact=True),
        case("sgd_update", "real", 0, {"lr": 0.1, "weight_decay": 0.01}),
        case("momentum_update", "integer", 1, {"lr": 2, "momentum": 0, "weight_decay": 1}, exact=True),
        case("momentum_update", "default", 1, {"lr": 0.1}),
        case("momentum_update", "decay", 1, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
        case("nesterov_update", "integer", 1, {"lr": 2, "momentum": 0, "weight_decay": 1}, exact=True),
        case("nesterov_update", "default", 1, {"lr": 0.1}),
        case("nesterov_update", "decay", 1, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}),
        case("adagrad_update", "default", 1, {"lr": 0.1}),
        case("adagrad_update", "decay", 1, {"lr": 0.1, "eps": 0.5, "weight_decay": 0.01}),
        case("rmsprop_update", "default", 1, {"lr": 0.1}),
        case("rmsprop_update", "decay", 1, {"lr": 0.1, "alpha": 0.5, "eps": 0.5, "weight_decay": 0.01}),
        case("adam_update", "first", 2, {"step": 1, "lr": 0.01}),
        case("adam_update", "late", 2, {"step": 1000, "lr": 0.01, "weight_decay": 0.01}),
        case("adam_update", "betas", 2, {"step": 3, "lr": 0.1, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}),
        case("adamw_update", "first", 2, {"step": 1, "lr": 0.01}),
        case("adamw_update", "decay", 2, {"step": 3, "lr": 0.1, "beta1": 0.5, "eps": 1e-3, "weight_decay": 0.5}),
        case("nadam_update", "first", 2, {"step": 1, "lr": 0.01}),
        case("nadam_update", "late", 2, {"step": 1000, "lr": 0.01, "weight_decay": 0.01}),
        case("nadam_update", "betas", 2, {"step": 3, "lr": 0.1, "beta1": 0.5, "eps": 1e-3, "momentum_decay": 2}),
    ]


CASES = list(chain.from_iterable(optimizer_cases(size) for size in (1, 33, 1000)))
