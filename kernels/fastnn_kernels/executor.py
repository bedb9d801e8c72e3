"""The compiled interpreter of tapes: the same constructor and methods as `reference.interpreter.Interpreter`."""

from __future__ import annotations

import functools
import threading
from math import prod

import numpy as np
from numba.core import types

from . import _threads
from ._arrays import Array, aligned_zeros, as_bytes, flat_alias
from ._jit import TILE_LIMIT, lane_count, op_address
from .memory import Memory
from .program import Program, make_program
from .run_steps import (
    BATCH_SIZE,
    CHUNKS,
    IS_SOFT,
    IS_TRAINING,
    LANES,
    SIZES,
    SLOT,
    SLOT_SIZE,
    STORE,
    STORE_SIZE,
    WORK,
    WORK_STRIDE,
    WORKER_INTS,
    run_steps,
)
from .stage import Machine, Space
from .tape import Tape
from .task import TaskType
from .update import Update

# Activations and their gradients of one lane block, in bytes: above, a block is a single sample.
_BLOCK_BYTES = 64 * 2**20


class StepError(RuntimeError):
    """An op refused after `steps` whole steps of the call.

    Ops refuse in phases before the update, so the failing step has changed gradients but no parameter.
    """

    def __init__(self, steps: int, status: int) -> None:
        super().__init__(f"step {steps} of this call stopped with status {status}; parameters are as before that step")
        self.steps = steps


