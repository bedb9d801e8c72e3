"""The reference interpreter: runs a tape with the NumPy twins on plain (N, ...) arrays.

It computes what the compiled interpreter (`executor.py`) computes, and is there to be read and debugged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import reference, registry
from ..memory import Array, Memory
from ..registry import Kernel
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
        x : (N, ...) uint8, float32 or float64
            Cast to the model's dtype batch by batch, uint8 as ``x / 255``.
        y : (N,) labels, or (N, ...) targets
        order : (samples,) int64
            Samples in the order they are used.
        batch_size, first_step : int
        lr : (steps,) float64
        sample_weight : (N,), optional
            Not negative. The mean loss of a step is then ``sum(weight * loss) / sum(weight)``, 0 where all weights
            are 0; a weight of 0 leaves a sample out also where its loss is NaN. Correct predictions are counted
            whatever the weights.
        predictions : (samples, *output_shape), optional
            Receives the outputs before the update, in the order of `order`.

        Raises
        ------
        ValueError
            Where an op cannot train on so small a batch, or the loss takes no weights; then nothing has changed.
        """
        self._check_weights(sample_weight)
        self.tape.check_batches(len(order), batch_size)
        starts = range(0, len(order), batch_size)
        results = np.zeros((len(starts), 2))
        for step, start in enumerate(starts):
            batch = order[start : start + batch_size]
            weights = None if sample_weight is None else sample_weight[batch]
            images, targets = self._augment(self._cast(x[batch]), y[batch], first_step + step)
            values, results[step] = self._gradients(images, targets, first_step + step, weights)
            if predictions is not None:
                predictions[start : start + batch_size] = values[self.tape.output.index]
            self._update_parameters(first_step + step, lr[step])
            self._run(self.commits, values)
        return results

    def gradients(self, x: Array, y: Array, *, sample_weight: Array | None = None) -> tuple[float, int]:
        """Fill memory.grads with the gradient of the mean loss; return mean loss and correct predictions.

        Computed as in training, with the batch's statistics and the random numbers of step 0; no state changes.
        """
        self._check_weights(sample_weight)
        self.tape.check_batches(len(x), len(x))
        return self._gradients(self._cast(x), y, 0, sample_weight)[1]

    def _gradients(
        self, x: Array, y: Array, step: int, weights: Array | None
    ) -> tuple[dict[int, Array], tuple[float, int]]:
        values = self._run(self.tape.forward, self._load(x), step)
        told = self._loss(values, y, weights)
        self._run(self.backward, values, step)
        return values, told

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
        self._check_weights(sample_weight)
        total, correct = 0.0, 0
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            weights = None if sample_weight is None else sample_weight[batch]
            values = self._run(self.inference, self._load(self._cast(x[batch])))
            loss, right = self._loss(values, y[batch], weights)
            if predictions is not None:
                predictions[batch] = values[self.tape.output.index]
            total += loss * (len(x[batch]) if weights is None else float(weights.sum(dtype=np.float64)))
            correct += right
        return total, correct

    def forward(self, x: Array, batch_size: int) -> Array:
        """Return what the last forward row writes first, (N, ...)."""
        output = self.tape.output
        y = np.empty((len(x), *output.shape), self.memory.params.dtype)
        for start in range(0, len(x), batch_size):
            batch = slice(start, start + batch_size)
            y[batch] = self._run(self.inference, self._load(self._cast(x[batch])))[output.index]
        return y

    def _load(self, x: Array) -> dict[int, Array]:
        """Start with the images as the tape's input; values are kept by their index."""
        return {self.tape.inputs[0].index: x}

    def _cast(self, x: Array) -> Array:
        """Return images in the model's dtype, bytes as shares of 255."""
        images = x.astype(self.memory.params.dtype)
        return images / 255 if x.dtype == np.uint8 else images

    def _augment(self, x: Array, y: Array, step: int) -> tuple[Array, Array]:
        """Augment the images of a step by the public kernels' twins, one after the other."""
        for part in self.tape.augmentation:
            stream = {"seed": part.seed, "step": step, "op": part.op}
            kernel = getattr(reference, part.name)
            if part.mixes:
                x, mixed = kernel(x, y.reshape(len(y), -1), **dict(part.options), **stream)
                y = mixed.reshape(y.shape)
            else:
                x = kernel(x, **dict(part.options), **stream)
        return x, y

    def _check_weights(self, sample_weight: Array | None) -> None:
        if sample_weight is not None:
            self.tape.check_weights()

    @np.errstate(all="ignore")  # NaN and inf go through to the loss, as in the compiled interpreter
    def _run(self, rows: Iterable[Row], values: dict[int, Array], step: int = 0) -> dict[int, Array]:
        """Run the rows in order, each on what `values`, parameters and states hold; add what they write."""
        for row in rows:
            kernel = row.definition
            drawn = {"step": step} if registry.get(row.op).random else {}
            results = self._twin(kernel)(**self._operands(row, values), **drawn, **self._attributes(row))
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
    def _loss(self, values: dict[int, Array], target: Array, weights: Array | None) -> tuple[float, int]:
        """Run the loss row; return the batch's mean and the number of correct predictions."""
        row = self.tape.loss
        assert row is not None
        prediction = values[row.values["prediction"].index]
        weighted = {} if weights is None else {"sample_weight": weights}
        loss, d_prediction = self._twin(row.definition)(
            prediction=prediction, target=target, **weighted, **self._attributes(row)
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

    def _twin(self, kernel: Kernel) -> Callable[..., Any]:
        """Choose what runs in the place of a compiled kernel."""
        return kernel.twin

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
                    for group in np.split(self.params[p.name], p.unit_groups):
                        reference.max_norm(group, p.max_norm, axis=p.unit_axis)

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
