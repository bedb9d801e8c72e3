"""One start of `starts.py`: train LeNet-5 with one library, tell of the first step, then the peak of the memory.

Imports nothing but the library and what both sides need: it is timed from the start of the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nets
from workers import batches, torch_step

BATCH, STEPS = 128, 25


def main() -> None:
    """Print a line when the first step is done, and a line of JSON at the end of a short epoch."""
    library, threads = sys.argv[1], int(sys.argv[2])
    net = nets.NETS["lenet5"]
    training = {"fastnn": _fastnn, "torch": _torch}[library](net, threads)
    next(training)
    print("first step", flush=True)
    config = next(training)
    print(json.dumps({"peak_megabytes": peak_megabytes(), "config": config}))


def _fastnn(net: nets.Net, threads: int) -> Iterator[dict[str, Any]]:
    """Pause behind the first step, and behind an epoch with the configuration."""
    import fastnn as fn
    import fastnn_kernels as fk

    fn.set_num_threads(threads)
    x, y = nets.data(net, STEPS * BATCH)
    model = nets.build_fastnn(net)
    model.train_step(x[:BATCH], y[:BATCH])
    yield {}
    model.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    yield fk.config()


def _torch(net: nets.Net, threads: int) -> Iterator[dict[str, Any]]:
    import torch

    torch.set_num_threads(threads)
    images, y = (torch.from_numpy(part) for part in nets.data(net, STEPS * BATCH))
    step, x = torch_step(nets.build_torch(net), images, "eager")
    step(x[:BATCH], y[:BATCH]).item()
    yield {}
    for part in batches((x, y), BATCH):
        step(*part).item()
    yield {}


def peak_megabytes() -> float | None:
    """Return the most memory that this process has had resident, in MiB, or None where the system does not tell.

    Linux counts in ``ru_maxrss`` what the process had before it became this program; ``VmHWM`` is ours alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    main()
