"""Every kernel equals its NumPy twin, over the whole table of cases."""

import inspect
import types

import numpy as np
import pytest
from cases import CASES, Case, one_per_kernel
from cases_activation import ACTIVATIONS
from helpers import assert_close, cast, run

import fastnn_kernels as fk
import fastnn_kernels.reference as ref
from fastnn_kernels._public import PUBLIC

all_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
exact_cases = pytest.mark.parametrize("case", [c for c in CASES if c.exact], ids=lambda case: case.name)
each_kernel = pytest.mark.parametrize("case", one_per_kernel(CASES), ids=lambda case: case.kernel)
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def public_kernels() -> list[str]:
    """Return what fastnn_kernels exports, without what comes from its private modules."""
    functions = {name: getattr(fk, name) for name in fk.__all__}
    return sorted(
        name
        for name, f in functions.items()
        if isinstance(f, types.FunctionType) and not f.__module__.rpartition(".")[2].startswith("_")
    )


def test_every_public_kernel_has_a_twin_and_a_row() -> None:
    assert public_kernels() == sorted(ref.__all__)
    assert public_kernels() == sorted({case.kernel for case in CASES})
    assert public_kernels() == sorted(PUBLIC), "bound for compiled callers"


def test_case_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", ref.__all__)
def test_signatures_are_equal(name: str) -> None:
    def parameters(function: object) -> list[tuple[str, object, object]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert parameters(getattr(fk, name)) == parameters(getattr(ref, name))


@both
@pytest.mark.parametrize("name", ref.__all__)
def test_docstrings_say_what_raises(name: str, kernels: types.ModuleType) -> None:
    _, _, part = (inspect.getdoc(getattr(kernels, name)) or "").partition("\nRaises\n------\n")
    assert part.startswith(("TypeError", "ValueError")) and "    If " in part


@both_dtypes
@all_cases
def test_kernel_equals_twin(case: Case, dtype: type) -> None:
    actual = run(fk, case, *case.call(dtype))
    expected = run(ref, case, *case.call(dtype))
    assert_close(actual, expected, dtype, case.terms)


@both_dtypes
@exact_cases
def test_small_integers_are_exact(case: Case, dtype: type) -> None:
    floats, kwargs = case.call(dtype, integers=True)
    actual = run(fk, case, floats, kwargs)
    integers = cast(case.call(dtype, integers=True)[0], floats, np.int64)
    expected = run(ref, case, integers, kwargs)
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype in (dtype, np.int64)
        np.testing.assert_array_equal(a, e)
    if not case.sparse:
        values = [a for a in actual if a.dtype == dtype]
        assert 2 * sum(map(np.count_nonzero, values)) >= sum(a.size for a in values)


def takes_out(case: Case) -> bool:
    return "out" in inspect.signature(getattr(ref, case.kernel)).parameters


@both
@pytest.mark.parametrize(
    "case", [c for c in one_per_kernel(CASES) if takes_out(c)], ids=lambda case: case.kernel
)
def test_out_is_filled_and_returned(case: Case, kernels: types.ModuleType) -> None:
    function = getattr(kernels, case.kernel)
    args, kwargs = case.call(np.float32)
    expected = function(*args, **kwargs)
    out = np.full_like(expected, np.nan)
    assert function(*args, **kwargs, out=out) is out
    np.testing.assert_array_equal(out, expected)


@both
@pytest.mark.parametrize("name", sorted({row[0] for row in ACTIVATIONS}))
def test_activations_work_in_place(name: str, kernels: types.ModuleType) -> None:
    x = np.linspace(-3, 3, 30, dtype=np.float32).reshape(3, 10)
    function, backward = getattr(kernels, name), getattr(kernels, f"{name}_backward")
    y = function(x)
    assert function(x, out=x) is x
    np.testing.assert_array_equal(x, y)
    dy = np.cos(np.arange(30, dtype=np.float32)).reshape(3, 10)
    dx = backward(dy, y)
    assert backward(dy, y, out=dy) is dy
    np.testing.assert_array_equal(dy, dx)


def reads_only(case: Case) -> bool:
    args, _ = case.call(np.float32)
    return any(isinstance(a, np.ndarray) and k not in case.in_place for k, a in enumerate(args))


@pytest.mark.parametrize(
    "case", [c for c in one_per_kernel(CASES) if reads_only(c)], ids=lambda case: case.kernel
)
def test_strided_inputs_give_the_same(case: Case) -> None:
    args, kwargs = case.call(np.float32)
    expected = run(fk, case, *case.call(np.float32))
    strided = tuple(
        np.repeat(a, 2, axis=-1)[..., ::2] if isinstance(a, np.ndarray) and k not in case.in_place else a
        for k, a in enumerate(args)
    )
    assert any(isinstance(a, np.ndarray) and not a.flags.c_contiguous for a in strided)
    assert_close(run(fk, case, strided, kwargs), expected, np.float32, case.terms)


@each_kernel
def test_read_only_inputs_give_the_same(case: Case) -> None:
    args, kwargs = case.call(np.float32)
    expected = run(fk, case, *case.call(np.float32))
    for k, a in enumerate(args):
        if isinstance(a, np.ndarray) and k not in case.in_place:
            a.flags.writeable = False
    for actual, e in zip(run(fk, case, args, kwargs), expected, strict=True):
        np.testing.assert_array_equal(actual, e)
