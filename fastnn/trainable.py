"""Trainable: compile, fit, single steps, gradients, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastnn_kernels import _options as options

from . import checkpoint, evaluation, feeding, fitting, inputs, losses, optimizers, training
from .augment import AugmentStep, lowered_steps
from .callbacks import Callback
from .history import History
from .initializers import Array
from .inputs import Batch
from .layers import chain
from .layers.base import Layer
from .losses import Loss
from .lowering import lower
from .metrics import Metric
from .metrics import get as get_metrics
from .network import Network
from .optimizers import Optimizer
from .progress import check_verbose
from .sources import Part
from .state import TrainingState
from .weights import Preparation, class_weights


class Trainable(Network):
    """A network with a loss and an optimizer; the second part of `Sequential`.

    Attributes
    ----------
    history : History or None
        What the last call of `fit` has measured, also if it was interrupted.
    training_state : TrainingState
        How far training has come since compile().
    """

    def _describe(self, layers: Iterable[Layer], input_shape: Any, seed: int, dtype: DTypeLike) -> None:
        super()._describe(layers, input_shape, seed, dtype)
        self._loss: Loss | None = None
        self._optimizer: Optimizer | None = None
        self.history: History | None = None
        self.training_state = TrainingState()

    @property
    def stop_training(self) -> bool:
        """Set to True, by a callback, to end fit after the running step; False again with the next fit."""
        return self.training_state.stopped

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        self.training_state.stopped = options.flag("Sequential: stop_training", stop)

    @property
    def lr(self) -> float:
        """Learning rate: at first that of the optimizer; schedules start from it; may be set at any time."""
        if self._optimizer is None:
            raise RuntimeError("lr: the model is not compiled: model.compile(optimizer=..., loss=...)")
        changed = self.training_state.lr
        return self._optimizer.lr if changed is None else changed

    @lr.setter
    def lr(self, rate: float) -> None:
        self.training_state.lr = float(options.number("Sequential: lr", rate))

    def compile(
        self, optimizer: str | Optimizer, loss: str | Loss | Callable[..., Any], metrics: Iterable[str | Metric] = ()
    ) -> None:
        """Choose how to train; the optimizer starts from nothing, the parameters stay.

        Parameters
        ----------
        optimizer : Optimizer or "sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "nadam"
        loss : Loss, str or function
            "softmax_cross_entropy" (takes logits: no softmax layer in front), "categorical_cross_entropy",
            "binary_cross_entropy_with_logits", "sum_squared_error", "mean_squared_error", "huber", or an object of
            `fastnn.losses` with options, or a function ``(prediction, target) -> (loss, gradient)`` of one's own
            (`fastnn.losses.FunctionLoss`).
        metrics : iterable of str or Metric
            "accuracy", "top_k", "precision", "recall", "f1", "mae", "rmse", "r2", or objects of `fastnn.metrics`.
        """
        self.training_state.check_idle("compile")
        optimizer, chosen = optimizers.get(optimizer), losses.get(loss)
        chosen.check_output(self.output_shape, self._last_op)
        measured = get_metrics(metrics, chosen, self.output_shape)
        lowered = lower(self.layers, self.input_shape, self.seed)
        lowered.tape.set_loss(chosen.name, lowered.output, **chosen.attrs)
        update = optimizer.update()
        self._lowered, self._loss, self._optimizer, self._metrics = lowered, chosen, optimizer, measured
        self.training_state = TrainingState()
        self._memory.reset_slots(update.slots)
        self._engine.load(lowered.tape, update)

    def fit(
        self,
        x: Any,
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        batch_size: int | str = 32,
        validation_data: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        callbacks: Iterable[Callback] = (),
        augment: Iterable[AugmentStep] = (),
        class_weight: Mapping[int, float] | ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        drop_last: bool = False,
        resume: str | PathLike[str] | None = None,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        verbose: str | int = "auto",
    ) -> History:
        """Train, and return one number an epoch for the loss and each metric.

        Parameters
        ----------
        x : (N, *input_shape), or an object that gives samples or batches
            An array of any real dtype: uint8 is taken as value / 255; C-contiguous uint8, float32 and float64, also
            memory-mapped, is read where it lies; others are copied, large ones batch by batch. Or, without y, an
            object with `__len__` and `__getitem__` whose items are batches (a Sequence of Keras) or samples (a
            Dataset of PyTorch), or an iterator or iterable of batches (a generator, a DataLoader): each (x, y) or
            (x, y, sample_weight). Batches are trained on as they come, in a shuffled order where they have numbers;
            samples are shuffled and put into batches of `batch_size`.
        y : (N,) labels, or (N, *output_shape) targets
            As the loss needs.
        epochs : int
            Number of the last epoch: ``epochs - initial_epoch`` are trained.
        batch_size : int or "full"
            The last batch of an epoch may be smaller; every sample counts the same in the averages.
        validation_data : (x, y), (x, y, sample_weight) or an object that gives samples or batches, optional
            Evaluated after each epoch.
        validation_split : float
            Share of the samples, 0 <= share < 1, taken from the end of x, to be evaluated and not trained on.
        shuffle : bool
            A new order each epoch, given by the model's seed and the number of epochs since compile().
        callbacks : iterable of Callback
            Called before and after the training, its epochs and its steps.
        augment : iterable of steps of `fastnn.augment`
            Change the images of each step anew, in this order: ``[fn.augment.Flip(), fn.augment.Crop(4)]``.
        class_weight : {class: weight} or (classes,), optional
            What samples of each class count in the loss, 1 by default; multiplied by the sample's own weight.
        sample_weight : (N,), optional
            What each sample counts: the loss of a step, and of an epoch, is ``sum(weight * loss) / sum(weight)``. Not
            negative; a sample of weight 0 is left out. In metrics all samples count the same.
        initial_epoch : int
            Epochs done before, by an earlier call.
        drop_last : bool
            Leave out a last batch that is smaller.
        resume : path, optional
            A file of `save_checkpoint`, or of a `ModelCheckpoint`: the training that it was written in goes on where it
            stood, also in the middle of an epoch, with the same bits as if nothing had come between. All other
            arguments are those of that training; `epochs` may be larger. The model has the same layers, seed and
            compile() as that one; its parameters and its progress become those of the file.
        steps_per_epoch, validation_steps : int, optional
            Batches that make an epoch, or a validation, where they come from an object: needed for one that does not
            end, and for an iterator where there are several epochs. The iterator goes on from epoch to epoch.
        verbose : "auto", 0, 1 or 2
            0 silent, 1 a line with progress, 2 a line an epoch; "auto" is 1 on a terminal and 2 elsewhere.

        Raises
        ------
        ValueError
            Also where `resume` is damaged, no checkpoint, or one of another model, compile(), data length, batch size,
            augmentation or list of callbacks; nothing has changed then.
        KeyboardInterrupt
            On Ctrl-C, between two steps, after the callbacks' on_train_end: the model is whole, `history` has the
            finished epochs, and another call goes on with these parameters, and with the interrupted epoch from its
            start. `save_checkpoint` keeps the position within the epoch. What callbacks do before and after an epoch
            is done first; a second Ctrl-C does not wait for it.
        """
        self.training_state.check_idle("fit")
        initial_epoch = options.integer("fit: initial_epoch", initial_epoch, 0)
        epochs = options.integer("fit: epochs", epochs, max(initial_epoch, 1))
        check_verbose("fit", verbose)
        steps = lowered_steps("fit", augment, self.input_shape, self.seed)
        self._check_compiled("fit")
        resumed = None if resume is None else checkpoint.read(self, resume)
        if resumed is not None:
            if initial_epoch:
                raise ValueError("fit: initial_epoch and resume are both given, one is needed")
            initial_epoch = resumed.state.finished
        source, validation = feeding.for_fit(
            self,
            x,
            y,
            batch_size=batch_size,
            validation_data=validation_data,
            validation_split=validation_split,
            shuffle=shuffle,
            drop_last=drop_last,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            epochs=epochs - initial_epoch,
            sample_weight=sample_weight,
            prepare=self._preparation(class_weight, mixes=any(step.mixes for step in steps)),
        )
        plan = training.Plan(
            source=source,
            validation=validation,
            epochs=epochs,
            lr=self.lr,
            schedule=self._schedule,
            loss=self._check_compiled("fit"),
            metrics=self._metrics,
            quiet=verbose == 0,
            augmentation=steps,
        )
        return fitting.run(self, plan, callbacks, initial_epoch, verbose, resumed)

    def train_step(self, x: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
        """Do one step on all samples given; return their mean loss before it, weighted as in `fit`."""
        images, targets = self._batch("train_step", x, y)
        weights = self._weights("train_step", sample_weight, len(images))
        self._lowered.check_batches("train_step", len(images), len(images))
        part = Part(images, targets, np.arange(len(images)), len(images), weights)
        rates = training.rates(self._schedule, self.lr, self.training_state.step, 1, None, None)
        results = training.train(self._engine, self.training_state, part, rates)
        return float(results[0, 0])

    def gradients(self, x: ArrayLike, y: ArrayLike) -> tuple[float, dict[str, Array]]:
        """Return the mean loss and its gradient for each trainable parameter, without weight decay."""
        return self._gradients("gradients", x, y)

    def evaluate(
        self,
        x: Any,
        y: ArrayLike | None = None,
        *,
        batch_size: int | str = 128,
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
    ) -> dict[str, float]:
        """Return {"loss": mean over the samples, ...} with each metric; nothing changes.

        Parameters
        ----------
        x, y
            As `fit` takes them.
        batch_size : int or "full"
            Samples computed at once, of arrays and of objects that give samples.
        sample_weight : (N,), optional
            What each sample counts in the loss; in metrics all count the same.
        steps : int, optional
            Batches to take from an object that gives batches; all by default.
        """
        source = feeding.for_evaluate(self, x, y, sample_weight, batch_size, steps)
        return evaluation.evaluate(self._engine, source, self._check_compiled("evaluate"), self._metrics)

    # ---- inside

    def _preparation(self, class_weight: Any, *, mixes: bool) -> Preparation:
        """Return what `fit` does to targets and weights."""
        loss, shape = self._check_compiled("fit"), self.output_shape
        table = None if class_weight is None else class_weights("fit", class_weight, loss, shape)
        return Preparation(loss, shape, self.dtype, table, mixes)

    @property
    def _schedule(self) -> Any:
        return None if self._optimizer is None else self._optimizer.schedule

    def _gradients(self, function: str, x: Any, y: Any) -> tuple[float, dict[str, Array]]:
        images, targets = self._batch(function, x, y)
        self._lowered.check_batches(function, len(images), len(images))
        loss, gradient = self._engine.gradients(images, targets)
        tape = self._lowered.tape
        views = self._memory.views(tape, gradient)
        return loss, {p.name: views[p.name] for p in tape.params if p.trainable}

    def _check_compiled(self, function: str) -> Loss:
        if self._loss is None:
            raise RuntimeError(f"{function}: the model is not compiled: model.compile(optimizer=..., loss=...)")
        return self._loss

    def _weights(self, function: str, value: Any, samples: int, name: str = "sample_weight") -> Array | None:
        weights = inputs.sample_weight(function, name, value, samples, self.dtype)
        if weights is not None:
            with chain.naming(function):
                self._lowered.tape.check_weights()
        return weights

    def _batch(
        self, function: str, x: Any, y: Any, names: tuple[str, str] = ("x", "y"), *, staged: bool = False
    ) -> Batch:
        loss = self._check_compiled(function)
        images = self._images(function, x, names[0], staged=staged)
        if y is None:
            raise TypeError(f"{function}: {names[1]} is missing, {self.output_shape} outputs are compared with it")
        targets = loss.targets(function, y, self.output_shape, self.dtype, names[1])
        if len(images) != len(targets):
            raise ValueError(f"{function}: {names[0]} has {len(images)} samples but {names[1]} has {len(targets)}")
        return images, targets
