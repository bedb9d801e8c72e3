"""One measurement in a process of its own: train one network with one library, give a dict for JSON."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nets

CURVE_STEPS = 20
VARIANTS = ("eager", "channels_last", "compile", "compile+channels_last")


def images_per_second(epoch: Callable[[], object], images: int, seconds: float) -> float:
    """Run one epoch to warm up, then epochs for at least `seconds`, three or more; take the median."""
    epoch()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        start = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - start)
    return images / statistics.median(times)


def fastnn_worker(
    net: nets.Net, batch: int, threads: int, images: int, seconds: float, weights: Path
) -> dict[str, Any]:
    """Measure fastnn; leave the initial weights in the file `weights` for the others."""
    import fastnn as fn
    import fastnn_kernels as fk

    fn.set_num_threads(threads)
    x, y = nets.data(net, images)
    model = nets.build_fastnn(net)
    np.savez(weights, **model.params)
    curve = [float(model.train_step(*part)) for part in batches((x, y), batch, CURVE_STEPS)]

    def epoch() -> None:
        model.fit(x, y, epochs=1, batch_size=batch, shuffle=False, verbose=0)

    return {
        "runs": {"fastnn": {"losses": curve, "images_per_second": images_per_second(epoch, images, seconds)}},
        "fma_peak_gflops": fk.fma_peak(threads=threads, dtype=np.float32),
        "config": fk.config(),
    }


def torch_worker(
    net: nets.Net, batch: int, threads: int, images: int, seconds: float, weights: Path, variants: list[str]
) -> dict[str, Any]:
    """Measure PyTorch, one variant after the other, each from the weights in the file `weights`."""
    import torch

    torch.set_num_threads(threads)
    with np.load(weights) as archive:
        initial = {name: archive[name] for name in archive.files}
    x, y = (torch.from_numpy(part) for part in nets.data(net, images))
    runs: dict[str, Any] = {}
    if len(net.image) < 3:
        variants = [variant for variant in variants if "channels_last" not in variant]
    for variant in variants:
        model = nets.build_torch(net, initial)
        step, data = torch_step(model, x, variant)
        try:
            curve = [step(*part).item() for part in batches((data, y), batch, CURVE_STEPS)]
        except Exception as error:
            runs[variant] = torch_error(variant, error)
            continue

        def epoch(step: Callable[..., Any] = step, data: Any = data) -> None:
            for part in batches((data, y), batch):
                step(*part)

        runs[variant] = {"losses": curve, "images_per_second": images_per_second(epoch, images, seconds)}
    return {"runs": runs}


def torch_error(variant: str, error: Exception) -> dict[str, str]:
    """Say why a compiled variant does not run, in the place of its figures; other variants have no excuse."""
    if not variant.startswith("compile"):
        raise error
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return {"error": f"torch.compile needs a C++ compiler, and there is no {compiler} on this machine"}
    return {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}


def torch_step(model: Any, x: Any, variant: str) -> tuple[Callable[..., Any], Any]:
    """Make the training step of a variant, and its copy of the images."""
    import torch
    from torch.nn.functional import cross_entropy

    if variant.endswith("channels_last"):
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)

    def loss_of(images: Any, labels: Any) -> Any:
        return cross_entropy(model(images), labels)

    loss_function = torch.compile(loss_of) if variant.startswith("compile") else loss_of
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(images, labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, x


def batches(arrays: tuple[Any, Any], batch: int, count: int | None = None) -> Iterator[tuple[Any, Any]]:
    """Cut both arrays into batches, in order; the first `count` of them if given."""
    whole = len(arrays[0]) // batch
    for index in range(whole if count is None else count):
        part = slice(index * batch, (index + 1) * batch)
        yield arrays[0][part], arrays[1][part]


def environment(threads: int) -> dict[str, str]:
    """Give the environment of a worker: libraries that read it start with the right number of threads.

    JAX has no call for that: ``PJRT_NPROC`` is how many processors its client for CPUs takes for there, each of which
    gets a thread. Only tasks that it does not cut up run on others.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC")
    return {**os.environ, **dict.fromkeys(names, str(threads))}
