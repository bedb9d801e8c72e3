"""The search itself."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastnn_kernels import _options as options

from .. import inputs, jsonfile
from ..callbacks.monitor import MODES, large_is_good
from ..container import as_path
from ..inputs import Batch
from ..model import Sequential
from .distributions import Distribution, Space, check_space, choose
from .result import SearchResult, Trial, read, write

# Parameters of fit: the space may have them, and `build` does not get them.
_OF_FIT = ("batch_size", "epochs")
_MODEL = ".fastnn"


def search(
    build: Callable[..., Sequential],
    space: Space,
    x: Any,
    y: Any = None,
    *,
    method: str = "random",
    trials: int | None = None,
    epochs: int = 1,
    batch_size: int | str = 32,
    validation_data: Any = None,
    validation_split: float = 0.2,
    fit_options: Mapping[str, Any] | None = None,
    monitor: str | None = None,
    mode: str = "auto",
    seed: int = 0,
    path: str | os.PathLike[str] | None = None,
    on_error: str = "record",
    verbose: int = 1,
) -> SearchResult:
    """Train a model for each of many sets of parameters, and compare them on validation data.

    Parameters
    ----------
    build : callable
        Called with the parameters by name; returns a compiled model.
    space : dict of str to list or Distribution
        Values of each parameter, or what they are drawn from: `Uniform`, `LogUniform`, `Integers` of
        `fastnn.tuning`. "batch_size" and "epochs" go to `fit`, all others to `build`.
    x, y
        As `fit` takes them; arrays if part of them is to be split off.
    method : "random" or "grid"
        "grid" tries all combinations of lists, the last parameter changing fastest. "random" draws; of lists no
        combination twice.
    trials : int, optional
        How many: 10, or all of a grid.
    epochs, batch_size
        Of trials, where the space has none.
    validation_data : (x, y), optional
        What the models are compared on.
    validation_split : float
        Share taken from the end of x and y where no validation_data are given.
    fit_options : dict, optional
        More arguments of `fit`: callbacks, shuffle, augment, ...
    monitor : str, optional
        What is compared, measured after training: "val_accuracy" where the model has it, else "val_loss".
    mode : "auto", "min" or "max"
        Whether small or large is good; "auto" knows it of the losses and metrics of fastnn.
    seed : int
        Of the parameters drawn. A trial's parameters depend on nothing else.
    path : str or path, optional
        JSON file of the trials, written after each one; the best model is saved beside it, with the suffix
        ".fastnn". Called again with the same arguments, the search goes on: trials in the file are not run again,
        but those that failed are.
    on_error : "record" or "raise"
        What to do where a trial raises an exception: note it and go on, or let it through.
    verbose : 0 or 1
        1 prints a line a trial.

    Returns
    -------
    SearchResult
        After Ctrl-C with the finished trials, and `interrupted` is True.

    Raises
    ------
    RuntimeError
        If every trial failed.
    ValueError
        If the file at `path` is that of another search.
    KeyboardInterrupt
        On Ctrl-C, if no trial is finished.
    """
    space = check_space(space)
    if not callable(build):
        raise TypeError(f"search: build is a {type(build).__name__}, a function is needed")
    if trials is not None:
        trials = options.integer("search: trials", trials, 1)
    options.choice("search: mode", mode, MODES)
    options.choice("search: on_error", on_error, ("record", "raise"))
    seed = options.integer("search: seed", seed, 0)
    planned = choose(space, method, trials, seed)
    training, validation = _split(x, y, validation_data, validation_split)
    if fit_options is not None and not isinstance(fit_options, Mapping):
        raise TypeError(f"search: fit_options is a {type(fit_options).__name__}, a dict is needed")
    fixed = {"epochs": epochs, "batch_size": batch_size, **(fit_options or {})}
    for name in {"validation_data", "validation_split", "verbose", "x", "y"} & set(fixed):
        raise ValueError(f"search: fit_options has {name!r}, which search gives to fit itself")
    file = None if path is None else as_path("search", path)
    if file is not None and file.suffix == _MODEL:
        raise ValueError(f"search: path is {file}, another suffix is needed: {_MODEL} is that of the best model")
    settings = {"space": _described(space, needed=file is not None), "method": method, "seed": seed, "mode": mode}
    settings |= {"monitor": monitor, "epochs": epochs, "batch_size": batch_size}
    done: dict[int, Trial] = {}
    if file is not None:
        jsonfile.check_writable(file)
        done = {trial.number: trial for trial in read(file, settings) if trial.error is None}
    result = SearchResult(monitor or "", False, list(done.values()))
    result.model_path = None if file is None else file.with_suffix(_MODEL)
    for trial in result.trials:
        _choose_monitor(result, trial.metrics, mode)
    try:
        for number, params in enumerate(planned):
            if number in done:
                continue
            began = time.perf_counter()
            model, failure = None, None
            metrics: dict[str, float] = {}
            try:
                model, metrics = _train(build, params, training, validation, fixed)
            except Exception as error:
                if on_error == "raise":
                    raise
                failure = f"{type(error).__name__}: {error}"
            seconds = time.perf_counter() - began
            _choose_monitor(result, metrics, mode)
            value = metrics.get(result.monitor, math.nan)
            value = value if math.isfinite(value) else math.nan
            trial = Trial(number, params, value, metrics, seconds, failure)
            _keep(result, trial, model, file, settings)
            if verbose:
                print(result.line(trial, len(planned)), flush=True)
    except KeyboardInterrupt:
        if all(trial.error is not None for trial in result.trials):
            raise
        result.interrupted = True
    if all(trial.error is not None for trial in result.trials):
        raise RuntimeError(f"search: all {len(planned)} trials failed; trial 0: {result.trials[0].error}")
    return result


def _train(
    build: Callable[..., Sequential], params: Mapping[str, Any], training: Batch, validation: Batch, fixed: Any
) -> tuple[Sequential, dict[str, float]]:
    """Return a trained model, and what is measured on the validation data."""
    model = build(**{name: value for name, value in params.items() if name not in _OF_FIT})
    if not isinstance(model, Sequential):
        raise TypeError(f"search: build returned {type(model).__name__}, a compiled Sequential is needed")
    given = fixed | {name: params[name] for name in _OF_FIT if name in params}
    model.fit(*training, validation_data=validation, verbose=0, **given)
    # Not what fit measured last: EarlyStopping has put the best weights back.
    return model, {f"val_{name}": value for name, value in model.evaluate(*validation).items()}


def _choose_monitor(result: SearchResult, metrics: Mapping[str, float], mode: str) -> None:
    """Settle what is compared, once it is known what is measured."""
    if not metrics:
        return
    if not result.monitor:
        result.monitor = "val_accuracy" if "val_accuracy" in metrics else "val_loss"
    if result.monitor not in metrics:
        raise ValueError(f"search: monitor is {result.monitor!r}, measured are {', '.join(metrics)}")
    result.large_is_good = large_is_good(result.monitor, mode)


def _keep(
    result: SearchResult, trial: Trial, model: Sequential | None, file: Path | None, settings: Mapping[str, Any]
) -> None:
    """Add a trial; keep its model if it is the best, and write both down."""
    result.trials.append(trial)
    result.trials.sort(key=lambda each: each.number)
    if model is not None and result.sorted[0] is trial and not math.isnan(trial.value):
        result._model = model
        if result.model_path is not None:
            # First: a trial that is in the file is not run again, and its model would be missing.
            model.save(result.model_path)
    if file is not None:
        write(file, settings, result.trials)


def _split(x: Any, y: Any, data: Any, share: float) -> tuple[Batch, Batch]:
    """Return what is trained on and what the models are compared on."""
    if data is not None:
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise TypeError("search: validation_data is no pair of arrays, (x, y) is needed")
        return (x, y), (data[0], data[1])
    share = options.number("search: validation_split", share, below=1.0)
    if y is None:
        raise TypeError("search: y is missing; without arrays validation_data is needed")
    x, y = inputs.as_numbers("search", "x", x), inputs.as_numbers("search", "y", y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(f"search: x has shape {x.shape} and y {y.shape}, as many samples are needed")
    return inputs.split_off("search: validation_split", x, y, share)


def _described(space: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    """Write the space as JSON knows it; where a file is to hold the trials, nothing else will do."""
    described: dict[str, Any] = {}
    for name, values in space.items():
        if isinstance(values, Distribution):
            described[name] = {"distribution": type(values).__name__, **vars(values)}
            continue
        for value in values:
            if needed and not isinstance(value, (str, int, float, type(None))):
                raise TypeError(
                    f"search: space[{name!r}] has {value!r}: with path= values are numbers, strings, True, False "
                    "or None; give names, and let build look up what they stand for"
                )
        described[name] = list(values)
    return described
