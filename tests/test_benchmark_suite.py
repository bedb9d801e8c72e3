"""The benchmarks of kernels run under pytest-benchmark, and two runs can be compared."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from cases import CASES

import compare

ROOT = Path(__file__).resolve().parent.parent


def suite(*options):
    """Run the suite in a process of its own, which is not one of those that the tests share."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "benchmarks", "-q", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def row(group, side, fastest, iqr=0.0):
    return {"group": group, "extra_info": {"side": side}, "stats": {"min": fastest, "iqr": iqr}}


def written(path, times):
    rows = [row(group, side, *stats) for group, sides in times.items() for side, stats in sides.items()]
    path.write_text(json.dumps({"benchmarks": rows}))
    return str(path)


def run(tmp_path, old, new, *options):
    paths = written(tmp_path / "old.json", old), written(tmp_path / "new.json", new)
    return compare.main([*paths, *options])


def pair(compiled, numpy, iqr=0.0):
    return {"compiled": (compiled, iqr * compiled), "numpy": (numpy, iqr * numpy)}


def test_a_machine_that_is_slower_for_both_sides_is_no_regression(tmp_path, capsys):
    assert run(tmp_path, {"a": pair(1.0, 50.0)}, {"a": pair(3.0, 150.0)}) == 0
    assert "1 kernels and shapes, 0 slower" in capsys.readouterr().out


def test_a_kernel_that_is_slower_than_before_is(tmp_path, capsys):
    assert run(tmp_path, {"a": pair(1.0, 50.0), "b": pair(1, 2)}, {"a": pair(1.3, 50.0), "b": pair(1, 2)}) == 1
    out = capsys.readouterr().out
    assert "+30%     10% a SLOWER" in out
    assert " b" not in out.splitlines()[1]


def test_a_faster_one_is_not(tmp_path, capsys):
    assert run(tmp_path, {"a": pair(1.3, 50.0)}, {"a": pair(1.0, 50.0)}) == 0
    assert "a faster" in capsys.readouterr().out


def test_the_noise_of_the_rounds_widens_the_limit(tmp_path):
    assert run(tmp_path, {"a": pair(1.0, 50.0, iqr=0.3)}, {"a": pair(1.3, 50.0, iqr=0.3)}) == 0
    assert run(tmp_path, {"a": pair(1.0, 50.0, iqr=0.3)}, {"a": pair(3.0, 50.0, iqr=0.3)}) == 1


def test_the_tolerance_is_the_least_limit(tmp_path):
    old, new = {"a": pair(1.0, 50.0)}, {"a": pair(1.3, 50.0)}
    assert run(tmp_path, old, new, "--tolerance", "0.4") == 0


@pytest.mark.parametrize(
    ("old", "new", "status", "word"),
    [
        ((1.0, 2.0, 1.1), (2.1, 1.9, 2.0), 0, "0 slower"),  # one of the old runs was as slow
        ((1.0, 1.1, 1.05), (1.6, 1.5, 1.55), 1, "a SLOWER"),
        ((1.0, 1.1, 1.05), (1.6, 1.15, 1.55), 0, "0 slower"),  # one of the new ones is as fast
        ((1.6, 1.5, 1.55), (1.0, 1.1, 1.05), 0, "a faster"),
    ],
)
def test_of_several_runs_the_nearest_count(tmp_path, capsys, old, new, status, word):
    for name, values in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        for k, value in enumerate(values):
            written(tmp_path / name / f"{k}.json", {"a": pair(value, 50.0)})
    assert compare.main([str(tmp_path / "old"), str(tmp_path / "new")]) == status
    out = capsys.readouterr().out
    assert word in out
    assert ("SLOWER" in out) == bool(status)


def test_a_folder_without_files_is_refused(tmp_path, capsys):
    assert compare.main([str(tmp_path), str(tmp_path)]) == 2
    assert "the folder has no file" in capsys.readouterr().err


def test_rows_of_one_file_alone_are_named(tmp_path, capsys):
    old, new = {"a": pair(1, 2), "gone": pair(1, 2)}, {"a": pair(1, 2), "fresh": pair(1, 2)}
    assert run(tmp_path, old, new) == 0
    out = capsys.readouterr().out
    assert "Only in the old file: gone." in out
    assert "Only in the new file: fresh." in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ("[]", "no file of pytest-benchmark"),
        ('{"benchmarks": [{"group": "a"}]}', "none of test_speed.py: KeyError"),
        ('{"benchmarks": []}', "no kernel and shape in common"),
    ],
)
def test_files_that_cannot_be_compared(tmp_path, capsys, text, message):
    old = tmp_path / "old.json"
    if text is not None:
        old.write_text(text)
    assert compare.main([str(old), written(tmp_path / "new.json", {"a": pair(1, 2)})]) == 2
    assert message in capsys.readouterr().err


def test_the_suite_writes_what_compare_reads(tmp_path):
    path = tmp_path / "new.json"
    suite("-k", "softmax_cross_entropy and 32x10", f"--benchmark-json={path}")
    assert compare.main([str(path), str(path)]) == 0
    (name,) = compare.ratios(compare.read(path))
    assert name == "softmax_cross_entropy (32x10)"


def test_the_suite_has_every_public_kernel():
    listed = suite("--collect-only")
    for kernel in {case.kernel for case in CASES}:
        assert f"test_speed[{kernel}" in listed
