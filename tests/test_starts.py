"""The benchmark of starts measures to the first step, cold then warm, and the memory of the whole process."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import results
import starts

CONFIG = {"cpu": "a processor", "isa": "avx2"}
# Counts the processes that the folder of kernels has seen; the time behind the first step must not count.
SCRIPT = f"""
import json, os, sys, time
folder = os.environ.get("NUMBA_CACHE_DIR")
files = os.listdir(folder) if folder else []
if folder:
    open(os.path.join(folder, str(len(files))), "w").close()
print("first step", flush=True)
time.sleep(0.5)
peak = {{"fastnn": 100 if files else 150, "torch": 200}}[sys.argv[1]]
print(json.dumps({{"peak_megabytes": peak, "config": {CONFIG}, "files": len(files)}}))
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setattr(starts, "SCRIPT", path)
    return path


def test_a_round_is_cold_then_warm(script):
    done = starts.one_round(1, with_torch=True)
    assert [done[kind]["files"] for kind in ("cold", "warm")] == [0, 1]
    assert starts.one_round(1, with_torch=False)["cold"]["files"] == 0
    assert all(0 < run["seconds"] < 0.5 for run in done.values())
    row = starts.summary([done])
    assert row["figures"]["peak_megabytes"] == {"cold": 150, "warm": 100, "PyTorch": 200}
    assert row["ratios"]["peak_megabytes"] == {"cold": 0.75, "warm": 0.5}


def test_table_and_files(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(results, "JSON", tmp_path / "results.json")
    monkeypatch.setattr(results, "MARKDOWN", tmp_path / "RESULTS.md")
    words = ["--rounds", "1", "--threads", "1", "--json", str(tmp_path / "starts.json"), "--record"]
    assert starts.main(words) == 0
    text = capsys.readouterr().out
    assert "| most memory of the process, MB | 150 | 100 |" in text
    assert text.splitlines()[-1] == "`python benchmarks/starts.py --rounds 1 --threads 1`"
    assert "a processor, avx2, 1 threads; Python" in text
    assert len(json.loads((tmp_path / "starts.json").read_text(encoding="utf-8"))) == 1
    assert "| 150 | 100 |" in results.MARKDOWN.read_text(encoding="utf-8")


def test_medians_are_those_of_rounds():
    def run(seconds):
        return {"seconds": seconds, "peak_megabytes": None}

    rounds = [{"cold": run(9), "warm": run(w), "PyTorch": run(p)} for w, p in ((1, 2), (4, 2), (2, 8))]
    row = starts.summary(rounds)
    assert row["figures"] == {"seconds": {"cold": 9, "warm": 2, "PyTorch": 2}}
    assert row["ratios"]["seconds"]["warm"] == 0.5  # of 0.5, 2 and 0.25


def test_a_process_that_fails_stops_it(script):
    script.write_text("raise RuntimeError('out of order')", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"fastnn process failed:\n(.|\n)*out of order"):
        starts.start("fastnn", 1)


def test_a_real_start():
    done = starts.start("fastnn", 1)
    assert 0.1 < done["seconds"]
    assert 50 < done["peak_megabytes"] < 2000
    assert done["config"]["threads"] == 1
