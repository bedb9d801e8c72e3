"""A model from a file that may be damaged, or made to do harm: checked as a whole before anything is allocated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastnn_kernels import _options as options

from . import config, container, saving
from .container import Reader
from .model import Sequential
from .optimizers import Optimizer

__all__ = ["load"]


def load(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
) -> Sequential:
    """Read a model that `Sequential.save` or `Sequential.save_checkpoint` has written.

    Nothing in the file is executed, and what it declares is compared with what is there before memory is allocated:
    a file from anywhere can be opened.

    Parameters
    ----------
    path : str or path
    custom_objects : dict of str to class or function, optional
        Layers, losses and other classes of your own in the file, by the name of the class or function. Classes are
        dataclasses, as all layers are.
    compile : bool
        False leaves out optimizer, loss and metrics: the model predicts, and can be compiled anew.

    Returns
    -------
    Sequential
        Compiled as it was, with its running statistics and, where the file has it, the optimizer's state: `evaluate`
        and `predict` give the same bits, and `fit` goes on. Initializers of your own are not in the file: the layer
        has its default one, which is used for nothing.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, or no model of fastnn, or names a class that is none of fastnn's and not in
        `custom_objects`; the message names the file.

    Examples
    --------
    >>> model.save("digits.fastnn")
    >>> fn.load("digits.fastnn").predict_classes(x)
    """
    file_path = container.as_path("load", path)
    decoder = config.Decoder(config.check_custom_objects("load", custom_objects))
    compiled = options.flag("load: compile", compile)
    try:
        with container.opened(file_path) as file:
            return _model(file, decoder, compiled)
    except ValueError as error:
        raise ValueError(f"load: {file_path}: {str(error)[:1000]}") from error


def _model(file: Reader, decoder: config.Decoder, compiled: bool) -> Sequential:
    content = saving.check_parts(file.description)
    settings = content["compile"] if compiled else None
    progress = content["progress"] if settings is not None else None
    # Without initial values, which the file's replace, and without memory until the file's arrays are known to fit.
    model = Sequential.__new__(Sequential)
    try:
        _describe(model, saving.section(content, "model", "layers", "input_shape", "dtype", "seed"), decoder)
        model.class_names = list(content.get("class_names", ()))
        training = None if settings is None else _training(content, decoder)
        slots = 0 if progress is None or training is None else training["optimizer"].update().slots
    except Exception as error:  # whatever classes make of values of any kind
        raise ValueError(str(error) or type(error).__name__) from error
    unread = ("training/",) if compiled else ("training/", "slots/")
    names = saving.check_arrays(file.declared, model._lowered.tape, model.dtype, slots, unread)
    model._allocate()
    if training is not None:
        try:
            model.compile(**training)
        except Exception as error:  # as above
            raise ValueError(str(error) or type(error).__name__) from error
    for name, view in saving.views(model._lowered.tape, model._memory, slots=progress is not None).items():
        if name in names:
            view[...] = file.read(name)
    if progress is not None:
        steps = saving.section(content, "progress", "step", "epoch")
        model.training_state.step = _count("step", steps["step"])
        model.training_state.epoch = _count("epoch", steps["epoch"])
    return model


def _describe(model: Sequential, description: dict[str, Any], decoder: config.Decoder) -> None:
    """Build the layers and the tape."""
    layers, shape, dtype = description["layers"], description["input_shape"], description["dtype"]
    if not isinstance(layers, list):
        raise ValueError("layers is no list")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype is {dtype!r}, float32 or float64 is needed")
    built = [decoder.decode(f"layers[{k}]", layer) for k, layer in enumerate(layers)]
    config.check_count(built)
    model._describe(built, shape, description["seed"], dtype)


def _training(content: dict[str, Any], decoder: config.Decoder) -> dict[str, Any]:
    """Build the arguments of `compile`."""
    settings = saving.section(content, "compile", "optimizer", "loss", "metrics")
    built = {key: decoder.decode(key, value) for key, value in settings.items()}
    if not isinstance(built["optimizer"], Optimizer):
        raise ValueError("optimizer is none")
    return built


def _count(name: str, value: Any) -> int:
    try:
        return options.size(name, value, 0)
    except TypeError as error:
        raise ValueError(str(error)) from None
