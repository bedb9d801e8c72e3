"""What a search has found, as a table and as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import jsonfile
from ..model import Sequential


@dataclass(frozen=True)
class Trial:
    """One set of parameters and what came of it.

    Attributes
    ----------
    number : int
        Counted from 0.
    params : dict
    value : float
        What is searched for; NaN for a trial that failed.
    metrics : dict of str to float
        Loss and metrics of the validation data: "val_loss", ...
    seconds : float
    error : str or None
        What a trial that failed raised.
    """

    number: int
    params: dict[str, Any]
    value: float
    metrics: dict[str, float]
    seconds: float
    error: str | None = None


@dataclass
class SearchResult:
    """The trials of a search; printed, a table with the best first.

    Attributes
    ----------
    monitor : str
        What was compared: "val_accuracy", "val_loss", ...
    large_is_good : bool
    trials : list of Trial
        In the order of their numbers.
    interrupted : bool
        Ctrl-C has ended the search: some trials are missing.
    """

    monitor: str
    large_is_good: bool
    trials: list[Trial] = field(default_factory=list)
    interrupted: bool = False
    model_path: Path | None = None
    _model: Sequential | None = None

    @property
    def sorted(self) -> list[Trial]:
        """The trials, the best first; those without a value last."""
        sign = -1.0 if self.large_is_good else 1.0
        return sorted(self.trials, key=lambda t: math.inf if math.isnan(t.value) else sign * t.value)

    @property
    def best(self) -> Trial:
        """The best trial, of equal ones the first."""
        best = self.sorted[0] if self.trials else None
        if best is None or math.isnan(best.value):
            raise ValueError("SearchResult: no trial has a value")
        return best

    @property
    def best_params(self) -> dict[str, Any]:
        """Parameters of the best trial."""
        return self.best.params

    @property
    def best_value(self) -> float:
        """Its value."""
        return self.best.value

    @property
    def best_model(self) -> Sequential:
        """Its model, as trained; after a search that was resumed, as `load` reads it from the file."""
        if self._model is None:
            from ..loading import load

            if self.model_path is None or math.isnan(self.best.value):
                raise ValueError("SearchResult: no trial has a model")
            self._model = load(self.model_path)
        return self._model

    def line(self, trial: Trial, planned: int) -> str:
        """Write one trial."""
        value = "failed" if trial.error is not None else f"{self.monitor} {_text(trial.value)}"
        params = "  ".join(f"{name} {_text(given)}" for name, given in trial.params.items())
        return f"trial {trial.number + 1}/{planned}  {value}  {params}  {trial.seconds:.1f} s"

    def __str__(self) -> str:
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.params))
        rows = [["trial", self.monitor, *names, "seconds"]]
        for trial in self.sorted:
            value = "failed" if trial.error is not None else _text(trial.value)
            rows.append(
                [str(trial.number), value, *(_text(trial.params[name]) for name in names), f"{trial.seconds:.1f}"]
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        errors = [f"trial {trial.number} failed: {trial.error}" for trial in self.trials if trial.error is not None]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *errors])


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read(path: Path, settings: Mapping[str, Any]) -> list[Trial]:
    """Return the finished trials of the file; none if there is no file.

    Raises
    ------
    ValueError
        If the file is that of another search, or none at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        content = json.loads(text)
        found, trials = content["search"], [Trial(**trial) for trial in content["trials"]]
        kinds = {(type(trial.number), type(trial.params), type(trial.metrics)) for trial in trials}
        if kinds - {(int, dict, dict)}:
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"search: {path} is no file of a search") from None
    expected = json.loads(jsonfile.as_text(settings))
    different = [key for key in expected if found.get(key) != expected[key]]
    if different:
        key = different[0]
        raise ValueError(
            f"search: {path} belongs to another search: its {key} is {found.get(key)!r}, not {expected[key]!r}"
        )
    return [
        replace(
            trial,
            value=math.nan if trial.value is None else trial.value,
            metrics={name: math.nan if value is None else value for name, value in trial.metrics.items()},
        )
        for trial in trials
    ]


def write(path: Path, settings: Mapping[str, Any], trials: list[Trial]) -> None:
    """Write the trials so far, whole or not at all."""
    jsonfile.write(path, {"search": dict(settings), "trials": [asdict(trial) for trial in trials]})
