"""Backward kernels against central differences of the forward kernels, in float64."""

import types
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from helpers import assert_close

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

EPS = 1e-6
CHECKED = 12  # elements of each argument, drawn at random

with_gradient = pytest.mark.parametrize("case", [c for c in CASES if c.gradient], ids=lambda case: case.name)
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])


def first_output(kernels: types.ModuleType, case: Case, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = getattr(kernels, case.kernel)(*args, **kwargs)
    return returned[0] if isinstance(returned, tuple) else returned


@both
@with_gradient
def test_gradient_equals_central_differences(case: Case, kernels: types.ModuleType) -> None:
    rng = np.random.default_rng(3)
    args, kwargs = case.call(np.float64)
    dy = np.asarray(rng.standard_normal(np.shape(first_output(kernels, case, args, kwargs))))
    assert case.gradient is not None
    gradients = case.gradient(kernels, args, kwargs, dy)
    assert gradients
    for k, gradient in gradients.items():
        x = args[k]
        assert gradient.shape == x.shape
        for element in rng.choice(x.size, min(CHECKED, x.size), replace=False):
            place = np.unravel_index(element, x.shape)
            # The difference before the sum over dy: no cancellation between large sums.
            kept = x[place]
            x[place] = kept + EPS
            above = np.copy(first_output(kernels, case, args, kwargs))
            x[place] = kept - EPS
            below = np.copy(first_output(kernels, case, args, kwargs))
            x[place] = kept
            expected = np.sum(dy * (above - below)) / (2 * EPS)
            np.testing.assert_allclose(gradient[place], expected, rtol=1e-4, atol=1e-6)


# Kernels that nothing is differentiated through: they change parameters, or pictures before they are trained on.
WITHOUT_GRADIENT = {
    *(name for name in ref.__all__ if name.endswith("_update")),
    "clip_by_value", "clip_by_global_norm", "max_norm",
    "flip", "crop", "shift", "rotate", "cutout", "mixup",
}  # fmt: skip


def test_every_other_kernel_has_a_row_with_a_gradient() -> None:
    forward = {name for name in ref.__all__ if "_backward" not in name}
    assert forward - WITHOUT_GRADIENT == {case.kernel for case in CASES if case.gradient and case.kernel in forward}
    assert WITHOUT_GRADIENT <= forward


@both
def test_every_backward_kernel_is_reached(kernels: types.ModuleType) -> None:
    """The rows with a gradient call every backward kernel, or what it is a part of, so that none goes unchecked."""
    called: set[str] = set()

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            called.add(name)
            return getattr(kernels, name)

    for case in CASES:
        if case.gradient is not None:
            args, kwargs = case.call(np.float64)
            dy = np.zeros(np.shape(first_output(kernels, case, args, kwargs)))
            case.gradient(Recorder(), args, kwargs, dy)
    parts = {name for name in kernels.__all__ if name.endswith(("_backward_input", "_backward_weight"))}
    assert {name for name in kernels.__all__ if "_backward" in name} - parts <= called
    assert {name.rpartition("_")[0] for name in parts} <= {case.kernel for case in PARTS}


PARTS = [c for c in CASES if c.kernel in ("conv2d_backward", "conv_transpose2d_backward")]


@both
@pytest.mark.parametrize("case", PARTS, ids=lambda c: c.name)
def test_a_backward_kernel_is_its_parts(case: Case, kernels: types.ModuleType) -> None:
    (dy, x, w), kwargs = case.call(np.float64)
    dx, dw, db = getattr(kernels, case.kernel)(dy, x, w, **kwargs)
    parts = [
        getattr(kernels, f"{case.kernel}_input")(dy, w, x.shape, **kwargs),
        getattr(kernels, f"{case.kernel}_weight")(dy, x, w.shape, **kwargs),
        dy.sum(axis=(0, 2, 3)),
    ]
    assert_close([dx, dw, db], parts, np.float64, case.terms)
