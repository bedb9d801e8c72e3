"""Training killed at any moment and started again ends with the bits of one that was left alone.

``FASTNN_KILLS=20 pytest tests/test_sigkill.py`` kills 20 times, and 20 times on the reference backend.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fastnn as fn

SCRIPT = Path(__file__).with_name("killed_training.py")
KILLS = int(os.environ.get("FASTNN_KILLS", "3"))

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
    pytest.mark.slow,
]


def run(checkpoint, backend, seconds=None):
    """Train; kill it so many seconds after its beginning. Return what it printed at its end, and how long it took."""
    command = [sys.executable, str(SCRIPT), str(checkpoint), backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        start = time.perf_counter()
        if seconds is not None:
            time.sleep(seconds)
            process.kill()
        return process.stdout.read(), time.perf_counter() - start


@pytest.mark.parametrize("backend", ["compiled", "reference"] if KILLS > 3 else ["compiled"])
def test_killed_and_resumed_training_ends_with_the_same_bits(tmp_path, backend):
    expected, _ = run(tmp_path / "first", backend)  # which may have to compile
    again, duration = run(tmp_path / "whole", backend)
    assert expected.startswith("ended ") and again == expected
    rng = random.Random(11)
    kills = chains = 0
    while kills < KILLS:
        chains += 1
        checkpoint, found, written = tmp_path / f"chain-{chains}", "", False
        while not found:
            # Short enough that a training is killed several times; the last ones are left to end.
            patience = rng.uniform(0, duration / 3) if kills < KILLS else None
            found, _ = run(checkpoint, backend, patience)
            kills += not found
            assert checkpoint.exists() or not written
            if checkpoint.exists():
                written = True
                fn.load(checkpoint)
            assert len(list(tmp_path.glob(f".chain-{chains}.*"))) <= 1
        assert found == expected
    print(f"{backend}: {kills} kills in {chains} trainings of {duration:.2f} s, all with {expected.split()[1][:16]}")
    assert not list(tmp_path.glob(".*.part"))
