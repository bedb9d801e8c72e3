"""A process that runs out of disk space while it saves, for `test_full_disk.py`: prints what it found as JSON.

``python full_disk.py FOLDER limit``: files may have 60,000 bytes. ``... FOLDER mounted``: the folder has 200 kB.
"""

import json
import resource
import signal
import sys
from pathlib import Path

import numpy as np

import fastnn as fn

LIMIT = 60_000


def build(units):
    layers = [fn.Flatten(), fn.Dense(units, activation="relu"), fn.Dense(2)]
    model = fn.Sequential(layers, input_shape=(1, 4, 4), dtype=np.float64)
    model.backend = "reference"
    model.compile(fn.Adam(), "softmax_cross_entropy")
    return model


def attempt(write, path):
    """Try to save; return what went wrong, and what is at the place then."""
    try:
        write(path)
        told = "saved"
    except OSError as error:
        told = f"OSError {error.filename}"
    names = sorted(p.name for p in path.parent.iterdir())
    return [told, names, fn.load(path).training_state.step]


def main(folder, way):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 1, 4, 4)), rng.integers(0, 2, 8)
    path, junk = folder / "model", folder / "junk"
    small, large = build(2), build(150)  # files of 5 and of 70 kB
    small.train_step(x, y)
    large.fit(x, y, epochs=7, verbose=0)
    found = [attempt(small.save_checkpoint, path)]
    if way == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
    else:
        junk.write_bytes(bytes(150_000))
    found += [attempt(large.save_checkpoint, path), attempt(large.save, path), attempt(small.save, path)]
    if way == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        junk.unlink()
    found.append(attempt(large.save_checkpoint, path))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
