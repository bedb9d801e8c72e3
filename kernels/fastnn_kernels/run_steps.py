"""The compiled loop of the executor: steps, phases, tasks, rows.

The loop over the workers of a phase is the one parallel loop. Tasks are handed out one
by one by an atomic counter, so that a worker that is held up delays nobody; what a task computes depends on the
task alone, so the results do not depend on who ran it.

Subnormal numbers count as zeros in all of it. Where a clock is given, each worker adds up what every row took, and
the call what every phase took: `clock` has the ticks of (worker, row), then of each phase.
"""

from ._jit import entries, kernel, prange
from .machine_state import flush_subnormals, restore_mode, ticks
from .program import OPERANDS, OPTIONS
from .stage import GROUP_SIZE, Axis, Space
from .task import (
    BATCH,
    BLOCK,
    BLOCKS,
    FIRST,
    INDEX,
    INFO_SIZE,
    MIXED,
    RESULT,
    ROWS,
    SAMPLES,
    SLOT_STRIDE,
    SOFT,
    START,
    STEP_BLOCKS,
    STORE_STRIDE,
    TRAINING,
    VALID,
    call_op,
    fetch_add,
    make_task,
)

AXIS_BLOCK, AXIS_GROUP, AXIS_TILE, AXIS_CHUNK = (int(axis) for axis in Axis)
IN_WORK, IN_STORE, IN_SLOT = int(Space.WORK), int(Space.STORE), int(Space.SLOT)
# Integers of `sizes`: one base a space that moves, its stride, then facts of the call.
WORK, WORK_STRIDE, STORE, STORE_SIZE, SLOT, SLOT_SIZE, LANES, BATCH_SIZE, IS_SOFT, IS_TRAINING, CHUNKS = range(11)
TARGET_SIZE, SIZES = 11, 12
# Integers of one worker: operand offsets and the task's info; its own cache lines.
WORKER_INTS = -(-(OPERANDS + INFO_SIZE) // 16) * 16


@kernel
def _count_tasks(phases, p, tasks, blocks, chunks):
    axis = phases[p, 2]
    if axis == AXIS_BLOCK:
        return blocks
    if axis == AXIS_GROUP:
        return -(-blocks // GROUP_SIZE)
    if axis == AXIS_CHUNK:
        return chunks
    total = 0
    for r in range(phases[p, 0], phases[p, 1]):
        total += tasks[r]
    return total


@kernel
def _run_rows(first, last, ints, base, addresses, spaces, offsets, sizes, options, scalars, hyper, step,
              arena, params, grads, slots, chunks, x, y, order, out, state, weights, predictions, unmixed, partners,
              clock, worker, block):
    """Run rows `first` to `last` of one task; return the first status that is not zero."""
    work = sizes[WORK] + worker * sizes[WORK_STRIDE]
    store = sizes[STORE] + block * sizes[STORE_SIZE]
    slot = sizes[SLOT] + block * sizes[SLOT_SIZE]
    numbers = scalars.size // addresses.size
    for r in range(first, last):
        for k in range(OPERANDS):
            space = spaces[r * OPERANDS + k]
            start = 0
            if space == IN_WORK:
                start = work
            elif space == IN_STORE:
                start = store
            elif space == IN_SLOT:
                start = slot
            ints[base + k] = start + offsets[r * OPERANDS + k]
        task = make_task(
            (ints, options, ints, scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights,
             predictions, unmixed, partners),
            (base, r * OPTIONS, base + OPERANDS, r * numbers, 2 * step, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        )
        if clock.size == 0:
            status = call_op(addresses[r], task)
        else:
            began = ticks()
            status = call_op(addresses[r], task)
            clock[worker * addresses.size + r] += ticks() - began
        if status != 0:
            return status
    return 0


@kernel
def _work(worker, p, total, step, start, n, phases, counter, ints, addresses, spaces, offsets, tasks, sizes, options,
          scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights, predictions, unmixed,
          partners, clock):
    """Take tasks of phase `p` until none is left; return the first status that is not zero."""
    L = sizes[LANES]
    blocks = -(-n // L)
    base = worker * WORKER_INTS
    info = base + OPERANDS
    axis = phases[p, 2]
    ints[info + BATCH] = n
    ints[info + STORE_STRIDE] = sizes[STORE_SIZE]
    ints[info + SLOT_STRIDE] = sizes[SLOT_SIZE]
    ints[info + RESULT] = 2 * step
    ints[info + STEP_BLOCKS] = blocks
    ints[info + START] = start
    ints[info + SOFT] = sizes[IS_SOFT]
    ints[info + TRAINING] = sizes[IS_TRAINING]
    ints[info + MIXED] = sizes[TARGET_SIZE]
    while True:
        index = fetch_add(counter, 0)
        if index >= total:
            return 0
        first, last = phases[p, 0], phases[p, 1]
        block, count = 0, blocks
        if axis == AXIS_BLOCK:
            block, count = index, 1
            valid = min(L, n - block * L)
            ints[info + VALID] = valid
            ints[info + FIRST] = start + block * L
            for lane in range(L):
                # Spare lanes repeat the step's first sample: zeros would enter statistics.
                at = start + block * L + lane if lane < valid else start
                ints[info + SAMPLES + lane] = order[at]
                ints[info + ROWS + lane] = at - start if sizes[TARGET_SIZE] != 0 else order[at]
        elif axis == AXIS_GROUP:
            block = index * GROUP_SIZE
            count = min(GROUP_SIZE, blocks - block)
        elif axis == AXIS_TILE:
            while index >= tasks[first]:
                index -= tasks[first]
                first += 1
            last = first + 1
        ints[info + INDEX] = index
        ints[info + BLOCK] = block
        ints[info + BLOCKS] = count
        status = _run_rows(first, last, ints, base, addresses, spaces, offsets, sizes, options, scalars, hyper, step,
                           arena, params, grads, slots, chunks, x, y, order, out, state, weights, predictions,
                           unmixed, partners, clock, worker, block)
        if status != 0:
            return status


@kernel
def _flushed_work(worker, p, total, step, start, n, phases, counter, ints, addresses, spaces, offsets, tasks, sizes,
                  options, scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights,
                  predictions, unmixed, partners, clock):
    """Do `_work` with subnormal numbers as zeros, on this thread and for this long."""
    mode = flush_subnormals()
    status = _work(worker, p, total, step, start, n, phases, counter, ints, addresses, spaces, offsets, tasks, sizes,
                   options, scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights,
                   predictions, unmixed, partners, clock)
    restore_mode(mode)
    return status


def _run(workers, steps, status, counter, ints, addresses, spaces, offsets, tasks, phases, sizes, options, scalars,
         hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights, predictions, unmixed, partners,
         clock):
    """Run `steps` steps; return how many were done. ``status[worker]`` tells of an op that refused."""
    batch = sizes[BATCH_SIZE]
    for step in range(steps):
        start = step * batch
        n = min(batch, order.size - start)
        for p in range(phases.shape[0]):
            total = _count_tasks(phases, p, tasks, -(-n // sizes[LANES]), sizes[CHUNKS])
            counter[0] = 0
            began = ticks()
            for worker in prange(workers):
                status[worker] = _flushed_work(
                    worker, p, total, step, start, n, phases, counter, ints, addresses, spaces, offsets, tasks, sizes,
                    options, scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights,
                    predictions, unmixed, partners, clock,
                )  # fmt: skip
            if clock.size != 0:
                clock[workers * addresses.size + p] += ticks() - began
            for worker in range(workers):
                if status[worker] != 0:
                    return step
    return steps


run_steps = entries(_run)
