"""Sequential: a list of layers that trains, evaluates and predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from fastnn_kernels import _options as options
from fastnn_kernels.memory import Memory

from . import inputs, losses, optimizers, outputs, summary, training
from .engine import Engine
from .history import History
from .initializers import Array
from .inputs import Batch
from .layers.base import Layer
from .losses import Loss
from .lowering import initialize, lower
from .metrics import Metric
from .metrics import get as get_metrics
from .optimizers import Optimizer
from .progress import check_verbose

__all__ = ["Sequential"]


class Sequential:
    """Layers one behind the other.

    Parameters
    ----------
    layers : iterable of Layer
    input_shape : (C, H, W) or (features,)
        Shape of one sample.
    seed : int
        Seed of the first weights and of the order of the samples in `fit`.
    dtype : float32 or float64
        Type of the parameters and of the arithmetic.

    Attributes
    ----------
    history : History or None
        What the last call of `fit` has measured, also if it was interrupted.

    Examples
    --------
    >>> model = Sequential([Flatten(), Dense(10)], input_shape=(1, 8, 8))
    >>> model.compile(optimizer=Adam(1e-3), loss="softmax_cross_entropy", metrics=["accuracy"])
    >>> model.fit(x, y, epochs=10, batch_size=128)
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: tuple[int, ...],
        *,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.layers = tuple(layers)
        for k, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: layers[{k}] is {layer!r}, a layer is needed")
        if not self.layers:
            raise ValueError("Sequential: layers is empty, at least one layer is needed")
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) not in (1, 3):
            raise ValueError(
                f"Sequential: input_shape is {input_shape!r}, (C, H, W) or (features,) is needed"
            )
        self.input_shape = tuple(options.integer("Sequential: input_shape", size, 1) for size in input_shape)
        self.seed = options.integer("Sequential: seed", seed, 0)
        self.dtype = inputs.as_dtype(dtype)
        self._lowered = lower(self.layers, self.input_shape, self.seed)
        self._memory = Memory.create(self._lowered.tape, self.dtype)
        initialize(self._lowered, self._memory, self.seed)
        self._engine = Engine(self._lowered.tape, self._memory)
        self._loss: Loss | None = None
        self.history: History | None = None

    # ---- what it is

    @property
    def params(self) -> dict[str, Array]:
        """Parameters by name ("conv2d/w", "conv2d/b", "dense_1/w", ...): views that may be written into."""
        return self._memory.views(self._lowered.tape, self._memory.params)

    @property
    def states(self) -> dict[str, Array]:
        """Running statistics by name ("batch_norm/running_mean", ...): views that may be written into."""
        return self._memory.state_views(self._lowered.tape, self._memory.state)

    @property
    def backend(self) -> str:
        """The interpreter: "compiled" or "reference" (NumPy); may be set at any time, nothing is lost."""
        return self._engine.backend

    @backend.setter
    def backend(self, name: str) -> None:
        self._engine.backend = name

    @property
    def compile_seconds(self) -> float:
        """Seconds spent compiling kernels or loading them from the cache; left out of images/s."""
        return self._engine.compile_seconds

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self._lowered.output.shape

    def summary(self) -> str:
        """Print a table of the layers with output shapes and parameters, and return it."""
        text = summary.table(self._lowered)
        print(text)
        return text

    # ---- training

    def compile(
        self, optimizer: str | Optimizer, loss: str | Loss, metrics: Iterable[str | Metric] = ()
    ) -> None:
        """Choose how to train; the optimizer starts from nothing, the parameters stay.

        Parameters
        ----------
        optimizer : Optimizer or "sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "nadam"
        loss : Loss or str
            "softmax_cross_entropy" (takes logits: no softmax layer in front), "categorical_cross_entropy",
            "binary_cross_entropy_with_logits", "sum_squared_error", "mean_squared_error", "huber", or an object of
            `fastnn.losses` with options.
        metrics : iterable of str or Metric
            "accuracy", "top_k", "precision", "recall", "f1", "mae", "rmse", "r2", or objects of `fastnn.metrics`.
        """
        optimizer, chosen = optimizers.get(optimizer), losses.get(loss)
        chosen.check_output(self.output_shape, self._last_op)
        measured = get_metrics(metrics, chosen, self.output_shape)
        lowered = lower(self.layers, self.input_shape, self.seed)
        lowered.tape.set_loss(chosen.name, lowered.output, **chosen.attrs)
        update = optimizer.update()
        self._lowered, self._loss, self._optimizer, self._metrics = lowered, chosen, optimizer, measured
        self._counters = training.Counters()
        self._memory.reset_slots(update.slots)
        self._engine.load(lowered.tape, update)

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int | str = 32,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        initial_epoch: int = 0,
        drop_last: bool = False,
        verbose: str | int = "auto",
    ) -> History:
        """Train, and return one number an epoch for the loss and each metric.

        Parameters
        ----------
        x : (N, *input_shape)
            Any real dtype; used without a copy where it is C-contiguous and of the model's dtype.
        y : (N,) labels, or (N, *output_shape) targets
            As the loss needs.
        epochs : int
            Number of the last epoch: ``epochs - initial_epoch`` are trained.
        batch_size : int or "full"
            The last batch of an epoch may be smaller; every sample counts the same in the averages.
        validation_data : (x, y), optional
            Evaluated after each epoch.
        validation_split : float
            Share of the samples, 0 <= share < 1, taken from the end of x, to be evaluated and not trained on.
        shuffle : bool
            A new order each epoch, given by the model's seed and the number of epochs since compile().
        initial_epoch : int
            Epochs done before, by an earlier call.
        drop_last : bool
            Leave out a last batch that is smaller.
        verbose : "auto", 0, 1 or 2
            0 silent, 1 a line with progress, 2 a line an epoch; "auto" is 1 on a terminal and 2 elsewhere.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C, between two steps: the model is whole, `history` has the finished epochs, and another
            call goes on with these parameters, and with the interrupted epoch from its start.
        """
        initial_epoch = options.integer("fit: initial_epoch", initial_epoch, 0)
        epochs = options.integer("fit: epochs", epochs, max(initial_epoch, 1))
        check_verbose(verbose)
        batch = self._batch("fit", x, y)
        (images, targets), validation = self._validation(batch, validation_data, validation_split)
        size = inputs.batch_size("fit", batch_size, len(images), drop_last=drop_last)
        self._lowered.check_batches("fit", len(images), size, drop_last=drop_last)
        plan = training.Plan(
            x=images,
            y=targets,
            validation=validation,
            epochs=range(initial_epoch, epochs),
            batch_size=size,
            drop_last=drop_last,
            shuffle_seed=self.seed if shuffle else None,
            lr=self._optimizer.lr,
            metrics=self._metrics,
            verbose=verbose,
        )
        self.history = History()
        training.run(self._engine, self._counters, plan, self.history)
        return self.history

    def train_step(self, x: ArrayLike, y: ArrayLike) -> float:
        """Do one step on all samples given; return their mean loss before it."""
        images, targets = self._batch("train_step", x, y)
        n = len(images)
        lr = self._optimizer.lr
        results = training.train(self._engine, self._counters, images, targets, np.arange(n), n, lr)
        return float(results[0, 0])

    def gradients(self, x: ArrayLike, y: ArrayLike) -> tuple[float, dict[str, Array]]:
        """Return the mean loss and its gradient for each trainable parameter, without weight decay."""
        loss, _ = self._engine.call("gradients", *self._batch("gradients", x, y))
        tape = self._lowered.tape
        views = self._memory.views(tape, self._memory.grads)
        return float(loss), {p.name: views[p.name].copy() for p in tape.params if p.trainable}

    # ---- using it

    def evaluate(self, x: ArrayLike, y: ArrayLike, *, batch_size: int | str = 128) -> dict[str, float]:
        """Return {"loss": mean over the samples, ...} with each metric; nothing changes."""
        images, targets = self._batch("evaluate", x, y)
        size = inputs.batch_size("evaluate", batch_size, len(images))
        return training.evaluate(self._engine, images, targets, size, self._metrics)

    def predict(self, x: ArrayLike, *, batch_size: int | str = 128) -> Array:
        """Return the last layer's output, (N, *output_shape)."""
        return self._predict("predict", x, batch_size)

    def predict_proba(self, x: ArrayLike, *, batch_size: int | str = 128) -> Array:
        """Return probabilities (N, classes); a model with one output has two classes.

        With a loss over logits, their softmax or sigmoid; a model whose last layer is a softmax or sigmoid gives its
        output as it is.

        Raises
        ------
        ValueError
            If neither is the case: the outputs are no probabilities.
        """
        return outputs.probabilities(self._predict("predict_proba", x, batch_size), self._loss, self._last_op)

    def predict_classes(self, x: ArrayLike, *, batch_size: int | str = 128) -> Array:
        """Return the class with the largest output of each sample, (N,) int64; of one logit 0 or 1.

        With the loss "binary_cross_entropy_with_logits" and several outputs: 0 or 1 for each, (N, outputs).
        """
        return outputs.classes(self._predict("predict_classes", x, batch_size), self._loss, self._last_op)

    # ---- inside

    @property
    def _last_op(self) -> str:
        return self._lowered.tape.forward[-1].op

    def _images(self, function: str, x: Any, name: str = "x") -> Array:
        return inputs.as_samples(function, name, x, self.input_shape, self.dtype)

    def _batch(self, function: str, x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> Batch:
        if self._loss is None:
            raise RuntimeError(
                f"{function}: the model is not compiled: model.compile(optimizer=..., loss=...)"
            )
        images = self._images(function, x, names[0])
        targets = self._loss.targets(function, y, self.output_shape, self.dtype, names[1])
        if len(images) != len(targets):
            raise ValueError(
                f"{function}: {names[0]} has {len(images)} samples but {names[1]} has {len(targets)}"
            )
        return images, targets

    def _validation(self, batch: Batch, data: Any, share: float) -> tuple[Batch, Batch | None]:
        """Return what is trained on and what is evaluated after each epoch."""
        share = options.number("fit: validation_split", share, below=1.0)
        if data is None:
            return inputs.split_off("fit: validation_split", *batch, share) if share else (batch, None)
        if share:
            raise ValueError("fit: validation_data and validation_split are both given, one is needed")
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise TypeError("fit: validation_data is no pair of arrays, (x, y) is needed")
        return batch, self._batch("fit", data[0], data[1], ("validation_data[0]", "validation_data[1]"))

    def _predict(self, function: str, x: Any, batch_size: int | str) -> Array:
        images = self._images(function, x)
        size = inputs.batch_size(function, batch_size, len(images))
        return training.predict(self._engine, images, size, self.output_shape)
