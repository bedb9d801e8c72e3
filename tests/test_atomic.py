"""A file is replaced whole or not at all: full disk, Ctrl-C, what killed processes left, two writers at once."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from fastnn import atomic

SMALL, LARGE = b"old" * 1000, b"new" * 100_000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(SMALL)
    return path


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def test_a_new_file_an_old_one_and_its_permissions(path):
    atomic.write(path, LARGE)
    assert path.read_bytes() == LARGE
    path.chmod(0o640)
    atomic.write(path, SMALL)
    assert path.read_bytes() == SMALL
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    new = path.with_name("new.bin")
    atomic.write(new, b"")
    assert new.read_bytes() == b""
    assert names(path) == ["file.bin", "new.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not synced there")
def test_the_file_is_synced_before_its_new_name_and_the_folder_after_it(path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace

    def note_sync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"file of {os.fstat(handle).st_size}")
        sync(handle)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("name"), replace(*names)))
    atomic.write(path, LARGE)
    assert done == [f"file of {len(LARGE)}", "name", "folder"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_leaves_the_old_file(path):
    """A write that is cut off in the middle, by a limit on the size of files."""
    program = f"""
import resource, signal, sys
from pathlib import Path
from fastnn import atomic

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
path = Path({str(path)!r})
try:
    atomic.write(path, b"new" * 100_000)
except OSError as error:
    print(type(error).__name__, error.filename == str(path))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("OSError True\n", 0), done.stderr
    assert path.read_bytes() == SMALL
    assert names(path) == ["file.bin"]


@pytest.mark.parametrize("where", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_any_failing_call_leaves_the_old_file(path, monkeypatch, where, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(type(error)):
        atomic.write(path, LARGE)
    assert path.read_bytes() == SMALL
    assert names(path) == ["file.bin"]


def test_ctrl_c_waits_for_the_end_of_a_write(path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sync = os.fsync

    def interrupted(handle):
        signal.raise_signal(signal.SIGINT)
        sync(handle)

    monkeypatch.setattr(os, "fsync", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            atomic.write(path, LARGE)
    finally:
        signal.signal(signal.SIGINT, before)
    assert path.read_bytes() == LARGE
    assert names(path) == ["file.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs locks")
def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(path):
    program = f"""
import os, signal, sys
from pathlib import Path
from fastnn import atomic

def stop(_):
    print("writing", flush=True)
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.readline()

os.fsync = stop
atomic.write(Path({str(path)!r}), b"third")
"""
    command = [sys.executable, "-c", program]
    subprocess.run([*command, "die"], check=False, capture_output=True)
    assert len(names(path)) == 2
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living:
        living.stdout.readline()
        assert len(names(path)) == 2  # the dead one's is gone, the living one's is there
        atomic.write(path, LARGE)
        assert path.read_bytes() == LARGE
        assert len(names(path)) == 2
        living.communicate("go\n")
    assert living.returncode == 0
    assert path.read_bytes() == b"third"
    assert names(path) == ["file.bin"]


def test_threads_that_write_one_file_leave_one_of_theirs(path):
    failed = []

    def work(value):
        try:
            for _ in range(20):
                atomic.write(path, value)
        except BaseException as error:
            failed.append(error)

    contents = [bytes([k]) * 50_000 for k in range(4)]
    running = [threading.Thread(target=work, args=(value,)) for value in contents]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []
    assert path.read_bytes() in contents
    assert names(path) == ["file.bin"]


@pytest.mark.parametrize("where", ["no/such/file", ".", "file.bin/below"])
def test_where_nothing_can_be_written(path, where):
    target = path.parent / where
    for call in (atomic.check_writable, lambda p: atomic.write(p, b"x")):
        with pytest.raises(OSError) as raised:
            call(target)
        assert raised.value.filename == str(target)
    assert names(path) == ["file.bin"]