class Executor:
    """Runs one tape on one model's arrays with compiled kernels; arguments are checked by the caller.

    Parameters
    ----------
    tape : Tape
        With a loss, unless only `forward` is used.
    memory : Memory
        Changed in place by `train`, and by `gradients` in its `grads` alone.
    update : Update, optional
        What `train` does with the gradients.
    """

    def __init__(self, tape: Tape, memory: Memory, update: Update | None = None) -> None:
        self.tape = tape
        self.memory = memory
        self.update = update
        self.dtype = memory.params.dtype
        self.lanes = lane_count(self.dtype.itemsize * 8)
        self._arena = np.zeros(0, self.dtype)
        self._work = sum(
            prod(r.params["w"].shape) * prod(r.written()[0].shape[1:]) for r in tape.forward if "w" in r.params
        )
        # Activations and their gradients, of one sample.
        self._elements = 2 * sum(prod(v.shape) for r in tape.forward for v in r.written())
        self._compiled = functools.cache(self._compile)
        self._lock = threading.Lock()  # calls of two Python threads share the arena

    def train(self, x: Array, y: Array, order: Array, batch_size: int, first_step: int, lr: Array) -> Array:
        """Train one step for each `batch_size` samples of `order`; return (steps, 2): mean loss, correct.

        Raises ValueError where an op cannot train on so small a batch; then nothing has changed.
        """
        self.tape.check_batches(len(order), batch_size)
        steps = -(-len(order) // batch_size)
        hyper = np.empty((steps, 2))
        hyper[:, 0], hyper[:, 1] = lr, np.arange(first_step, first_step + steps)
        return self._run("train", x, y, order, batch_size, hyper)

    def gradients(self, x: Array, y: Array) -> tuple[float, int]:
        """Fill memory.grads with the gradient of the mean loss; return mean loss and correct predictions.

        Computed as in training, with the batch's statistics and the random numbers of step 0; no state changes.
        """
        self.tape.check_batches(len(x), len(x))
        result = self._run("gradients", x, y, np.arange(len(x)), len(x), np.zeros((1, 2)))
        return float(result[0, 0]), int(result[0, 1])

    def evaluate(self, x: Array, y: Array, batch_size: int) -> tuple[float, int]:
        """Return the loss summed over the samples and the number of correct predictions.

        The sum is that of the batches' means times their samples. Where samples have weights or are left out, that
        is the average that `train` gives, times the samples, and depends on the batches.
        """
        steps = -(-len(x) // batch_size)
        result = self._run("evaluate", x, y, np.arange(len(x)), batch_size, np.zeros((steps, 2)))
        counts = np.minimum(batch_size, len(x) - batch_size * np.arange(steps))
        return float((result[:, 0] * counts).sum()), int(result[:, 1].sum())

    def forward(self, x: Array, batch_size: int) -> Array:
        """Return what the last forward row writes first, (N, ...)."""
        result = np.empty((len(x), *self.tape.forward[-1].written()[0].shape), self.dtype)
        steps = -(-len(x) // batch_size)
        self._run("forward", x, result, np.arange(len(x)), batch_size, np.zeros((steps, 2)))
        return result

    def _lanes_for(self, batch: int) -> int:
        """Choose the samples of a lane block: as many as a vector has lanes, or one (see `Machine`).

        One where most lanes would be spare, or where a block of such images would be out of all proportion to the
        caches. It may depend on shapes and batch, never on threads.
        """
        if 2 * batch < self.lanes or self._elements * self.lanes * self.dtype.itemsize > _BLOCK_BYTES:
            return 1
        return self.lanes

    def _compile(self, kind: str, lanes: int) -> tuple[Program, Array, list[object]]:
        """Lay out the step of this kind and compile its ops; the last element keeps them alive."""
        program = make_program(
            self.tape,
            Machine(lanes, TILE_LIMIT, self.lanes),
            backward=kind in ("train", "gradients"),
            loss=kind != "forward",
            update=self.update if kind == "train" else None,
        )
        task = TaskType(types.float32 if self.dtype == np.float32 else types.float64, narrow=lanes == 1)
        compiled = [op_address(call.function, task) for call in program.calls]
        return program, np.array([address for address, _ in compiled]), [keep for _, keep in compiled]

    def _run(self, kind: str, x: Array, y: Array, order: Array, batch_size: int, hyper: Array) -> Array:
        with self._lock:
            return self._run_alone(kind, x, y, order, batch_size, hyper)

    def _run_alone(self, kind: str, x: Array, y: Array, order: Array, batch_size: int, hyper: Array) -> Array:
        batch = min(batch_size, len(order))
        lanes = self._lanes_for(batch)
        program, addresses, _ = self._compiled(kind, lanes)
        blocks = -(-batch // lanes)
        workers = _threads.workers_for(blocks, self._work * batch)
        sizes = self._sizes(program, lanes, blocks, workers)
        sizes[BATCH_SIZE], sizes[IS_TRAINING] = batch, kind in ("train", "gradients")
        sizes[IS_SOFT] = y.dtype == self.dtype
        steps = len(hyper)
        out = np.zeros(2 * steps)
        status = np.zeros(workers, np.int64)
        memory = self.memory
        done = _threads.launch(
            run_steps, workers, steps, status, np.zeros(8, np.int64), np.zeros(workers * WORKER_INTS, np.int64),
            addresses, program.spaces.ravel(), program.offsets.ravel(), program.tasks, program.phases, sizes,
            program.options.ravel(), program.scalars.ravel(), hyper.ravel(),
            self._arena, memory.params, memory.grads, memory.slots.ravel(), program.chunks.ravel(),
            flat_alias(x), as_bytes(y), np.ascontiguousarray(order, np.int64), out, memory.state,
        )  # fmt: skip
        if done < steps:
            raise StepError(int(done), int(status[status.nonzero()][0]))
        return out.reshape(steps, 2)

    def _sizes(self, program: Program, lanes: int, blocks: int, workers: int) -> Array:
        """Lay the spaces out in the arena, growing it where it is too small."""
        sizes = np.zeros(SIZES, np.int64)
        sizes[LANES], sizes[CHUNKS] = lanes, len(program.chunks)
        end = program.sizes[Space.FIXED]
        for base, stride, space, count in (
            (WORK, WORK_STRIDE, Space.WORK, workers),
            (STORE, STORE_SIZE, Space.STORE, blocks),
            (SLOT, SLOT_SIZE, Space.SLOT, blocks),
        ):
            sizes[base], sizes[stride] = end, program.sizes[space]
            end += count * program.sizes[space]
        if end > self._arena.size:
            self._arena = aligned_zeros(end, self.dtype)
        return sizes
