"""The reference interpreter: runs a tape with the NumPy twins on plain (N, ...) arrays.

It computes what the compiled interpreter (`executor.py`) computes, and is there to be read and debugged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .. import reference, registry
from ..memory import Array, Memory
from ..tape import Row, Tape
from ..update import Update

# Losses whose prediction is one score a class, so that a largest score can be right or wrong.
CLASS_LOSSES = ("softmax_cross_entropy", "categorical_cross_entropy")


class Interpreter:
    """Runs one tape on one model's arrays; arguments are checked by the caller.

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
        self.inference = tape.inference()
        # On a copy: the tape itself does not get the values of gradients.
        self.backward = replace(tape, values=list(tape.values)).backward() if tape.loss is not None else []
        self.commits = tape.commits()
        self.params = memory.views(tape, memory.params)
        self.grads = memory.views(tape, memory.grads)
        self.states = memory.state_views(tape, memory.state)

    def train(self, x: Array, y: Array, order: Array, batch_size: int, first_step: int, lr: Array) -> Array:
        """Train one step for each `batch_size` samples of `order`; return (steps, 2): mean loss, correct.

        Raises ValueError where an op cannot train on so small a batch; then nothing has changed.
        """
        self.tape.check_batches(len(order), batch_size)
        starts = range(0, len(order), batch_size)
        results = np.zeros((len(starts), 2))
        for step, start in enumerate(starts):
            batch = order[start : start + batch_size]
            values, results[step] = self._gradients(x[batch], y[batch], first_step + step)
            self._update_parameters(first_step + step, lr[step])
            self._run(self.commits, values)
        return results

    def gradients(self, x: Array, y: Array) -> tuple[float, int]:
        """Fill memory.grads with the gradient of the mean loss; return mean loss and correct predictions.

        Computed as in training, with the batch's statistics and the random numbers of step 0; no state changes.
        """
        self.tape.check_batches(len(x), len(x))
        return self._gradients(x, y, 0)[1]

    def _gradients(self, x: Array, y: Array, step: int) -> tuple[dict[int, Array], tuple[float, int]]:
        values = self._run(self.tape.forward, self._load(x), step)
        told = self._loss(values, y)
        self._run(self.backward, values, step)
        return values, told

    def evaluate(self, x: Array, y: Array, batch_size: int) -> tuple[float, int]:
        """Return the loss summed over the samples and the number of correct predictions.

        The sum is that of the batches' means times their samples. Where samples have weights or are left out, that
        is the average that `train` gives, times the samples, and depends on the batches.
        """
        total, correct = 0.0, 0
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            values = self._run(self.inference, self._load(x[batch]))
            loss, right = self._loss(values, y[batch])
            total += loss * len(x[batch])
            correct += right
        return total, correct

    def forward(self, x: Array, batch_size: int) -> Array:
        """Return what the last forward row writes first, (N, ...)."""
        last = self.tape.forward[-1]
        output = last.values[last.definition.writes[0]]
        y = np.empty((len(x), *output.shape), self.memory.params.dtype)
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            y[batch] = self._run(self.inference, self._load(x[batch]))[output.index]
        return y

    def _load(self, x: Array) -> dict[int, Array]:
        """Start with the images as the tape's input; values are kept by their index."""
        return {self.tape.inputs[0].index: x}

    @np.errstate(all="ignore")  # NaN and inf go through to the loss, as in the compiled interpreter
    def _run(self, rows: Iterable[Row], values: dict[int, Array], step: int = 0) -> dict[int, Array]:
        """Run the rows in order, each on what `values`, parameters and states hold; add what they write."""
        for row in rows:
            kernel = row.definition
            drawn = {"step": step} if registry.get(row.op).random else {}
            results = kernel.twin(**self._operands(row, values), **drawn, **self._attributes(row))
            if not isinstance(results, tuple):
                results = (results,)
            for name, result in zip(kernel.writes, results, strict=True):
                if name in row.values:
                    values[row.values[name].index] = result
                elif name in row.grads:
                    self.grads[row.grads[name].name][...] = result
                elif name in row.states:
                    self.states[row.states[name].name][...] = result
                # else nobody wants it: a layer without bias, or a frozen one
        return values

    @np.errstate(all="ignore")
    def _loss(self, values: dict[int, Array], target: Array) -> tuple[float, int]:
        """Run the loss row; return the batch's mean and the number of correct predictions."""
        row = self.tape.loss
        assert row is not None
        prediction = values[row.values["prediction"].index]
        loss, d_prediction = row.definition.twin(
            prediction=prediction, target=target, **self._attributes(row)
        )
        values[row.values["d_prediction"].index] = d_prediction
        correct = 0
        if row.op in CLASS_LOSSES:
            labels = target if target.ndim == 1 else target.argmax(axis=1)
            right = prediction.argmax(axis=1) == labels
            if target.ndim == 1 and (ignored := row.attrs.get("ignore_index")) is not None:
                right &= labels != ignored
            correct = int(right.sum())
        return float(loss), correct

    def _operands(self, row: Row, values: dict[int, Array]) -> dict[str, Array | None]:
        """Find every operand that the row reads: a value, a parameter, a state, or None where it has none."""
        operands: dict[str, Array | None] = dict.fromkeys(row.definition.reads)
        for name in operands:
            if name in row.values:
                operands[name] = values[row.values[name].index]
            elif name in row.params:
                operands[name] = self.params[row.params[name].name]
            elif name in row.states:
                operands[name] = self.states[row.states[name].name]
        return operands

    @staticmethod
    def _attributes(row: Row) -> dict[str, object]:
        """Return the row's attributes; `shapes` are those of its operands where the tape has not set them."""
        shapes = {f"{name}_shape": value.shape for name, value in row.values.items()}
        shapes |= {f"{name}_shape": param.shape for name, param in row.params.items()}
        return {"shapes": shapes, **row.attrs}

    @np.errstate(all="ignore")
    def _update_parameters(self, step: int, lr: float) -> None:
        """Let the optimizer change the trainable parameters, one after the other."""
        update, memory = self.update, self.memory
        assert update is not None
        self._clip_gradients(update)
        rule = getattr(reference, update.name)
        counter = {"step": step} if update.counts_steps else {}
        for p in self.tape.params:
            if p.trainable:
                part = slice(p.offset, p.offset + p.size)
                decay = update.weight_decay if p.decay else 0.0
                state = memory.slots[:, part]
                rule(
                    memory.params[part],
                    memory.grads[part],
                    *state,
                    lr=lr,
                    weight_decay=decay,
                    **counter,
                    **update.options,
                )
                if p.max_norm is not None:
                    reference.max_norm(self.params[p.name], p.max_norm)

    def _clip_gradients(self, update: Update) -> None:
        """Clip the gradients of the trainable parameters, all together, first by value and then by their norm."""
        if update.clip_value is None and update.clip_norm is None:
            return
        params = self.tape.params
        trained = np.repeat(np.array([p.trainable for p in params], bool), [p.size for p in params])
        gradient = self.memory.grads[trained]
        if update.clip_value is not None:
            reference.clip_by_value(gradient, update.clip_value)
        if update.clip_norm is not None:
            reference.clip_by_global_norm(gradient, update.clip_norm)
        self.memory.grads[trained] = gradient
