"""How Numba compiles functions that only compiled code calls: neither optimized nor translated on their own.

Callers take in the intermediate code of what they call, and optimize and translate it with theirs. Numba does both for
the called function as well, at each level of calls, and nothing ever runs the result. Without that the first training
step of LeNet-5 was done 15.4 s after a cold start instead of 19.6 s, in 268 MB instead of 297, and training was as fast
(six nets, Rocket Lake, 2026-11-27). Leaving out the passes over single functions too saved another 0.8 s, cost 25 MB,
and small batches were some 4% slower.

Passes for what kernels do not have, expressions of whole arrays and closures, are left out: 0.5 s less (Zen 4,
2026-11-28). So a kernel has no comprehensions, which are closures before Python 3.12.
"""

from typing import Any

from numba import _dynfunc
from numba.core import compiler, typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_machinery import register_pass


class _InnerLibrary(JITCodeLibrary):
    """Intermediate code for callers, which never becomes machine code."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InnerLowering(typed_passes.NativeLowering):
    _name = "inner_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _InnerLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        result = state["cr"]
        # Callers find it by this key: a function for Python without anything in it, as Numba's would be.
        name, module = result.fndesc.qualname, result.fndesc.lookup_module()
        key = _dynfunc.make_function(module, name, "", 0, result.env, (state.library,))
        state.targetctx.insert_user_function(key, result.fndesc, [state.library])
        state["cr"] = result._replace(cfunc=key)
        return True


_LEFT_OUT = (typed_passes.NopythonRewrites, untyped_passes.InlineClosureLikes)


class InnerCompiler(compiler.Compiler):
    """Numba's compiler with another last step, and fewer of the others."""

    def define_pipelines(self) -> list[Any]:
        """Return Numba's pipelines, with our step in the place of its own."""
        pipelines: list[Any] = super().define_pipelines()
        for pipeline in pipelines:
            steps = [
                (_InnerLowering if step is typed_passes.NativeLowering else step, why)
                for step, why in pipeline.passes if step not in _LEFT_OUT
            ]  # fmt: skip
            pipeline.passes[:] = steps
            pipeline._finalized = False
            pipeline.finalize()
        return pipelines
