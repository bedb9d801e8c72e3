"""Functions side by side: results compared first, figures that belong together."""

import csv
import io
import json

import numpy as np
import pytest

import fastnn_kernels as fk
from fastnn import profile
from fastnn.profile import machine

QUICK = {"rounds": 2, "seconds": 0.0}


@pytest.fixture(autouse=True)
def known_peaks(monkeypatch):
    monkeypatch.setattr(machine, "limits", lambda threads: {"gflops": 100.0, "gbytes": 10.0})


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `wait` moves."""
    now = [0.0]
    monkeypatch.setattr("fastnn.profile.timing.time.perf_counter", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def test_figures_follow_from_times(clock):
    def after(seconds):
        return lambda x: (clock(seconds), x + 1)[1]

    x = np.arange(4.0)
    found = profile.compare({"slow": after(1.0), "fast": after(0.125)}, x, flops=10**9, bytes=25 * 10**7, **QUICK)
    slow, fast = found.rows
    assert (slow.name, slow.seconds, slow.spread, slow.speed_up) == ("slow", 1.0, 0.0, 1.0)
    assert (fast.seconds, fast.speed_up) == (0.125, 8.0)
    assert (fast.gflops, fast.gbytes, fast.share_of_peak, fast.share_of_bandwidth) == (8.0, 2.0, 0.08, 0.2)
    assert found.threads == fk.get_num_threads()
    lines = str(found).splitlines()
    assert lines[0].split() == "function a call +- as fast GFLOP/s of peak GB/s of memory".split()
    assert lines[3].split() == "fast 125ms 0% 8.0x 8.0 8% 2.0 20%".split()
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    assert found.to_dict()["functions"][1]["speed_up"] == 8.0
    assert [row["seconds"] for row in csv.DictReader(io.StringIO(found.to_csv()))] == ["1.0", "0.125"]


def test_without_flops_and_bytes_there_are_times_alone():
    found = profile.compare({"a": np.negative}, np.ones(3), **QUICK)
    assert found.rows[0].gflops is None and found.rows[0].share_of_bandwidth is None and found.peaks == {}
    assert "GFLOP/s" not in str(found)


def test_functions_that_change_their_arguments_start_from_the_same():
    def add(x):
        x += 1

    def loop(x):
        for k in range(len(x)):
            x[k] += 1

    x = np.zeros(3)
    assert len(profile.compare({"loop": loop, "add": add}, x, **QUICK).rows) == 2
    assert not x.any()
    with pytest.raises(RuntimeError, match="'twice' differs by 1 of 1"):
        profile.compare({"loop": loop, "twice": lambda x: (add(x), add(x))[0]}, x, **QUICK)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda x: x + 1e-3, "'wrong' differs by 0.001 of 3; nothing is timed"),
        (lambda x: x[1:], r"'wrong' gives a result of shape \(3,\), needed is \(4,\)"),
        (lambda x: (x, x), "'wrong' gives 2 results, needed are 1"),
        (lambda x: x * np.nan, "'wrong' differs by nan"),
    ],
)
def test_results_that_differ_stop_it(wrong, text):
    x = np.arange(4.0)
    with pytest.raises(RuntimeError, match=text):
        profile.compare({"right": np.copy, "wrong": wrong}, x, **QUICK)
    assert len(profile.compare({"right": np.copy, "near": lambda x: x + 1e-3}, x, tolerance=1e-3, **QUICK).rows) == 2


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"functions": {}}, ValueError, "functions is empty"),
        ({"flops": -1}, ValueError, "flops is -1"),
        ({"bytes": 1.5}, TypeError, "bytes is 1.5"),
        ({"rounds": 1}, ValueError, "rounds is 1, at least 2"),
        ({"seconds": "1"}, TypeError, "seconds is '1'"),
        ({"tolerance": -1.0}, ValueError, "tolerance is -1.0"),
    ],
)
def test_refusals(options, error, text):
    options = {"functions": {"a": np.copy}} | options
    with pytest.raises(error, match=text):
        profile.compare(options.pop("functions"), np.ones(1), **options)
