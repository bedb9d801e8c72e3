"""A full disk, and Ctrl-C, while a model is saved: the file of before is whole, and nothing else is left."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from model_helpers import small_data, small_model, state_of

import fastnn as fn

SCRIPT = Path(__file__).with_name("full_disk.py")
MOUNT = 'mount -t tmpfs -o size=200k none "$0" && exec "$@"'


def own_disk(folder):
    """The start of a command that runs in a name space in which the folder is a small disk of its own."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
@pytest.mark.parametrize("way", ["limit", "mounted"])
def test_a_full_disk_loses_nothing(tmp_path, way):
    start = own_disk(tmp_path) if way == "mounted" else []
    if start and (not shutil.which("unshare") or subprocess.run([*start, "true"], check=False).returncode):
        pytest.skip("no disk can be mounted here")
    command = [*start, sys.executable, str(SCRIPT), str(tmp_path), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, failed = ["junk", "model"] if start else ["model"], f"OSError {tmp_path / 'model'}"
    assert json.loads(done.stdout) == [
        ["saved", ["model"], 1],
        [failed, names, 1],
        [failed, names, 1],
        ["saved", names, 1],
        ["saved", ["model"], 7],
    ]


def test_ctrl_c_at_any_moment_of_saving(tmp_path):
    x, y = small_data(20)
    model = small_model()
    path = tmp_path / "checkpoint"
    model.save_checkpoint(path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for k in range(15):
            model.train_step(x, y)
            step = model.training_state.step
            timer = threading.Timer(0.001 + 0.002 * k, signal.raise_signal, (signal.SIGINT,))
            with pytest.raises(KeyboardInterrupt):
                timer.start()
                while True:
                    model.save_checkpoint(path)
            timer.join()
            assert fn.load(path).training_state.step in (step - 1, step)
            assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]
    finally:
        signal.signal(signal.SIGINT, before)
    model.fit(x, y, verbose=0, resume=path)
    assert state_of(model)["counters"][0] > step - 2
