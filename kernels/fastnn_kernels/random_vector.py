"""Philox4x32-10 for as many counters at once as a vector has lanes: which elements a dropout keeps.

The words of a lane are those of `random.draw`. Products of two words need 64 bits, so a lane is an i64, of whose
bits only the low half counts until the end; LLVM then multiplies with one instruction a vector (vpmuludq).
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from . import simd
from .random import ROUNDS
from .simd import Mask

_I64 = ir.IntType(64)
_M0, _M1, _W0, _W1, _LOW = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 0xFFFFFFFF


def _emit_philox(builder: Any, count: int, keys: Any, counter: Any) -> Any:
    """Four vectors of words for vectors of keys and counters."""

    def constant(value: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(_I64, count), [value] * count)

    low, half = constant(_LOW), constant(32)
    (k0, k1), (a, b, c, d) = keys, counter
    for _ in range(ROUNDS):
        p = builder.mul(builder.and_(a, low), constant(_M0))
        q = builder.mul(builder.and_(c, low), constant(_M1))
        a = builder.xor(builder.xor(builder.lshr(q, half), b), k0)
        c = builder.xor(builder.xor(builder.lshr(p, half), d), k1)
        b, d = q, p
        k0, k1 = builder.add(k0, constant(_W0)), builder.add(k1, constant(_W1))
    return [builder.and_(word, low) for word in (a, b, c, d)]


def _emit_zip(builder: Any, count: int, a: Any, b: Any) -> Any:
    """Elements of `a` and `b` in turn, as two vectors."""
    index = ir.VectorType(ir.IntType(32), count)
    pairs = [k for i in range(count) for k in (i, count + i)]
    return [builder.shuffle_vector(a, b, ir.Constant(index, part)) for part in (pairs[:count], pairs[count:])]


def _emit_in_order(builder: Any, count: int, words: Any) -> Any:
    """Words of each lane behind each other: four vectors of (lane 0: words 0 to 3, lane 1: words 0 to 3, ...)."""
    narrow, wide = ir.VectorType(ir.IntType(32), count), ir.VectorType(_I64, count)
    w = [builder.trunc(word, narrow) for word in words]
    even, odd = _emit_zip(builder, count, w[0], w[2]), _emit_zip(builder, count, w[1], w[3])
    ordered = [word for pair in zip(even, odd, strict=True) for word in _emit_zip(builder, count, *pair)]
    return [builder.zext(word, wide) for word in ordered]


def _keep(memory: types.Type, in_order: bool) -> Any:
    if not isinstance(simd.dtype_of(memory), types.Float):
        return None
    count = simd.lanes_of(memory)
    wide = ir.VectorType(_I64, count)
    iota = ir.Constant(wide, list(range(count)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        k0, k1, group, position, c2, c3, threshold = (simd.emit_splat(builder, wide, a) for a in args[1:])
        if in_order:
            group = builder.add(group, iota)
        else:
            position = builder.add(position, iota)
        words = _emit_philox(builder, count, (k0, k1), (group, position, c2, c3))
        if in_order:
            words = _emit_in_order(builder, count, words)
        masks = [builder.icmp_unsigned(">=", word, threshold) for word in words]
        return context.make_tuple(builder, sig.return_type, masks)

    return types.UniTuple(Mask(memory.dtype, count), 4)(memory, *(types.int64,) * 7), codegen


@intrinsic
def keep_elements(typingctx, memory, key0, key1, group, position, c2, c3, threshold):
    """Where the words of one sample's groups `group`, `group` + 1, ... are at least `threshold`.

    Four masks for the elements from ``4 * group`` on, in their order.
    """
    return _keep(memory, in_order=True)


@intrinsic
def keep_samples(typingctx, memory, key0, key1, group, position, c2, c3, threshold):
    """Where the words of samples `position`, `position` + 1, ... are at least `threshold`, a lane a sample.

    Four masks, one for each element of the group.
    """
    return _keep(memory, in_order=False)
