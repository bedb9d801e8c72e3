"""How a step calls a user's function: on plain (N, ...) arrays, taken out of lane blocks and put back.

The plain arrays of a block lie behind each other in scratch memory. Where a block is a single sample it is plain as it
is, and nothing is copied. Three ops follow each other: `own_take_out` and `own_put_back`, which are the same for all,
and one that only calls the function (with the copies in one op, each took 3 to 11 seconds to compile). All three read
one table, the integers of the row: the number of arrays, then `ARGUMENT` integers for each. So layers of other sizes
share what was compiled.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numba
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from ._jit import kernel
from .layout import rows_to_lanes, scatter_block
from .simd import lanes
from .task import RAISED, VALID

# Integers of an array argument: what is done with it, number of the operand at which it lies, elements from there, its
# rows (1 for a parameter), then its shape without the samples.
ARGUMENT = 8
_ACTION, _AT, _OFFSET, _ROWS, _SHAPE = range(5)
DIMENSIONS = ARGUMENT - _SHAPE
# Read where it is, or taken out of the block; written: cleared, then left where it is, or put back into the block,
# with a copy of the first sample or zeros in the spare lanes.
LEAVE, TAKE_OUT, CLEAR, PUT_BACK, PUT_BACK_ZEROS = range(5)


@dataclass(frozen=True)
class ArrayArgument:
    """An array that a user's function is given: axes, the samples not counted."""

    ndim: int
    batched: bool
    in_params: bool
    written: bool


@dataclass(frozen=True)
class FloatArgument:
    """A float attribute: number `index` of the row's floats, in the dtype of the model."""

    index: int


@dataclass(frozen=True)
class ConstantArgument:
    """Any other attribute: a constant of the compiled op. True is not 1 here, nor (1,) (1.0,): they are spelled."""

    value: Any
    spelled: str


Argument = ArrayArgument | FloatArgument | ConstantArgument


def record(action: int, at: int, offset: int, rows: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Integers of one array argument."""
    return (action, at, offset, rows, *shape, *(1,) * (DIMENSIONS - len(shape)))


@kernel
def _elements(o, k):
    size = o[k + _ROWS]
    for axis in range(DIMENSIONS):
        size *= o[k + _SHAPE + axis]
    return size


def own_take_out(t):
    """Take the arrays that the function reads out of the block, and clear those it writes."""
    m, at, o = t.arena, t.at, t.options
    for j in range(o[0]):
        k = 1 + j * ARGUMENT
        plain = at[o[k + _AT]] + o[k + _OFFSET]
        if o[k + _ACTION] == TAKE_OUT:
            scatter_block(m, at[j], _elements(o, k) // lanes(m), t.info[VALID], m, plain)
        elif o[k + _ACTION] != LEAVE:
            for i in range(_elements(o, k)):
                m[plain + i] = 0.0
    return 0


def own_put_back(t):
    """Put what the function wrote back into the block."""
    m, at, o = t.arena, t.at, t.options
    for j in range(o[0]):
        k = 1 + j * ARGUMENT
        if o[k + _ACTION] >= PUT_BACK:
            plain, size = at[o[k + _AT]] + o[k + _OFFSET], _elements(o, k) // lanes(m)
            rows_to_lanes(m, plain, size, t.info[VALID], m, at[j], o[k + _ACTION] == PUT_BACK_ZEROS)
    return 0


def _array_type(argument: ArrayArgument, dtype: Any) -> Any:
    return types.Array(dtype, argument.ndim + argument.batched, "C", readonly=not argument.written)


def make_arguments(arguments: tuple[Argument, ...]) -> Any:
    """Make the intrinsic that gives a user's function its arguments, a tuple."""

    @intrinsic
    def views(typingctx, at, options, scalars, info, arena, params):
        dtype = arena.dtype
        kinds = [
            _array_type(a, dtype) if isinstance(a, ArrayArgument)
            else dtype if isinstance(a, FloatArgument)
            else numba.typeof(a.value)
            for a in arguments
        ]  # fmt: skip
        made = types.Tuple(kinds)

        def codegen(context, builder, sig, args):
            at, options, scalars, info, arena, params = args

            def load(pointer, index):
                return builder.load(builder.gep(pointer, [context.get_constant(types.intp, index)]))

            def view(argument, kind, k):
                base = params if argument.in_params else arena
                place = builder.load(builder.gep(at, [load(options, k + _AT)]))
                data = builder.gep(base, [builder.add(place, load(options, k + _OFFSET))])
                shape = [load(info, VALID)] if argument.batched else []
                shape += [load(options, k + _SHAPE + axis) for axis in range(argument.ndim)]
                itemsize = context.get_constant(types.intp, dtype.bitwidth // 8)
                strides = [itemsize]
                for size in shape[:0:-1]:
                    strides.insert(0, builder.mul(strides[0], size))
                array = make_array(kind)(context, builder)
                populate_array(
                    array,
                    data=builder.bitcast(data, array.data.type),
                    shape=cgutils.pack_array(builder, shape),
                    strides=cgutils.pack_array(builder, strides),
                    itemsize=itemsize,
                    meminfo=None,
                )
                return array._getvalue()

            values, k = [], 1
            for argument, kind in zip(arguments, kinds, strict=True):
                if isinstance(argument, ArrayArgument):
                    values.append(view(argument, kind, k))
                    k += ARGUMENT
                elif isinstance(argument, FloatArgument):
                    number = load(scalars, argument.index)
                    values.append(context.cast(builder, number, types.float64, dtype))
                else:
                    values.append(context.get_constant_generic(builder, kind, argument.value))
            return context.make_tuple(builder, made, values)

        return made(at, options, scalars, info, arena, params), codegen

    return views


@functools.cache
def make_own_op(function: Any, arguments: tuple[Argument, ...]) -> Any:
    """Op of the tape that calls a user's function, a dispatcher; its status says whether it raised."""
    views = make_arguments(arguments)

    def own_op(t):
        try:
            function(*views(t.at, t.options, t.scalars, t.info, t.arena, t.params))
        except Exception:
            return RAISED
        return 0

    return own_op
