"""The compiled loop of the executor: steps, phases, tasks, rows.

One loop over the workers runs all steps of a call: one for each phase took 10 us more. Within it a phase begins when
all tasks before it are done. Each worker has a share of the tasks of a phase, the same in every step, so that what they
use stays in its caches; a worker that is done takes from the shares of the others, so that one that is held up, or has
not yet started, delays nobody. What a task computes depends on the task alone, so the results do not depend on who ran
it.

Nothing here waits for a worker to arrive, only for tasks that somebody has taken: where one worker runs after the
other, the first one does it all.

Subnormal numbers count as zeros in all of it. Where a clock is given, each worker adds up what every row took, and
the first one what every phase took, from the end of the one before: it may come late. `clock` has the ticks of
(worker, row), then of each phase.
"""

from ._jit import entry, inline, kernel
from .machine_state import flush_subnormals, restore_mode, ticks
from .program import OPERANDS, OPTIONS
from .sharing import APART, add, read, replace, share_of, take_below, wait_for
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
    make_task,
    point,
)
from .team import share_out

AXIS_BLOCK, AXIS_GROUP, AXIS_TILE, AXIS_CHUNK = (int(axis) for axis in Axis)
IN_FIXED, IN_WORK, IN_STORE, IN_SLOT = (int(space) for space in (Space.FIXED, Space.WORK, Space.STORE, Space.SLOT))
SPACES = len(Space)
# Integers of `sizes`: one base a space that moves, its stride, then facts of the call.
WORK, WORK_STRIDE, STORE, STORE_SIZE, SLOT, SLOT_SIZE, LANES, BATCH_SIZE, IS_SOFT, IS_TRAINING, CHUNKS = range(11)
TARGET_SIZE, SIZES = 11, 12
# Integers of one worker: operand offsets, the task's info, where each space starts, and for each worker how many
# tasks of its shares came before this phase. Its own cache lines.
_BASES = OPERANDS + INFO_SIZE
_BEFORE = _BASES + SPACES
# Counters: tasks that are done, whether to stop, then tasks taken from the shares of each worker.
_DONE, _STOP, _TAKEN = 0, APART, 2 * APART


