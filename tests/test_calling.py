"""How kernels are called: options in any spelling compile once, and a call leaves nothing behind."""

import ast
import functools
import inspect
from pathlib import Path

import numba
import numpy as np
import pytest
from cases import CASES, Case, one_per_kernel
from numba.core import event

import fastnn_kernels as fk
from fastnn_kernels._public import PUBLIC

each_kernel = pytest.mark.parametrize("case", one_per_kernel(CASES), ids=lambda case: case.kernel)
PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size")


def spellings(case: Case) -> list[str]:
    return [name for name in inspect.signature(getattr(fk, case.kernel)).parameters if name in PAIRS]


WITH_PAIRS = [case for case in one_per_kernel(CASES) if spellings(case)]


def compiled_during(call) -> int:
    with event.install_recorder("numba:compile") as recorder:
        call()
    return len(recorder.buffer)


def test_the_recorder_sees_what_is_compiled():
    assert compiled_during(lambda: numba.njit(lambda x: x + 1)(1)) > 0


@pytest.mark.parametrize("case", WITH_PAIRS, ids=lambda case: case.kernel)
def test_an_int_and_a_pair_compile_once(case: Case):
    x, dy = np.ones((2, 4, 6, 6), np.float32), np.ones((2, 4, 6, 6), np.float32)
    w = np.ones((4, 4, 1, 1), np.float32)
    known = {
        "x": x, "dy": dy, "w": w, "b": np.ones(4, np.float32), "x_shape": x.shape, "w_shape": w.shape,
        "cols": np.ones((4, 72), np.float32), "argmax": np.zeros(x.shape, np.int64),
    }  # fmt: skip
    function = getattr(fk, case.kernel)
    parameters = inspect.signature(function).parameters
    args = [known[name] for name, p in parameters.items() if p.kind == p.POSITIONAL_OR_KEYWORD and name in known]

    def call(one, zero):
        options = {name: zero if "padding" in name else one for name in spellings(case)}
        if "output_size" in options:
            options["output_size"] = (6, 6) if isinstance(one, (tuple, list)) else 6
        options |= {name: 0 for name in ("seed", "step") if name in parameters}
        positional = [options.pop(name) for name in ("kernel_size", "output_size") if name in options]
        return function(*args, *positional, **options)

    call(1, 0)
    pairs = [((1, 1), (0, 0)), ([1, 1], [0, 0]), ((1, np.int8(1)), ((0, 0), (0, 0)))]
    for one, zero in [(np.int64(1), np.int32(0)), *pairs]:
        flat = (0, 0) if "output_padding" in spellings(case) or case.kernel == "crop" else zero
        assert compiled_during(functools.partial(call, one, flat)) == 0


@each_kernel
def test_a_call_leaves_global_state_alone(case: Case):
    function = getattr(fk, case.kernel)
    args, kwargs = case.call(np.float32)
    function(*args, **kwargs)
    args, kwargs = case.call(np.float32)
    np.random.seed(3)  # noqa: NPY002 - the global generator is what must not change
    before = np.random.get_state(), np.geterr(), numba.get_num_threads(), fk.get_num_threads()  # noqa: NPY002
    function(*args, **kwargs)
    after = np.random.get_state(), np.geterr(), numba.get_num_threads(), fk.get_num_threads()  # noqa: NPY002
    assert before[1:] == after[1:]
    np.testing.assert_array_equal(before[0][1], after[0][1])


def kernels_called_in_compiled_functions() -> set[str]:
    """Names after ``fk.`` in the functions of the tests that `numba.njit` decorates."""
    names = set()
    for path in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list):
                names |= {
                    inner.attr
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "fk"
                }
    return names


def test_every_kernel_is_called_in_a_compiled_function():
    assert set(PUBLIC) - kernels_called_in_compiled_functions() == set()
