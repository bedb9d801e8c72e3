"""The command line: results, exit codes, errors of one line, files written whole or not at all."""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnn import jsonfile
from fastnn.cli import main

RUN = [sys.executable, "-m", "fastnn"]
UNBUFFERED = {**os.environ, "PYTHONUNBUFFERED": "1"}


def run(*arguments, **options):
    options = {"capture_output": True, "text": True, "check": False, "timeout": 300} | options
    return subprocess.run([*RUN, *arguments], **options)


def error_of(capsys, *arguments):
    """Run in this process; give the one line on stderr, without its prefix."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("fastnn: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def tiny(tmp_path):
    """A file of 40 images of two classes, dark above or dark below."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.random((40, 8, 8), dtype=np.float32)
    x[y == 0, :4] += 1
    x[y == 1, 4:] += 1
    path = tmp_path / "tiny.npz"
    np.savez(path, x=x, y=y)
    return path


def test_train_alone_learns_the_digits(tmp_path):
    path = tmp_path / "result.json"
    done = run("train", "--json", str(path))
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    words = done.stdout.splitlines()[-1].split()
    assert words[:2] == ["test", "accuracy"]
    assert float(words[2]) >= 0.97
    result = json.loads(path.read_text())
    assert set(result) == {"config", "history", "test", "images_per_second", "compile_seconds"}
    assert result["test"]["accuracy"] == pytest.approx(float(words[2]), abs=5e-5)
    assert result["config"]["model"] == "small_cnn"
    assert result["config"]["input_shape"] == [1, 8, 8]
    assert len(result["history"]["loss"]) == result["config"]["epochs"]
    assert result["history"]["loss"][-1] < result["history"]["loss"][0]
    assert result["images_per_second"] > 0
    assert result["compile_seconds"] >= 0
    assert list(tmp_path.iterdir()) == [path]


def test_both_backends_train_alike(tiny, tmp_path):
    history = {}
    for backend in ("compiled", "reference"):
        path = tmp_path / f"{backend}.json"
        options = ["--epochs", "3", "--batch-size", "full", "--optimizer", "momentum", "--threads", "1"]
        done = run("train", "--data", str(tiny), "--backend", backend, "--json", str(path), *options)
        assert done.returncode == 0, done.stderr
        result = json.loads(path.read_text())
        assert result["config"] | {"backend": backend, "batch_size": "full", "threads": 1} == result["config"]
        history[backend] = result["history"]["loss"]
    np.testing.assert_allclose(history["compiled"], history["reference"], rtol=1e-4)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for one process")
def test_interrupted_training_ends_with_130_and_one_line():
    command = [*RUN, "train", "--epochs", "1000000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Shells start what runs in the background with SIGINT ignored, and children inherit that.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, env=UNBUFFERED, preexec_fn=listen, **pipes) as process:
        try:
            assert any("loss" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            stderr = process.stderr.read()
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert stderr.splitlines()[-1] == "fastnn: interrupted"
    assert "Traceback" not in stderr


def test_info_prints_and_writes_the_same_facts(tmp_path):
    path = tmp_path / "info.json"
    done = run("info", "--json", str(path))
    assert done.returncode == 0, done.stderr
    facts = json.loads(path.read_text())
    for name in ("fastnn", "numpy", "numba", "llvmlite", "python", "cpu", "isa", "threads"):
        assert str(facts[name]) in done.stdout
    assert facts["numpy"] == np.__version__
    assert facts["lanes_float32"] == 2 * facts["lanes_float64"]
    assert facts["threads"] >= 1
    assert json.loads(run("info", "--json").stdout) == facts


def test_full_disk_behind_stdout_is_one_line():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = run("info", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == f"fastnn: error: {os.strerror(28)}\n"


def test_help_and_wrong_arguments_do_not_wait_for_numba():
    program = """
import sys
from fastnn.cli import main
for line in ("--help", "train --help", "train --model x", "train --data missing.npz"):
    try:
        main(line.split())
    except SystemExit:
        pass
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "{train,evaluate,predict,"),
        (["fly"], "fly"),
        (["train", "--model", "resnet"], "'resnet'"),
        (["train", "--data", "cats"], "'cats' is neither digits nor mnist nor"),
        (["train", "--epochs", "0"], "--epochs"),
        (["train", "--batch-size", "all"], "--batch-size"),
        (["train", "--lr", "nan"], "--lr"),
        (["train", "--lr", "-1"], "--lr"),
        (["train", "--threads", "two"], "--threads"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--optimizer", "lion"], "'lion'"),
        (["train", "--backend", "torch"], "'torch'"),
        (["train", "--frobnicate"], "--frobnicate"),
        (["train", "--json"], "--json"),
        (["train", "--weight-decay", "-1"], "'-1' is no number of at least 0"),
        (["train", "--validation-split", "1"], "'1' is no number from 0 to below 1"),
        (["train", "--image-size", "8x"], "--image-size"),
        (["train", "--image-size", "0"], "--image-size"),
        (["evaluate"], "MODEL"),
        (["predict", "model"], "IMAGE_OR_NPY"),
    ],
)
def test_wrong_arguments_are_one_line(capsys, arguments, text):
    assert text in error_of(capsys, *arguments)


def test_wrong_data_are_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("fastnn.datasets.folders.SYSTEM_DATA", tmp_path)
    message = error_of(capsys, "train", "--data", "mnist", "--data-dir", str(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in message
    assert "FASTNN_DATA" in message

    path = tmp_path / "data.npz"
    assert str(path) in error_of(capsys, "train", "--data", str(path))
    path.write_text("no archive\nof arrays")
    assert str(path) in error_of(capsys, "train", "--data", str(path))
    np.savez(path, x=np.zeros((10, 8, 8), np.float32), y=np.repeat([0, 10**12], 5))
    assert "label 1000000000000" in error_of(capsys, "train", "--data", str(path))


def test_a_model_that_does_not_fit_the_data_is_one_line(capsys):
    assert "at least 16" in error_of(capsys, "train", "--model", "lenet5")


@pytest.mark.parametrize("where", ["no/such/folder.json", ".", "file/below.json"])
def test_unwritable_json_is_reported_before_training(capsys, tmp_path, where):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / where)
    assert path in error_of(capsys, "train", "--epochs", "1000000", "--json", path)


def test_json_replaces_a_file_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    bad = [float("nan"), np.float32("inf")]
    jsonfile.write(path, {"x": np.float32(0.5), "n": np.int64(3), "bad": bad, "t": (1, None)})
    before = path.read_text()
    assert json.loads(before) == {"x": 0.5, "n": 3, "bad": [None, None], "t": [1, None]}

    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"a\.json"):
        jsonfile.write(path, {"x": 1})
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_json_follows_links_and_leaves_devices_alone(tmp_path):
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("no links here")
    jsonfile.check_writable(link)
    assert real.read_text() == "old"
    jsonfile.write(link, 1)
    assert link.is_symlink()
    assert real.read_text() == "1\n"
    null = Path(os.devnull)
    jsonfile.check_writable(null)
    jsonfile.write(null, 1)
    assert null.exists() and not null.is_file()
