"""What this installation runs on: versions, processor, vector lanes, threads, cache."""

import platform
from importlib.metadata import version
from typing import Any

VERSIONS = ("fastnn", "numpy", "numba", "llvmlite", "python", "cpu", "isa", "threads")


def collect() -> dict[str, Any]:
    """Gather versions and the settings of the compiled kernels in one dict.

    Returns
    -------
    dict
        fastnn, numpy, numba, llvmlite, python (versions); cpu, isa, lanes_float32, lanes_float64, fma,
        threads, cache_dir (None where compiled kernels cannot be kept).
    """
    # Here, because it imports Numba, which `fastnn --help` need not wait for.
    import fastnn_kernels
    from fastnn_kernels._version import __version__

    return {
        "fastnn": __version__,
        **{name: version(name) for name in ("numpy", "numba", "llvmlite")},
        "python": platform.python_version(),
        **fastnn_kernels.config(),
    }


def versions() -> dict[str, Any]:
    """Gather what measurements depend on: versions, processor and threads."""
    found = collect()
    return {name: found[name] for name in VERSIONS}


def as_text(facts: dict[str, Any]) -> str:
    """Lay out the result of `collect` for reading, one fact a line."""
    rows = [(name, facts[name]) for name in ("fastnn", "numpy", "numba", "llvmlite", "python", "cpu")]
    rows += [
        ("isa", facts["isa"] + (" with FMA" if facts["fma"] else " without FMA")),
        ("lanes", f"{facts['lanes_float32']} float32, {facts['lanes_float64']} float64"),
        ("threads", facts["threads"]),
        ("cache", facts["cache_dir"] or "none (no writable folder: kernels are compiled in every process)"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def show_config() -> None:
    """Print versions, processor, lanes, threads and cache folder."""
    print(as_text(collect()))
