"""The compiled interpreter of tapes: the same constructor and methods as `reference.interpreter.Interpreter`."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba.core import types

from . import _threads
from ._arrays import Array, aligned_zeros, as_bytes, flat_alias
from ._jit import TILE_LIMIT, lane_count, op_address
from .augmentation import Augmentation
from .batches import batch_weights
from .clock import Clock
from .convert import BYTES, OTHER, SAME
from .lane_blocks import block_lanes
from .memory import Memory
from .ops.function_loss import Target, target_of, with_target
from .own_error import STATUS_TEXTS, raise_own
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
    TARGET_SIZE,
    WORK,
    WORK_STRIDE,
    counter_size,
    run_steps,
    worker_ints,
)
from .stage import Machine, Space
from .tape import Tape
from .task import TaskType
from .update import Update

# Activations and their gradients of one lane block, in bytes: above, a block is a single sample.
_BLOCK_BYTES = 256 * 2**20
_NO_TICKS = _NO_PARTNERS = np.zeros(0, np.int64)
# Kinds and sizes of calls whose tables are kept: to make them took a third of the time of a call for one image.
_KEPT = 64


class StepError(RuntimeError):
    """An op refused after `steps` whole steps of the call.

    Ops refuse in phases before the update, so the failing step has changed gradients but no parameter.
    """

    def __init__(self, steps: int, status: int) -> None:
        reason = STATUS_TEXTS.get(status, f"status {status}")
        super().__init__(f"step {steps} of this call stopped with {reason}; parameters are as before that step")
        self.steps = steps
        self.status = status


class _Compiled(NamedTuple):
    """A program with its compiled ops and its tables, flat; `kept` keeps the ops alive."""

    program: Program
    addresses: Array
    tables: tuple[Array, ...]
    options: tuple[Array, ...]
    chunks: Array
    kept: list[object]


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
        self._laid_out = functools.lru_cache(_KEPT)(self._lay_out)
        self._none = np.zeros(0, self.dtype)
        # False, before the first call, for a program with a row for each row of the tape.
        self.fused = True
        # Where a list is put here, each call appends what its rows took.
        self.clock: list[Clock] | None = None
        self._lock = threading.Lock()  # calls of two Python threads share the arena

    def train(
        self,
        x: Array,
        y: Array,
        order: Array,
        batch_size: int,
        first_step: int,
        lr: Array,
        *,
        sample_weight: Array | None = None,
        predictions: Array | None = None,
    ) -> Array:
        """Train one step for each `batch_size` samples of `order`; return (steps, 2): mean loss, correct.

        The images are augmented as `tape.augmentation` says at the time of the call.

        Parameters
        ----------
        x : (N, ...) uint8, float32 or float64, C-contiguous
            Cast to the model's dtype as it is read, uint8 as ``x / 255``; a memory map is never copied.
        y : (N,) int64 labels, or (N, ...) targets in the model's dtype
            Mixup needs the latter.
        order : (samples,) int64
            Samples in the order they are used.
        batch_size, first_step : int
        lr : (steps,) float64
        sample_weight : (N,), the model's dtype, optional
            Not negative. The mean loss of a step is then ``sum(weight * loss) / sum(weight)``, 0 where all weights
            are 0; a weight of 0 leaves a sample out also where its loss is NaN. Correct predictions are counted
            whatever the weights.
        predictions : (samples, *output_shape), the model's dtype, C-contiguous, optional
            Receives the outputs before the update, in the order of `order`.

        Raises
        ------
        ValueError
            Where an op cannot train on so small a batch, or the loss takes no weights; then nothing has changed.
        """
        self.tape.check_batches(len(order), batch_size)
        steps = -(-len(order) // batch_size)
        hyper = np.empty((steps, 2))
        hyper[:, 0], hyper[:, 1] = lr, np.arange(first_step, first_step + steps)
        return self._run("train", x, y, order, batch_size, hyper, sample_weight, predictions)

    def gradients(self, x: Array, y: Array, *, sample_weight: Array | None = None) -> tuple[float, int]:
        """Fill memory.grads with the gradient of the mean loss; return mean loss and correct predictions.

        Computed as in training, with the batch's statistics and the random numbers of step 0; no state changes.
        """
        self.tape.check_batches(len(x), len(x))
        result = self._run("gradients", x, y, np.arange(len(x)), len(x), np.zeros((1, 2)), sample_weight)
        return float(result[0, 0]), int(result[0, 1])

    def evaluate(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        *,
        sample_weight: Array | None = None,
        predictions: Array | None = None,
    ) -> tuple[float, int]:
        """Return the loss summed over the samples, and the number of correct predictions; arguments as in `train`.

        The sum is that of the batches' means times the weights of their samples, 1 each without `sample_weight`:
        divided by the sum of all weights it is the mean. Where classes have weights or samples are left out, a
        batch's mean is over those, so that the sum depends on the batches, as the average in training does.
        """
        steps = -(-len(x) // batch_size)
        order = np.arange(len(x))
        result = self._run("evaluate", x, y, order, batch_size, np.zeros((steps, 2)), sample_weight, predictions)
        sums = batch_weights(order, batch_size, sample_weight)
        return float((result[:, 0] * sums).sum()), int(result[:, 1].sum())

    def forward(self, x: Array, batch_size: int) -> Array:
        """Return what the last forward row writes first, (N, ...)."""
        result = np.empty((len(x), *self.tape.output.shape), self.dtype)
        steps = -(-len(x) // batch_size)
        nothing = np.zeros(0, self.dtype)
        self._run("forward", x, nothing, np.arange(len(x)), batch_size, np.zeros((steps, 2)), None, result)
        return result

    def _lanes_for(self, batch: int, *, training: bool) -> int:
        """Choose the samples of a lane block: one where more would be out of all proportion to the caches."""
        lanes = block_lanes(batch, self.dtype, training=training)
        return 1 if self._elements * lanes * self.dtype.itemsize > _BLOCK_BYTES else lanes

    def _compile(
        self,
        kind: str,
        lanes: int,
        source: int,
        weighted: bool,
        predictions: bool,
        augmentation: tuple[Augmentation, ...],
        target: Target | None,
    ) -> _Compiled:
        """Lay out the step of this kind and compile its ops."""
        machine = Machine(lanes, TILE_LIMIT, self.lanes)
        program = self._program(machine, kind, source, weighted, predictions, augmentation, target)
        dtype = types.float32 if self.dtype == np.float32 else types.float64
        task = TaskType(dtype, 0 if lanes == self.lanes else lanes)
        compiled = [op_address(call.function, task) for call in program.calls]
        return _Compiled(
            program,
            np.array([address for address, _ in compiled]),
            (program.spaces.ravel(), program.offsets.ravel(), program.tasks, program.phases),
            (program.options.ravel(), program.scalars.ravel()),
            program.chunks.ravel(),
            [keep for _, keep in compiled],
        )

    def _program(
        self,
        machine: Machine,
        kind: str,
        source: int,
        weighted: bool,
        predictions: bool,
        augmentation: tuple[Augmentation, ...],
        target: Target | None,
    ) -> Program:
        """Lay out the step of this kind."""
        return make_program(
            replace(self.tape if target is None else with_target(self.tape, target), augmentation=augmentation),
            machine,
            backward=kind in ("train", "gradients"),
            loss=kind != "forward",
            update=self.update if kind == "train" else None,
            source=source,
            weighted=weighted,
            predictions=predictions,
            fused=self.fused,
        )

    def _source(self, x: Array) -> int:
        """Tell what the images are to a model of this dtype."""
        if x.dtype == self.dtype:
            return SAME
        if x.dtype not in (np.uint8, np.float32, np.float64):
            raise TypeError(f"x has dtype {x.dtype}, uint8, float32 or float64 is needed")
        return BYTES if x.dtype == np.uint8 else OTHER

    def _run(self, *args: Any) -> Array:
        with self._lock:
            return self._run_alone(*args)

    def _run_alone(
        self,
        kind: str,
        x: Array,
        y: Array,
        order: Array,
        batch_size: int,
        hyper: Array,
        sample_weight: Array | None = None,
        predictions: Array | None = None,
    ) -> Array:
        weighted = sample_weight is not None
        if weighted:
            self.tape.check_weights()
        # Not that of a last, smaller batch in a call of its own: it gets the form that it has behind others.
        batch = batch_size
        training = kind in ("train", "gradients")
        lanes = self._lanes_for(batch, training=training)
        augmentation = self.tape.augmentation if kind == "train" else ()
        mixes = kind == "train" and self.tape.mixes
        target = None if kind == "forward" else target_of(self.tape, y, mixes)
        blocks = -(-batch // lanes)
        workers = _threads.workers_for(blocks, self._work * batch)
        compiled, laid_out, end = self._laid_out(
            kind, lanes, self._source(x), weighted, predictions is not None, augmentation, target, blocks, workers
        )
        if end > self._arena.size:
            self._arena = aligned_zeros(end, self.dtype)
        sizes = laid_out.copy()
        sizes[BATCH_SIZE], sizes[IS_TRAINING] = batch, training
        sizes[IS_SOFT] = y.dtype == self.dtype
        targets = as_bytes(y)
        mixed, partners = targets, _NO_PARTNERS
        if mixes:
            if y.dtype != self.dtype:
                raise TypeError(f"y has dtype {y.dtype}; mixup needs targets of the model's, {self.dtype}")
            sizes[TARGET_SIZE] = prod(y.shape[1:])
            mixed, partners = as_bytes(np.empty((batch, *y.shape[1:]), y.dtype)), np.empty(batch, np.int64)
        steps = len(hyper)
        out = np.zeros(2 * steps)
        status = np.zeros(workers, np.int64)
        memory = self.memory
        clock = None if self.clock is None else Clock.of(kind, compiled.program, workers)
        done = _threads.launch(
            run_steps, workers, workers, steps, status, np.zeros(counter_size(workers), np.int64),
            np.zeros(workers * worker_ints(workers), np.int64), compiled.addresses, *compiled.tables, sizes,
            *compiled.options, hyper.ravel(), self._arena, memory.params, memory.grads, memory.slots.ravel(),
            compiled.chunks,
            as_bytes(x), mixed, np.ascontiguousarray(order, np.int64), out, memory.state,
            self._flat(sample_weight), self._flat(predictions), targets, partners,
            _NO_TICKS if clock is None else clock.ticks,
        )  # fmt: skip
        if self.clock is not None and clock is not None:
            self.clock.append(clock.stopped(int(done)))
        if done < steps:
            error = StepError(int(done), int(status[status.nonzero()][0]))
            raise_own(error, self.tape, memory, self.update, kind, x, y, order, batch_size, hyper, sample_weight)
            raise error
        return out.reshape(steps, 2)

    def _flat(self, array: Array | None) -> Array:
        """Return the elements of an array of the model's dtype; none for None."""
        return self._none if array is None else flat_alias(array)

    def _lay_out(self, *args: Any) -> tuple[_Compiled, Array, int]:
        """Compile a step for `blocks` and `workers`, the last arguments, and lay its spaces out in the arena.

        The others are those of `_compile`. Returns the sizes that do not depend on the call, and that of the arena.
        """
        *form, blocks, workers = args
        compiled = self._compiled(*form)
        program, lanes, sizes = compiled.program, form[1], np.zeros(SIZES, np.int64)
        sizes[LANES], sizes[CHUNKS] = lanes, len(program.chunks)
        end = program.sizes[Space.FIXED]
        for base, stride, space, count in (
            (WORK, WORK_STRIDE, Space.WORK, workers),
            (STORE, STORE_SIZE, Space.STORE, blocks),
            (SLOT, SLOT_SIZE, Space.SLOT, blocks),
        ):
            sizes[base], sizes[stride] = end, program.sizes[space]
            end += count * program.sizes[space]
        return compiled, sizes, end
