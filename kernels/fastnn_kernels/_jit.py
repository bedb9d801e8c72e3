"""The one door to Numba: flags, lanes and the decorators that every kernel uses.

No other file names `njit` or `cfunc`, sets a flag, or reads a ``NUMBA_*`` variable; a test walks the tree.
The disk cache is in `_cache.py`, threads are in `_threads.py`, `_team.py` and `team.py`.
"""

import functools
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding
from numba.core import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic, overload, register_jitable

from . import _cache
from ._inner import InnerCompiler

# No fastmath: kernels say `vfma` where they want one rounding, and nothing may reorder sums that cross lanes or
# blocks, or assume that there is no NaN. error_model "numpy": a division by zero gives inf and needs no branch.
# forceinline: else a function inherits it from an inlined one during whose compilation it is compiled.
_FLAGS = {"error_model": "numpy", "nogil": True, "boundscheck": None, "fastmath": False, "forceinline": False}
# Kernels called by compiled code only: without the wrappers for calls from Python and C, a third of the compile time.
_INNER = {**_FLAGS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_ENTRY = {**_FLAGS, "no_cfunc_wrapper": True}


if numba.config.CACHE_DIR:
    _cache.CHOSEN["folder"] = numba.config.CACHE_DIR


def _features() -> frozenset[str]:
    """Features of the CPU that Numba compiles for: its own, or those of NUMBA_CPU_FEATURES."""
    text = numba.config.CPU_FEATURES
    if text is None:
        return frozenset(name for name, on in binding.get_host_cpu_features().items() if on)
    return frozenset(part[1:] for part in text.split(",") if part.startswith("+"))


CPU_NAME: str = numba.config.CPU_NAME or binding.get_host_cpu_name()
_FEATURES = _features()
IS_ARM = binding.get_default_triple().startswith(("aarch64", "arm64"))
HAS_FMA = IS_ARM or bool(_FEATURES & {"fma", "avx512f"})
ISA, VECTOR_BYTES = (
    ("avx512", 64) if "avx512f" in _FEATURES
    else ("avx2" if "avx2" in _FEATURES else "avx", 32) if _FEATURES & {"avx", "avx2"}
    else ("neon" if IS_ARM else "sse2", 16)
)
# Processors that multiply half a vector of 512 bits in half the time.
HALVES_VECTORS = VECTOR_BYTES == 64 and CPU_NAME in ("znver4", "icelake-client", "tigerlake", "rocketlake")
# Accumulators of a register tile: 32 vector registers with AVX-512 and NEON, 16 elsewhere.
FEW_REGISTERS = VECTOR_BYTES != 64 and not IS_ARM
TILE_LIMIT = 12 if FEW_REGISTERS else 24


def lane_count(bits: int) -> int:
    """Elements of `bits` bits in one vector."""
    return VECTOR_BYTES * 8 // bits


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that other compiled functions call; never cached on its own."""
    return numba.njit(function, pipeline_class=InnerCompiler, **_INNER)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function that LLVM always merges into its caller, so that register tiles stay in registers."""
    return numba.njit(function, pipeline_class=InnerCompiler, **{**_INNER, "forceinline": True})


def inner_overload(function: Callable[..., Any], **options: Any) -> Any:
    """`numba.extending.overload`, with implementations that become machine code with their callers' alone.

    A first function with a convolution in it was compiled in 14 s where it took 22 (Zen 4, 2026-11-28).
    """
    return overload(function, jit_options={"pipeline_class": InnerCompiler}, **options)


def either(function: Callable[..., Any]) -> Any:
    """Let Python and compiled functions call a function of sizes, as `numba.extending.register_jitable` does."""
    return register_jitable(pipeline_class=InnerCompiler)(function)


@intrinsic
def apart(typingctx):
    """Keep the function that calls this, first of all, from being merged into its callers.

    LLVM would copy its body to each call and optimize every copy again at each level of callers; and a loop that calls
    it is not unrolled or vectorized. The entries of convolution compile in three quarters of the time for it.
    """

    def codegen(context, builder, sig, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


def align_stack(builder: Any) -> None:
    """Let vectors that the function being emitted moves to the stack lie in one cache line each.

    LLVM takes the stack to be aligned to 16 bytes, and loads behind a store that crosses a line wait for it. Without
    this LeNet-5 trained on 98,000, 104,000 or 125,000 images a second, as the stacks of two threads happened to lie in
    a process, and with it on 125,000 in 12 processes of 13; depthwise sums of stride 2 took 16 ns a vector, and 9 with
    it (Zen 4, AVX-512).
    """
    builder.function.attributes.alignstack = VECTOR_BYTES
    # llvmlite writes the alignment beside other attributes only; this one changes nothing.
    builder.function.attributes.add("nonlazybind")


def tell_apart(function: Callable[..., Any], *marks: Any) -> Callable[..., Any]:
    """Put `marks` into the name that `function` is compiled under, once, and return it.

    Compiled names are made of the name, the argument types and a counter of the process. Functions made by the same
    lines that two processes compiled and cached could have one name, and where a third process loads both, calls of
    the one would reach the other: whether these are our entries or a user's cached functions with our kernels in them.
    """
    suffix = "".join(f"_{mark}" for mark in marks)
    if not function.__qualname__.endswith(suffix):
        function.__qualname__ += suffix
    return function


def _distinct(function: Callable[..., Any]) -> None:
    """Tell the functions of a factory apart by the numbers it closes over."""
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    tell_apart(function, *[value for value in values if isinstance(value, (bool, int))])


def own(function: Callable[..., Any]) -> Any:
    """Compile a function of the user's, called from Python and by ops of the tape; never cached."""
    return numba.njit(function, **_FLAGS)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function called from Python: cached on disk."""
    _distinct(function)
    return _cache.attach(numba.njit(function, **_ENTRY), function)


def exact(compiled: Any, *arguments: Any) -> Any:
    """Compile an entry for the types of these arguments alone.

    With other arrays, read-only or strided ones too, a call raises TypeError and does nothing: Numba's dispatch finds
    out on its way what would take Python a microsecond. Numbers of other types are converted.
    """
    known = entry(compiled.py_func)
    known.compile(tuple(map(numba.typeof, arguments)))
    known.disable_compile()
    return known


# Threads that a loop can be shared out to at most: NUMBA_NUM_THREADS, or the processors of this process.
THREAD_LIMIT: int = numba.config.NUMBA_NUM_THREADS


@functools.cache
def op_address(function: Callable[..., Any], task: types.Type) -> tuple[int, CFunc]:
    """Compile an op of the tape at first use and return the address the executor calls it by.

    Keep the second element alive as long as the address is used. An op never raises: an exception inside a C
    callback is printed and lost. It returns a status, zero when all is well.
    """
    compiled = CFunc(function, ((task,), types.int64), {}, dict(_FLAGS))
    _cache.attach(compiled, function)
    compiled.compile()
    return compiled.address, compiled
