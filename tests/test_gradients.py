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


@both
def test_every_backward_kernel_is_reached(kernels: types.ModuleType) -> None:
    """The rows with a gradient call every *_backward kernel, so that none goes unchecked."""
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
    assert {name for name in kernels.__all__ if name.endswith("_backward")} <= called


@both
@pytest.mark.parametrize("case", [c for c in CASES if c.kernel == "conv2d_backward"], ids=lambda c: c.name)
def test_conv2d_backward_is_its_parts(case: Case, kernels: types.ModuleType) -> None:
    (dy, x, w), kwargs = case.call(np.float64)
    dx, dw, db = kernels.conv2d_backward(dy, x, w, **kwargs)
    parts = [
        kernels.conv2d_backward_input(dy, w, x.shape, **kwargs),
        kernels.conv2d_backward_weight(dy, x, w.shape, **kwargs),
        dy.sum(axis=(0, 2, 3)),
    ]
    assert_close([dx, dw, db], parts, np.float64, case.terms)
