"""What compiled loops ask of the processor: subnormals as zeros, a clock, a rest, memory that they will need."""

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import simd
from ._jit import IS_ARM

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_X86 = binding.get_default_triple().split("-")[0] in ("x86_64", "i386", "i686", "amd64")
# Bits of MXCSR: results that are subnormal become 0 (15), and so do such operands (6). FPCR of ARM: both (24).
_MXCSR_FLUSH, _FPCR_FLUSH = 1 << 15 | 1 << 6, 1 << 24


def _declare(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _read_mode(builder: Any) -> Any:
    """Read the floating-point mode as an int64; 0 where we do not know how."""
    if _X86:
        place = cgutils.alloca_once(builder, _I32)
        pointer = builder.bitcast(place, ir.IntType(8).as_pointer())
        builder.call(_declare(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), pointer.type), [pointer])
        return builder.zext(builder.load(place), _I64)
    if IS_ARM:
        return builder.call(_declare(builder, "llvm.aarch64.get.fpcr", _I64), [])
    return ir.Constant(_I64, 0)


def _write_mode(builder: Any, mode: Any) -> None:
    if _X86:
        place = cgutils.alloca_once(builder, _I32)
        builder.store(builder.trunc(mode, _I32), place)
        pointer = builder.bitcast(place, ir.IntType(8).as_pointer())
        builder.call(_declare(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), pointer.type), [pointer])
    elif IS_ARM:
        builder.call(_declare(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), _I64), [mode])


def emit_pause(builder: Any) -> None:
    """Emit the instruction for loops that wait; none where we do not know one."""
    if _X86:
        builder.call(_declare(builder, "llvm.x86.sse2.pause", ir.VoidType()), [])
    elif IS_ARM:
        builder.call(_declare(builder, "llvm.aarch64.hint", ir.VoidType(), _I32), [ir.Constant(_I32, 1)])


@intrinsic
def floating_mode(typingctx):
    """Return this thread's floating-point mode, for `restore_mode`."""
    return types.int64(), lambda context, builder, sig, args: _read_mode(builder)


@intrinsic
def flush_subnormals(typingctx):
    """Make this thread take subnormal numbers for 0, and return the mode before, for `restore_mode`.

    An operation that meets one takes some 150 cycles on many processors, and the second moments of Adam are full of
    them once a net has learned its images: a LeNet-5 step of 8 images took 525 us with them and 256 us without
    (Emerald Rapids, one thread).
    """

    def codegen(context, builder, sig, args):
        mode = _read_mode(builder)
        _write_mode(builder, builder.or_(mode, ir.Constant(_I64, _MXCSR_FLUSH if _X86 else _FPCR_FLUSH)))
        return mode

    return types.int64(), codegen


@intrinsic
def restore_mode(typingctx, mode):
    """Set this thread's floating-point mode to one that `flush_subnormals` or `floating_mode` returned."""

    def codegen(context, builder, sig, args):
        _write_mode(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def ticks(typingctx):
    """Read a clock of the processor that runs at a constant rate, the same on all cores; 0 where there is none."""

    def codegen(context, builder, sig, args):
        if _X86:
            return builder.call(_declare(builder, "llvm.readcyclecounter", _I64), [])
        if IS_ARM:
            # The cycle counter may not be read by a program there.
            return builder.call(_declare(builder, "llvm.readsteadycounter", _I64), [])
        return ir.Constant(_I64, 0)

    return types.int64(), codegen


def _prefetch(locality, doc):
    """Make the intrinsic that brings a cache line near: 3 into all levels, 2 into the second."""

    def prefetch(typingctx, memory, index):
        def codegen(context, builder, sig, args):
            place = builder.bitcast(simd.address(context, builder, memory, *args), ir.IntType(8).as_pointer())
            function = _declare(builder, "llvm.prefetch.p0i8", ir.VoidType(), place.type, _I32, _I32, _I32)
            # To be read, data.
            builder.call(function, [place, *(ir.Constant(_I32, n) for n in (0, locality, 1))])
            return context.get_dummy_value()

        return types.void(memory, types.intp), codegen

    prefetch.__doc__ = doc
    return intrinsic(prefetch)


# Beyond the end of an array they do nothing.
prefetch = _prefetch(3, "Bring the cache line of an element into the first-level cache.")
prefetch_near = _prefetch(2, "Bring the cache line of an element into the second-level cache.")
