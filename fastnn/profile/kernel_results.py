"""What has been measured of kernels, as plain data, a table, JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from . import table

SERIES = ("loops", "numpy", "im2col", "one", "all", "torch")
RATIOS = ("loops", "numpy", "im2col", "torch")


@dataclass(frozen=True)
class KernelTime:
    """One kernel on one shape; times are medians in seconds, None where there is nothing to time.

    Attributes
    ----------
    kernel, shape : str
    flops, bytes : int
        Operations of the direct definition, 0 where there are hardly any; bytes that are read and written at least.
    loops : float or None
        Loops in plain Python, extrapolated from the part `loops_share` of the work.
    loops_share : float or None
    numpy : float
        The NumPy twin.
    im2col : float or None
        Convolutions: the twin as im2col and a product by BLAS.
    one, all : float
        The compiled kernel on one thread and on all: whole calls from Python, packing included.
    torch : float or None
        The faster of PyTorch's memory layouts, on all threads.
    spread : dict of str to float
        The distance of the quartiles of each time as a share of its median.
    gflops, gbytes : float
        Done a second on all threads; `gflops` is None where `flops` is 0.
    share_of_peak, share_of_bandwidth : float
        Of the measured peaks of all threads. Above 1 where data stay in the caches, or where an algorithm does less
        than the direct definition.
    """

    kernel: str
    shape: str
    flops: int
    bytes: int
    loops: float | None
    loops_share: float | None
    numpy: float
    im2col: float | None
    one: float
    all: float
    torch: float | None
    spread: dict[str, float]
    gflops: float | None
    gbytes: float
    share_of_peak: float | None
    share_of_bandwidth: float

    @property
    def speed_up(self) -> dict[str, float | None]:
        """How many times as fast the compiled kernel is: on all threads as torch, on one as the others."""
        ratios = {}
        for name in RATIOS:
            other = getattr(self, name)
            ratios[name] = None if other is None else other / (self.all if name == "torch" else self.one)
        return ratios

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, `speed_up` among them."""
        return {**asdict(self), "speed_up": self.speed_up}


@dataclass(frozen=True)
class KernelProfile:
    """What `fastnn.profile.kernels` has measured; ``str()`` is a table.

    Attributes
    ----------
    rows : tuple of KernelTime
    threads : int
        What "all threads" are.
    peaks : dict of str to float
        "gflops" and "gbytes", measured, of all threads.
    machine : dict
        Versions and processor.
    blas_on_one_thread : bool
        Whether the products of the NumPy twins ran on one thread; False where BLAS is one that cannot be told to.
    interrupted : bool
        Whether Ctrl-C left kernels out.
    """

    rows: tuple[KernelTime, ...]
    threads: int
    peaks: dict[str, float]
    machine: dict[str, Any]
    blas_on_one_thread: bool
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as dicts, lists and numbers."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rows"}
        return {**named, "kernels": [row.to_dict() for row in self.rows]}

    def to_csv(self) -> str:
        """Return a head and a line for each kernel and shape."""
        columns = [field.name for field in fields(KernelTime) if field.name != "spread"]
        columns += [f"spread_{name}" for name in SERIES] + [f"speed_up_{name}" for name in RATIOS]
        lines = []
        for row in self.rows:
            cells = row.to_dict()
            spread, ratios = cells.pop("spread"), cells.pop("speed_up")
            cells |= {f"spread_{name}": spread.get(name) for name in SERIES}
            lines.append(cells | {f"speed_up_{name}": ratios[name] for name in RATIOS})
        return table.as_csv(columns, lines)

    def to_html(self) -> str:
        """Return one page with a roofline and bars, which needs no network."""
        from . import page  # here, because it imports the model API

        return page.of_kernels(self)

    def __str__(self) -> str:
        return self.as_text()

    def as_text(self, width: int | None = None) -> str:
        """Return the table for lines of so many characters: two tables one below the other where it is wider."""
        if not self.rows:
            return "Interrupted before the first kernel was done."
        lines = [self._table(width), ""]
        if any(row.loops is not None for row in self.rows):
            lines.append("* loops in plain Python, timed on a small part of the work and extrapolated.")
        lines.append("12x after a time: the compiled kernel is 12 times as fast, on one thread (PyTorch: on all).")
        if not self.blas_on_one_thread:
            lines.append("NumPy, im2col+BLAS: BLAS used threads of its own.")
        lines.append("Medians of whole calls from Python; +-: distance of the quartiles.")
        lines.append(
            f"Percentages of the peaks as measured, on {self._threads}: {self.peaks['gflops']:.0f} GFLOP/s, "
            f"{self.peaks['gbytes']:.1f} GB/s of memory; caches are faster than that."
        )
        names = [name for name in ("fastnn", "numpy", "numba", "torch") if name in self.machine]
        versions = ", ".join(f"{name} {self.machine[name]}" for name in names)
        lines.append(f"{self.machine['cpu']}, {self.machine['isa']}; {versions}.")
        if self.interrupted:
            lines.append("Interrupted: this is what was done.")
        return "\n".join(lines)

    @property
    def _threads(self) -> str:
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"

    def _table(self, width: int | None) -> str:
        rows = self.rows

        def slower(name: str) -> list[str]:
            ratios = (row.speed_up[name] for row in rows)
            texts = ["" if ratio is None else f"{table.digits(ratio, 2)}x" for ratio in ratios]
            return table.pairs([table.time_text(getattr(row, name)) for row in rows], texts)

        def rate(name: str, share: str) -> list[str]:
            found = [(getattr(row, name), getattr(row, share)) for row in rows]
            numbers = ["" if a is None else table.digits(a, 2) for a, _ in found]
            return table.pairs(numbers, ["" if b is None else table.share_text(b) for _, b in found])

        columns = {
            "loops*": slower("loops"),
            "NumPy": slower("numpy"),
            "im2col+BLAS": slower("im2col"),
            "1 thread": [table.time_text(row.one) for row in rows],
            self._threads: [table.time_text(row.all) for row in rows],
            "+-": [table.share_text(row.spread["all"]) for row in rows],
            "PyTorch": slower("torch"),
            "GFLOP/s": rate("gflops", "share_of_peak"),
            "GB/s": rate("gbytes", "share_of_bandwidth"),
        }
        groups: dict[str, list[list[str]]] = {}
        for k, row in enumerate(rows):
            groups.setdefault(row.shape, []).append([row.kernel, *(column[k] for column in columns.values())])
        return table.lay_out(["kernel", *columns], groups.items(), width)
