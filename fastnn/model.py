"""Sequential: a list of layers that trains, evaluates and predicts."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from . import checkpoint, evaluation, feeding, inspection, outputs, saving
from .initializers import Array
from .trainable import Trainable

if TYPE_CHECKING:
    from .profile import ModelProfile

__all__ = ["Sequential"]


class Sequential(Trainable):
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

    def predict_proba(self, x: ArrayLike, *, batch_size: int | str = 128) -> Array:
        """Return probabilities (N, classes); a model with one output has two classes.

        With a loss over logits, their softmax or sigmoid; a model whose last layer is a softmax or sigmoid gives its
        output as it is.

        Raises
        ------
        ValueError
            If neither is the case: the outputs are no probabilities.
        """
        outputs.check_probabilities(self._loss, self._last_op)
        return outputs.probabilities(self._outputs("predict_proba", x, batch_size), self._loss)

    def predict_classes(self, x: ArrayLike, *, batch_size: int | str = 128) -> Array:
        """Return the class with the largest output of each sample, (N,) int64; of one logit 0 or 1.

        With the loss "binary_cross_entropy_with_logits" and several outputs: 0 or 1 for each, (N, outputs).
        """
        outputs.check_classes(self.output_shape, self._loss, self._last_op)
        return outputs.classes(self._outputs("predict_classes", x, batch_size), self._loss)

    def activations(self, x: ArrayLike, layer: str | int, *, batch_size: int | str = 128) -> Array:
        """Return what a layer gives for x, (N, *its output shape), as `predict` computes it.

        Parameters
        ----------
        x : (N, *input_shape)
        layer : str or int
            Its name, as `summary` shows it ("conv2d", "residual/conv2d_1" of a layer inside another), or its index in
            `layers`; -1 is the last one. An activation given as ``activation=`` is part of the layer.
        batch_size : int or "full"
        """
        tape = self._lowered.tape
        name = inspection.layer_name("activations", layer, self.layers, tuple(tape.outputs))
        source = feeding.for_predict(self, "activations", x, batch_size, None)
        return evaluation.predict(inspection.up_to(self._engine, tape, tape.outputs[name]), source)

    def gradient_norms(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Return the Euclidean norm of the mean loss's gradient over each layer's parameters, first layer first.

        Norms that shrink by orders of magnitude from the last layer to the first are vanishing gradients. Frozen
        layers and layers without parameters are left out; layers inside others have names of their own.
        """
        return inspection.norms_by_layer(self._gradients("gradient_norms", x, y)[1])

    def profile(self, x: ArrayLike, y: ArrayLike, *, batch_size: int | str = 128, **options: Any) -> ModelProfile:
        """Tell what each layer takes of a training step; the model stays as it is.

        The options are those of `fastnn.profile.model`. Print what it returns.

        Raises
        ------
        RuntimeError
            If the model is not compiled.
        """
        from . import profile

        return profile.model(self, x, y, batch_size=batch_size, **options)

    def save(self, path: str | PathLike[str], *, include_optimizer: bool = True) -> None:
        """Write the model to a file, from which `load` makes it again.

        A safetensors file: parameters and running statistics as arrays, the layers and the arguments of `compile` as
        JSON in its metadata; and, as Keras has it, the optimizer's state, so that training can go on. An existing
        file is replaced, whole or not at all.

        Parameters
        ----------
        path : str or path
        include_optimizer : bool
            False leaves out the optimizer's state, which takes up to twice as much as the parameters: a model that
            is loaded starts with a fresh one.

        Raises
        ------
        OSError
            If it cannot be written; a file that was there is unchanged.
        TypeError
            If a layer has a field that is no number, string, dataclass, or list, tuple or dict of these. Functions
            that start weights are left out, other functions are written as their names.
        """
        saving.save(self, path, include_optimizer=include_optimizer)

    def save_checkpoint(self, path: str | PathLike[str]) -> None:
        """Write a file from which ``fit(resume=path)`` goes on, with the bits of a training that was never interrupted.

        It is what `save` writes, so that `load` takes it too, with the progress of the training: the position in the
        epoch and its sums so far, the learning rate, the history, and the state of the callbacks. While fit runs,
        `ModelCheckpoint` calls this; after Ctrl-C it keeps the running epoch. The data is not in it.

        Parameters
        ----------
        path : str or path
            An existing file is replaced, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written; a file that was there is unchanged.
        RuntimeError
            If the model is not compiled.
        TypeError
            If a layer has a field, or a callback a state, that cannot be saved.
        """
        checkpoint.save(self, path)