def worker_ints(workers: int) -> int:
    """Count the integers of one of `workers`."""
    return -(-(_BEFORE + workers) // 16) * 16


def counter_size(workers: int) -> int:
    """Count the integers of the counters of `workers`."""
    return _TAKEN + workers * APART


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
def _run_rows(task, first, last, worker, ints, base, addresses, spaces, offsets, options, scalars, clock):
    """Run rows `first` to `last` of one task; return the first status that is not zero."""
    numbers = scalars.size // addresses.size
    for r in range(first, last):
        for k in range(OPERANDS):
            ints[base + k] = ints[base + _BASES + spaces[r * OPERANDS + k]] + offsets[r * OPERANDS + k]
        point(task, "options", options, r * OPTIONS)
        point(task, "scalars", scalars, r * numbers)
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
def _describe_block(ints, info, index, start, n, sizes, order):
    """Tell a task on the block axis which samples it has."""
    L = sizes[LANES]
    valid = min(L, n - index * L)
    ints[info + VALID] = valid
    ints[info + FIRST] = start + index * L
    for lane in range(L):
        # Spare lanes repeat the step's first sample: zeros would enter statistics.
        at = start + index * L + lane if lane < valid else start
        ints[info + SAMPLES + lane] = order[at]
        ints[info + ROWS + lane] = at - start if sizes[TARGET_SIZE] != 0 else order[at]


@kernel
def _run_task(index, task, worker, ints, base, p, n, start, phases, tasks, sizes, order, addresses, spaces, offsets,
              options, scalars, clock):
    """Run one task of phase `p`; return its status."""
    info = base + OPERANDS
    axis = phases[p, 2]
    first, last = phases[p, 0], phases[p, 1]
    block, count = 0, -(-n // sizes[LANES])
    if axis == AXIS_BLOCK:
        block, count = index, 1
        _describe_block(ints, info, index, start, n, sizes, order)
    elif axis == AXIS_GROUP:
        block = index * GROUP_SIZE
        count = min(GROUP_SIZE, count - block)
    elif axis == AXIS_TILE:
        while index >= tasks[first]:
            index -= tasks[first]
            first += 1
        last = first + 1
    ints[info + INDEX] = index
    ints[info + BLOCK] = block
    ints[info + BLOCKS] = count
    ints[base + _BASES + IN_STORE] = sizes[STORE] + block * sizes[STORE_SIZE]
    ints[base + _BASES + IN_SLOT] = sizes[SLOT] + block * sizes[SLOT_SIZE]
    return _run_rows(task, first, last, worker, ints, base, addresses, spaces, offsets, options, scalars, clock)


@inline
def _next_task(worker, workers, total, counters, ints, before):
    """Take a task of one's own share of this phase, else of another's; -1 where none is left."""
    for k in range(workers):
        owner = (worker + k) % workers
        first, last = share_of(owner, workers, total)
        number = take_below(counters, _TAKEN + owner * APART, ints[before + owner] + last - first)
        if number >= 0:
            return first + number - ints[before + owner]
    return -1


@kernel
def _begin_step(ints, info, n, step, start, sizes):
    """Tell all tasks of a step what they have in common."""
    ints[info + BATCH] = n
    ints[info + STORE_STRIDE] = sizes[STORE_SIZE]
    ints[info + SLOT_STRIDE] = sizes[SLOT_SIZE]
    ints[info + RESULT] = 2 * step
    ints[info + STEP_BLOCKS] = -(-n // sizes[LANES])
    ints[info + START] = start
    ints[info + SOFT] = sizes[IS_SOFT]
    ints[info + TRAINING] = sizes[IS_TRAINING]
    ints[info + MIXED] = sizes[TARGET_SIZE]


@kernel
def _work(worker, workers, steps, status, counters, ints, addresses, spaces, offsets, tasks, phases, sizes, options,
          scalars, hyper, order, memory, clock, began):
    """Do this worker's part of all steps; `memory` is the tuple of arrays of a task, `began` when the call did."""
    base = worker * (ints.size // workers)
    info, before = base + OPERANDS, base + _BEFORE
    task = make_task(memory)
    point(task, "at", ints, base)
    point(task, "info", ints, info)
    ints[base + _BASES + IN_FIXED] = 0
    ints[base + _BASES + IN_WORK] = sizes[WORK] + worker * sizes[WORK_STRIDE]
    for owner in range(workers):
        ints[before + owner] = 0
    finished = 0
    for step in range(steps):
        start = step * sizes[BATCH_SIZE]
        n = min(sizes[BATCH_SIZE], order.size - start)
        _begin_step(ints, info, n, step, start, sizes)
        point(task, "hyper", hyper, 2 * step)
        for p in range(phases.shape[0]):
            total = _count_tasks(phases, p, tasks, -(-n // sizes[LANES]), sizes[CHUNKS])
            done = 0
            index = _next_task(worker, workers, total, counters, ints, before)
            while index >= 0:
                refused = _run_task(index, task, worker, ints, base, p, n, start, phases, tasks, sizes, order,
                                    addresses, spaces, offsets, options, scalars, clock)
                if refused != 0:
                    # Only now: the workers' statuses share a cache line.
                    status[worker] = refused
                    replace(counters, _STOP, 0, step + 1)
                    return
                done += 1
                index = _next_task(worker, workers, total, counters, ints, before)
            add(counters, _DONE, done)
            finished += total
            for owner in range(workers):
                first, last = share_of(owner, workers, total)
                ints[before + owner] += last - first
            if not wait_for(counters, _DONE, finished, _STOP):
                return
            if clock.size != 0 and worker == 0:
                now = ticks()
                clock[workers * addresses.size + p] += now - began
                began = now


@kernel
def _work_flushed(worker, workers, steps, status, counters, ints, addresses, spaces, offsets, tasks, phases, sizes,
                  options, scalars, hyper, order, memory, clock, began):
    """Do a worker's part with subnormal numbers as zeros."""
    mode = flush_subnormals()
    _work(worker, workers, steps, status, counters, ints, addresses, spaces, offsets, tasks, phases, sizes, options,
          scalars, hyper, order, memory, clock, began)
    restore_mode(mode)


def _run(team, workers, steps, status, counters, ints, addresses, spaces, offsets, tasks, phases, sizes, options,
         scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state, weights, predictions, unmixed,
         partners, clock):
    """Run `steps` steps; return how many were done. ``status[worker]`` tells of an op that refused."""
    memory = (ints, options, ints, scalars, hyper, arena, params, grads, slots, chunks, x, y, order, out, state,
              weights, predictions, unmixed, partners)
    share_out(team, workers, _work_flushed, (workers, steps, status, counters, ints, addresses, spaces, offsets, tasks,
                                             phases, sizes, options, scalars, hyper, order, memory, clock, ticks()))
    stopped = read(counters, _STOP)
    return steps if stopped == 0 else stopped - 1


run_steps = entry(_run)
