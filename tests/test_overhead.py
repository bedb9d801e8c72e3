"""The benchmark of what an epoch costs outside compiled code measures what it says."""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import fastnn as fn
import nets
import overhead
from fastnn_kernels import _threads


def test_its_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(nets.NETS, "tiny", nets.Net("Tiny", (1, 4, 4), (nets.Dense(10),)))
    launch, threads = _threads.launch, fn.get_num_threads()
    words = ["--net", "tiny", "--images", "70", "--epochs", "2", "--json", str(tmp_path / "o.json"), "--threads", "1"]
    try:
        assert overhead.main(words) == 0
        (found,) = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
        assert 0 < found["compiled_seconds"] < found["epoch_seconds"] < 10
        assert 0 < found["share_outside"] < 1
        assert 1 <= found["calls"] <= 3
        assert "| Tiny | 32 | 70 |" in capsys.readouterr().out
        assert overhead.main([*words, "--limit", "0"]) == 1
    finally:
        fn.set_num_threads(threads)
    assert _threads.launch is launch


def test_what_counts_as_outside(monkeypatch):
    monkeypatch.setattr(_threads, "launch", lambda seconds: time.sleep(seconds))
    clock = overhead.Clock()
    with clock:
        clock.on_train_begin({})
        _threads.launch(0.2)
        time.sleep(0.1)
        clock.on_epoch_end(0, {})
    ((seconds, inside, cpu_outside, calls),) = clock.epochs
    assert 0.2 <= inside <= seconds - 0.1 and calls == 1
    assert cpu_outside == pytest.approx(0, abs=0.05)
