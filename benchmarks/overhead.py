"""Measure what an epoch costs outside the compiled calls.

    python benchmarks/overhead.py                                LeNet-5, batch 32, 6,000 and 60,000 random images
    python benchmarks/overhead.py --images 6000 --batch-size 1 --limit 0.05

Prints for each number of images the median time of an epoch, the time in compiled code, and the share outside it:
order of the samples, cutting into calls, sums, progress line, callbacks. On a busy machine, where waiting for the
processor counts as well, only the processor time of that says something. With --limit the exit code is 1 where a share
is larger.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import fastnn as fn
import nets
from fastnn.callbacks import ProgressBar
from fastnn_kernels import _threads


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table, write the file that was asked for."""
    parser = argparse.ArgumentParser(description="Measure what an epoch costs outside the compiled calls.")
    add = parser.add_argument
    add("--net", choices=tuple(nets.NETS), default="lenet5", help="default %(default)s")
    add("--images", type=int, action="append", help="repeatable; default 6000 and 60000")
    add("--batch-size", type=int, default=32, help="default %(default)s")
    add("--epochs", type=int, default=5, help="measured after one to warm up; default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--limit", type=float, help="largest share outside that is allowed")
    add("--json", type=Path, metavar="FILE", help="write the figures to this file")
    options = parser.parse_args(argv)
    fn.set_num_threads(options.threads)
    results = [measure(options, images) for images in options.images or (6000, 60000)]
    print("| net | batch | images | epoch, ms | compiled, ms | calls | outside, % | outside, ms of CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for r in results:
        print(
            f"| {r['net']} | {r['batch_size']} | {r['images']:,} | {1e3 * r['epoch_seconds']:.1f} "
            f"| {1e3 * r['compiled_seconds']:.1f} | {r['calls']} | {100 * r['share_outside']:.2f} "
            f"| {1e3 * r['cpu_seconds_outside']:.1f} |"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return int(options.limit is not None and any(r["share_outside"] > options.limit for r in results))


def measure(options: argparse.Namespace, images: int) -> dict[str, Any]:
    """Train some epochs with shuffling, accuracy and a progress line; return the median epoch's times."""
    net = nets.NETS[options.net]
    x, y = nets.data(net, images)
    model = nets.build_fastnn(net)
    fn.warmup(model, options.batch_size)
    with Clock() as clock:
        bar = ProgressBar(1, io.StringIO())
        model.fit(x, y, epochs=1 + options.epochs, batch_size=options.batch_size, callbacks=[clock, bar])
    epochs = clock.epochs[1:]
    return {
        "net": net.title,
        "batch_size": options.batch_size,
        "images": images,
        "epoch_seconds": median(seconds for seconds, *_ in epochs),
        "compiled_seconds": median(inside for _, inside, *_ in epochs),
        "cpu_seconds_outside": median(outside for _, _, outside, _ in epochs),
        "calls": round(median(calls for *_, calls in epochs)),
        "share_outside": median(1 - inside / seconds for seconds, inside, *_ in epochs),
    }


class Clock(fn.Callback):
    """Adds up the time in compiled code while it is entered: the entry that all calls go through is replaced.

    Attributes
    ----------
    epochs : list of (float, float, float, int)
        Of each epoch: seconds, those in compiled code, those of this thread's processor time outside, calls.
    """

    def __init__(self) -> None:
        self.epochs: list[tuple[float, float, float, int]] = []
        self._inside = self._cpu_inside = 0.0
        self._calls = 0

    def on_train_begin(self, logs: dict[str, float]) -> None:
        """Start the first epoch's clock."""
        self._begin()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write an epoch down, from the end of the one before."""
        seconds, cpu_seconds = time.perf_counter() - self._start, time.thread_time() - self._cpu_start
        self.epochs.append((seconds, self._inside, cpu_seconds - self._cpu_inside, self._calls))
        self._begin()

    def _begin(self) -> None:
        self._inside, self._cpu_inside, self._calls = 0.0, 0.0, 0
        self._start, self._cpu_start = time.perf_counter(), time.thread_time()

    def __enter__(self) -> Clock:
        self._launch: Callable[..., Any] = _threads.launch
        _threads.launch = self._timed
        return self

    def __exit__(self, *error: object) -> None:
        _threads.launch = self._launch

    def _timed(self, *args: Any) -> Any:
        start, cpu_start = time.perf_counter(), time.thread_time()
        try:
            return self._launch(*args)
        finally:
            self._inside += time.perf_counter() - start
            self._cpu_inside += time.thread_time() - cpu_start
            self._calls += 1


if __name__ == "__main__":
    sys.exit(main())
