"""What an op of the tape is given: one `Task`, a record of pointers.

All ops share the signature ``op(task) -> status`` and are called through a table of function addresses, so that a
new op compiles nothing but itself. Pointers travel through memory as pointers, never as integers: LLVM would lose
track of what they point to.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, models, register_model

from . import simd

_BYTES = ir.IntType(8).as_pointer()

# Integers of `task.info`.
INDEX = 0  # index of the task within the phase's row
BLOCK = 1  # first lane block of the task
BLOCKS = 2  # lane blocks of the task: 1 on the block axis, up to GROUP_SIZE on the group axis, else all
VALID = 3  # lanes of this block that hold samples (block axis)
FIRST = 4  # position of the block's first sample in `order`
BATCH = 5  # samples of this step
STORE_STRIDE = 6  # elements from one block's storage to the next
SLOT_STRIDE = 7  # elements from one block's gradient slots to the next
RESULT = 8  # where this step's loss and correct predictions go in `out`
STEP_BLOCKS = 9  # lane blocks of this step
START = 10  # position of the step's first sample in `order`
SOFT = 11  # targets are numbers of the model's dtype, not labels
TRAINING = 12  # a backward pass follows
MIXED = 13  # numbers of a target, where `y` holds those mixed in this step, by position in the batch; else 0
SAMPLES = 16  # from here on: the sample index of each lane (block axis); spare lanes repeat the step's first
ROWS = SAMPLES + 64  # from here on: the row of `y` of each lane, the sample's or that of its mixed targets
INFO_SIZE = ROWS + 64

# Statuses of user's functions, apart from those that ops of other packages choose.
RAISED = -1  # an exception
WRONG_SHAPE = -2  # a gradient that is not shaped as the prediction


class TaskType(types.Type):
    """The Numba type of a task for models of one dtype; `lanes` are those of its blocks, or 0."""

    def __init__(self, dtype: types.Type, lanes: int = 0) -> None:
        i64, f64 = types.int64, types.float64
        self.dtype = dtype
        self.fields = {
            "at": i64,  # element offset of each operand of the row
            "options": i64,  # the row's integers
            "info": i64,  # INDEX ... ROWS
            "scalars": f64,  # the row's floats
            "hyper": f64,  # learning rate and step number of this step
            "arena": dtype,  # activations, gradients of activations, packed weights
            "params": dtype,
            "grads": dtype,
            "slots": dtype,  # optimizer state
            "chunks": i64,  # the update table
            "x": types.uint8,  # images (N, ...), cast by the load
            "y": types.uint8,  # labels or targets, cast by the loss
            "order": i64,  # sample indices
            "out": f64,  # loss and correct predictions, two a step
            "state": dtype,  # running statistics
            "weights": dtype,  # weight of each sample, where the step has them
            "predictions": dtype,  # outputs in the order of `order`, where they are asked for
            "unmixed": types.uint8,  # targets as given, where `y` holds the mixed ones of this step
            "partners": i64,  # with whom each sample of the step is mixed
        }
        self.pointers = {name: types.CPointer(field) for name, field in self.fields.items()}
        if lanes:
            self.pointers["arena"] = simd.FewLanes(dtype, lanes)
        super().__init__(name=f"task({dtype}{f' x{lanes}' if lanes else ''})")


@register_model(TaskType)
class _TaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: TaskType) -> None:
        super().__init__(manager, fe_type, _BYTES.as_pointer())


@infer_getattr
class _TaskAttributes(AttributeTemplate):
    key = TaskType

    def generic_resolve(self, task, name):
        return task.pointers.get(name)


@lower_getattr_generic(TaskType)
def _lower_attribute(context, builder, task, value, name):
    index = list(task.fields).index(name)
    pointer = builder.load(builder.gep(value, [ir.Constant(ir.IntType(32), index)]))
    return builder.bitcast(pointer, context.get_value_type(task.pointers[name]))


@intrinsic
def make_task(typingctx, memory):
    """Make a task on the stack from a tuple of flat arrays, its fields in their order, each from its start on."""
    made = TaskType(memory[5].dtype)
    if len(memory) != len(made.fields):
        return None

    def codegen(context, builder, sig, args):
        with builder.goto_entry_block():
            record = builder.alloca(ir.ArrayType(_BYTES, len(made.fields)))
        record = builder.bitcast(record, _BYTES.as_pointer())
        for i, array in enumerate(memory):
            item = builder.extract_value(args[0], i)
            _point(context, builder, record, i, array, item, context.get_constant(types.intp, 0))
        return record

    return made(memory), codegen


def _point(context: Any, builder: Any, record: Any, field: int, array: Any, item: Any, offset: Any) -> None:
    place = simd.address(context, builder, array, item, offset)
    builder.store(builder.bitcast(place, _BYTES), builder.gep(record, [ir.Constant(ir.IntType(32), field)]))


@intrinsic(prefer_literal=True)
def point(typingctx, task, name, array, offset):
    """Let field `name` (a constant) of the task start at element `offset` of `array`."""
    if not isinstance(task, TaskType) or not isinstance(name, types.StringLiteral):
        return None
    field = list(task.fields).index(name.literal_value)

    def codegen(context, builder, sig, args):
        _point(context, builder, args[0], field, sig.args[2], args[2], args[3])
        return context.get_dummy_value()

    return types.void(task, name, array, types.intp), codegen


@intrinsic
def call_op(typingctx, address, task):
    """Call the op at `address` and return its status."""
    if not isinstance(task, TaskType):
        return None

    def codegen(context, builder, sig, args):
        function = ir.FunctionType(ir.IntType(64), [_BYTES.as_pointer()])
        return builder.call(builder.inttoptr(args[0], function.as_pointer()), [args[1]])

    return types.int64(types.int64, task), codegen


@intrinsic
def cast_pointer(typingctx, pointer, like):
    """Return the same address as a pointer to what `like` points to."""
    target = types.CPointer(simd.dtype_of(like))

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(target))

    return target(pointer, like), codegen
