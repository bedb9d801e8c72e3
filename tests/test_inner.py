"""Functions that only compiled code calls are compiled into their callers, and not on their own."""

import pytest
from numba.core.event import Listener, install_listener

from fastnn_kernels import _jit


class Names(Listener):
    def __init__(self):
        self.names = []

    def on_start(self, event):
        pass

    def on_end(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)


@pytest.mark.parametrize("decorate", [_jit.kernel, _jit.inline])
def test_it_has_no_machine_code_and_its_caller_has(decorate):
    @decorate
    def twice(x):
        return 2 * x

    @decorate
    def four_times(x):
        return twice(twice(x))

    @_jit.own
    def outer(x):
        return four_times(x) + twice(x)

    listener = Names()
    with install_listener("numba:compile", listener):
        assert outer(3) == 18
        assert outer(1.5) == 9.0
    assert sorted(listener.names) == ["four_times"] * 2 + ["outer"] * 2 + ["twice"] * 2

    def symbols(function):
        engine = function.targetctx.codegen()._engine
        return [engine.is_symbol_defined(result.fndesc.llvm_func_name) for result in function.overloads.values()]

    assert symbols(outer) == [True, True]
    assert symbols(twice) == symbols(four_times) == [False, False]
