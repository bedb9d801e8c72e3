"""Time kernels: loops in Python, NumPy, compiled on one thread and on all, PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import fastnn_kernels as fk
from fastnn_kernels import _options as options
from fastnn_kernels import reference

from .. import info
from . import blas, machine
from .equality import check, results
from .kernel_results import KernelProfile, KernelTime
from .parts import LOOPS, smaller
from .timing import Time, on_threads, seconds_of, take_turns
from .torch_calls import as_ours, torch_calls
from .work import Work, every_work

LOOP_ROUNDS = 3


def kernels(
    names: str | Sequence[str] = (),
    *,
    shape: str = "",
    threads: int | None = None,
    rounds: int = 5,
    seconds: float = 0.012,
    loops: bool = True,
    torch: bool = True,
    progress: Callable[[str], None] | None = None,
) -> KernelProfile:
    """Time public kernels on shapes of small CNNs: loops in Python, NumPy, compiled, and PyTorch where it is installed.

    All results are compared with those of the NumPy twin before anything is timed. Ctrl-C ends the measurement, and
    what is done is returned.

    Parameters
    ----------
    names : str or sequence of str
        Names of kernels, as "conv2d"; all by default.
    shape : str
        A part of the text of the shape, as "LeNet" or "128x6x", in capitals or not.
    threads : int, optional
        What "all threads" are; the number in use by default.
    rounds : int
        Rounds in which everything is timed in turn; at least 2.
    seconds : float
        Time for each call in each round.
    loops, torch : bool
        False leaves these out.
    progress : callable, optional
        Called with a line of text before each kernel.

    Returns
    -------
    KernelProfile

    Raises
    ------
    TypeError, ValueError
        For an unknown kernel, where no shape fits, or an argument is out of its range.
    RuntimeError
        If a result differs from that of the twin.
    """
    if not isinstance(names, str | Iterable):
        raise TypeError(f"profile.kernels: names is {names!r} ({type(names).__name__}), names of kernels are needed")
    works = _chosen((names,) if isinstance(names, str) else tuple(names), shape)
    count = fk.get_num_threads() if threads is None else options.integer("profile.kernels: threads", threads, 1)
    rounds = options.integer("profile.kernels: rounds", rounds, 2)
    seconds = options.number("profile.kernels: seconds", seconds)
    loops = options.flag("profile.kernels: loops", loops)
    with_torch = options.flag("profile.kernels: torch", torch) and importlib.util.find_spec("torch") is not None
    facts = info.versions()
    peaks = {"gflops": float("nan"), "gbytes": float("nan")}
    rows: list[KernelTime] = []
    interrupted = False
    with on_threads(count, with_torch=with_torch), blas.one_thread() as one_thread:
        facts["threads"] = count
        try:
            if with_torch:
                facts["torch"] = importlib.import_module("torch").__version__
            peaks = machine.limits(count)
            for number, work in enumerate(works, 1):
                if progress is not None:
                    progress(f"{number} of {len(works)}: {work.name}")
                rows.append(_measure(work, count, rounds, seconds, peaks, with_loops=loops, with_torch=with_torch))
        except KeyboardInterrupt:
            interrupted = True
    return KernelProfile(tuple(rows), count, peaks, facts, one_thread, interrupted)


def _chosen(names: tuple[str, ...], shape: str) -> list[Work]:
    works = every_work()
    known = list(dict.fromkeys(work.kernel for work in works))
    for name in names:
        if name not in known:
            raise ValueError(f"profile.kernels: no kernel {name!r} is profiled; there are {', '.join(known)}")
    if not isinstance(shape, str):
        raise TypeError(f"profile.kernels: shape is {shape!r} ({type(shape).__name__}), a str is needed")
    found = [w for w in works if (not names or w.kernel in names) and shape.casefold() in w.shape.casefold()]
    if not found:
        of = f"of {', '.join(names)} " if names else ""
        shapes = ", ".join(dict.fromkeys(w.shape for w in works if not names or w.kernel in names))
        raise ValueError(f"profile.kernels: no shape {of}contains {shape!r}; there are {shapes}")
    return found


def _measure(
    work: Work,
    threads: int,
    rounds: int,
    seconds: float,
    peaks: dict[str, float],
    *,
    with_loops: bool,
    with_torch: bool,
) -> KernelTime:
    """Compare all results, then time all."""
    args, given = work.call()
    compiled, twin = getattr(fk, work.kernel), getattr(reference, work.kernel)
    expected = results(work, twin, (args, given))
    check(work.name, "the compiled kernel", results(work, compiled, (args, given)), expected)
    calls: dict[str, Callable[[], Any]] = {"numpy": lambda: twin(*args, **given)}
    if work.kernel == "conv2d" and "groups" not in given:
        by_columns = {**given, "algorithm": "im2col"}
        check(work.name, "the twin by im2col", results(work, twin, (args, by_columns)), expected)
        calls["im2col"] = lambda: twin(*args, **by_columns)
    theirs = torch_calls(work, args, given) if with_torch else {}
    for layout, torch_call in theirs.items():
        check(work.name, f"PyTorch, {layout},", as_ours(work, torch_call()), expected)
    times: dict[str, Time] = {}
    share = None
    if with_loops:
        times["loops"], share = _loops(work, twin, args, given)
    prepare = {"one": lambda: fk.set_num_threads(1)}
    calls["one"] = lambda: compiled(*args, **given)
    if threads > 1:
        calls["all"], prepare["all"] = calls["one"], lambda: fk.set_num_threads(threads)
    try:
        found = take_turns({**calls, **theirs}, rounds, seconds, prepare)
    finally:
        fk.set_num_threads(threads)
    times |= {name: Time.of(found[name]) for name in calls}
    times.setdefault("all", times["one"])
    if theirs:
        times["torch"] = min((Time.of(found[layout]) for layout in theirs), key=lambda time: time.seconds)
    return _row(work, times, share, peaks)


def _loops(work: Work, twin: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Time, float]:
    """Compare and time the loops in Python on a part of the work; return the time of the whole, and that share."""
    loops = LOOPS[work.kernel]
    part, share = smaller(work.kernel, (args, given))
    check(work.name, "the loops in Python", results(work, loops, part), results(work, twin, part))
    times = [seconds_of(lambda: loops(*part[0], **part[1]), 0.0) / share for _ in range(LOOP_ROUNDS)]
    return Time.of(times), share


def _row(work: Work, times: dict[str, Time], share: float | None, peaks: dict[str, float]) -> KernelTime:
    median = {name: time.seconds for name, time in times.items()}
    gflops = work.flops / median["all"] / 1e9 if work.flops else None
    gbytes = work.bytes / median["all"] / 1e9
    return KernelTime(
        kernel=work.kernel,
        shape=work.shape,
        flops=work.flops,
        bytes=work.bytes,
        loops=median.get("loops"),
        loops_share=share,
        numpy=median["numpy"],
        im2col=median.get("im2col"),
        one=median["one"],
        all=median["all"],
        torch=median.get("torch"),
        spread={name: time.spread for name, time in times.items()},
        gflops=gflops,
        gbytes=gbytes,
        share_of_peak=None if gflops is None else gflops / peaks["gflops"],
        share_of_bandwidth=gbytes / peaks["gbytes"],
    )
