"""What has been measured of a model's training step, as plain data, a table, JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from . import table

PHASES = ("forward", "backward", "update")


@dataclass(frozen=True)
class LayerTime:
    """One layer, or several whose work is done at once; times in seconds a step, without the waiting.

    Attributes
    ----------
    name : str
        As `summary` shows it; "conv2d + max_pool2d" where both run in one pass.
    forward, backward, update : float
    share : float
        Of the step.
    flops : int
        Multiplications and additions of a step, forward and backward, of the direct definition of convolutions and
        dense layers; those of other layers are not counted.
    gflops, share_of_peak : float or None
        Done a second, and as a share of the measured peak; None without flops.
    bytes : int
        Read and written at least: inputs, outputs and parameters forward, and twice that backward. What is between
        layers that run in one pass is not counted.
    parameters : int
    activations : int
        Bytes of the layer's outputs for the batch.
    reference : float or None
        Seconds of the same layers in a step of the NumPy interpreter; None where it was left out.
    """

    name: str
    forward: float
    backward: float
    update: float
    share: float
    flops: int
    gflops: float | None
    share_of_peak: float | None
    bytes: int
    parameters: int
    activations: int
    reference: float | None

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.forward + self.backward + self.update


@dataclass(frozen=True)
class ModelProfile:
    """What `fastnn.profile.model` has measured; ``str()`` is a table.

    Attributes
    ----------
    layers : tuple of LayerTime
        In the order of the model.
    rest : dict of str to float
        Seconds a step of what belongs to no layer: "images", "packed weights", "loss", "sums of gradients",
        "waiting" of threads for each other, "Python" around the compiled call.
    step : float
        Seconds a step, with the clock running: layers and rest are parts of it.
    unwatched : float
        Seconds a step without the clock, in the same minute.
    reference : float or None
        Seconds a step of the NumPy interpreter; None where it was left out. What its layers do not take of it is in
        `reference_rest`.
    batch_size, threads : int
    fused : bool
    peak : float
        GFLOP/s of all threads, measured.
    machine : dict
        Versions and processor.
    interrupted : bool
        Whether Ctrl-C cut the measurement short.
    """

    layers: tuple[LayerTime, ...]
    rest: dict[str, float]
    step: float
    unwatched: float
    reference: float | None
    batch_size: int
    threads: int
    fused: bool
    peak: float
    machine: dict[str, Any]
    interrupted: bool = False

    @property
    def slowest(self) -> LayerTime:
        """The layer that takes most time."""
        return max(self.layers, key=lambda layer: layer.seconds)

    @property
    def reference_rest(self) -> float | None:
        """Seconds of a step of the NumPy interpreter that belong to no layer here: images, loss, reshapes, Python."""
        if self.reference is None:
            return None
        return self.reference - sum(layer.reference or 0.0 for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as dicts, lists and numbers."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "layers"}
        return {**named, "reference_rest": self.reference_rest, "layers": [asdict(layer) for layer in self.layers]}

    def to_csv(self) -> str:
        """Return a head and a line for each layer and each part of the rest."""
        columns = [field.name for field in fields(LayerTime)]
        columns.insert(1, "seconds")
        lines: list[dict[str, Any]] = [{**asdict(layer), "seconds": layer.seconds} for layer in self.layers]
        empty = dict.fromkeys(columns)
        lines += [{**empty, "name": name, "seconds": s, "share": s / self.step} for name, s in self.rest.items()]
        return table.as_csv(columns, lines)

    def to_html(self) -> str:
        """Return one page with a bar of the step, which needs no network."""
        from . import model_page  # here, because it imports the model API

        parts = [model_page.Part(phase, layer.name, getattr(layer, phase)) for phase in PHASES for layer in self.layers]
        parts += [model_page.Part("rest", name, seconds) for name, seconds in self.rest.items()]
        facts = {
            "step": table.time_text(self.step),
            "images a second": f"{self.batch_size / self.step:,.0f}",
            "slowest": self.slowest.name,
        }
        if self.reference is not None:
            facts["NumPy"] = f"{table.time_text(self.reference)}, {self.reference / self.step:.0f} times as long"
        return model_page.of_step(f"Training step, {self._setting}", facts, parts, *self._cells(), self.machine)

    def __str__(self) -> str:
        return self.as_text()

    def as_text(self, width: int | None = None) -> str:
        """Return the table for lines of so many characters: two tables one below the other where it is wider."""
        head, rows = self._cells()
        lines = [table.lay_out(head, [("", rows)], width), ""]
        lines.append(
            f"A step, {self._setting}: {table.time_text(self.step)}, {self.batch_size / self.step:,.0f} images a "
            f"second; {table.time_text(self.unwatched)} without the clock."
        )
        if self.reference is not None:
            times = table.digits(self.reference / self.step, 2)
            rest = table.time_text(max(0.0, self.reference_rest or 0.0))
            lines.append(
                f"With NumPy: {table.time_text(self.reference)}, {times} times as long, {rest} of it in no layer."
            )
        lines.append(f"Slowest: {self.slowest.name}, {table.share_text(self.slowest.share)} of the step.")
        if self.fused and any(" + " in layer.name for layer in self.layers):
            lines.append("Layers with + run in one pass, forward or backward.")
        lines.append(f"GFLOP/s of direct sums, and their share of the measured {self.peak:.0f} GFLOP/s.")
        if self.interrupted:
            lines.append("Interrupted: fewer steps were measured.")
        return "\n".join(lines)

    @property
    def _setting(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"batch {self.batch_size}, {threads}" + ("" if self.fused else ", nothing fused")

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the table."""
        head = ["layer", "time", *PHASES, "share", "NumPy", "GFLOP/s", "of peak", "GB/s", "parameters", "activations"]
        rows = []
        for layer in self.layers:
            rate = None if layer.gflops is None else table.digits(layer.gflops, 2)
            peak = None if layer.share_of_peak is None else table.share_text(layer.share_of_peak)
            rows.append([
                layer.name, table.time_text(layer.seconds),
                *(table.time_text(getattr(layer, phase) or None) for phase in PHASES),
                table.share_text(layer.share), table.time_text(layer.reference), rate or "", peak or "",
                table.digits(layer.bytes / layer.seconds / 1e9, 2) if layer.seconds else "",
                f"{layer.parameters:,}", f"{layer.activations / 2**20:.2f} MB",
            ])  # fmt: skip
        for name, seconds in self.rest.items():
            rows.append([name, table.time_text(seconds), *[""] * 3, table.share_text(seconds / self.step), *[""] * 6])
        return head, rows
