"""Measure what an epoch costs outside the compiled calls.

    python benchmarks/overhead.py                                LeNet-5, batch 32, 6,000 and 60,000 random images
    python benchmarks/overhead.py --images 6000 --batch-size 1 --limit 0.05

Prints for each number of images the median time of an epoch, the time in compiled code, and the share outside it:
order of the samples, cutting into calls, sums, progress line, callbacks. With --limit the exit code is 1 where a share
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
    print("| net | batch | images | epoch, ms | compiled, ms | calls | outside, % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for r in results:
        print(
            f"| {r['net']} | {r['batch_size']} | {r['images']:,} | {1e3 * r['epoch_seconds']:.1f} "
            f"| {1e3 * r['compiled_seconds']:.1f} | {r['calls']} | {100 * r['share_outside']:.2f} |"
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
    model.fit(x, y, batch_size=options.batch_size, verbose=0)
    epochs: list[tuple[float, float, int]] = []
    with Clock() as clock:
        for _ in range(options.epochs):
            clock.seconds, clock.calls = 0.0, 0
            start = time.perf_counter()
            model.fit(x, y, batch_size=options.batch_size, callbacks=[ProgressBar(1, io.StringIO())])
            epochs.append((time.perf_counter() - start, clock.seconds, clock.calls))
    return {
        "net": net.title,
        "batch_size": options.batch_size,
        "images": images,
        "epoch_seconds": median(seconds for seconds, _, _ in epochs),
        "compiled_seconds": median(inside for _, inside, _ in epochs),
        "calls": round(median(calls for _, _, calls in epochs)),
        "share_outside": median(1 - inside / seconds for seconds, inside, _ in epochs),
    }


class Clock:
    """Adds up the time in compiled code while it is entered: the entry that all calls go through is replaced."""

    seconds = 0.0
    calls = 0

    def __enter__(self) -> Clock:
        self._launch: Callable[..., Any] = _threads.launch
        _threads.launch = self._timed
        return self

    def __exit__(self, *error: object) -> None:
        _threads.launch = self._launch

    def _timed(self, *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return self._launch(*args)
        finally:
            self.seconds += time.perf_counter() - start
            self.calls += 1


if __name__ == "__main__":
    sys.exit(main())
