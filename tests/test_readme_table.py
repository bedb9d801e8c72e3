"""The figures that are kept are those of RESULTS.md and of the README."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import readme_table
import results

ROW = {"net": "lenet5", "batch": 32, "fastnn": 1234.4, "peers": {"eager": 300.0}, "errors": {}, "conditions": "here",
       "command": "python", "share_of_peak": 0.5, "fma_peak_gflops": 100.0, "first_loss": 2.0, "last_loss": 1.0,
       "ratios": {"channels_last": 4.5, "jax scan": 1.834}, "difference": None}  # fmt: skip
START = {"figures": {"seconds": {"cold": 12.0, "warm": 0.71, "PyTorch": 1.52}}, "ratios": {
         "peak_megabytes": {"cold": 0.8, "warm": 0.44}}, "conditions": "here", "command": "python"}  # fmt: skip


def test_the_files_have_the_figures_that_are_kept():
    readme = readme_table.README.read_text(encoding="utf-8")
    assert readme_table.renewed(readme, results.kept()) == readme
    assert results.markdown(results.kept()) == results.MARKDOWN.read_text(encoding="utf-8")


def test_tables_of_both_kinds_and_starts():
    found = {"training": [ROW], "inference": [ROW | {"batch": 1000, "ratios": {"eager": 2.0}}], "starts": [START]}
    lines = readme_table.speed_tables(found).splitlines()
    assert "| LeNet-5, 32 | 1,234 | 4.50 | 1.83 |" in lines
    assert "| LeNet-5, 1,000 | 1,234 | 2.00 | - |" in lines
    assert "done 0.7 s after the start of the process (12 s the first time" in lines[-3]
    assert lines[-3].endswith("0.44 of PyTorch's memory (0.80 the first time).")
    assert lines[-1] == "here" and lines.count("here") == 1


def test_a_run_takes_the_place_of_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "JSON", tmp_path / "results.json")
    monkeypatch.setattr(results, "MARKDOWN", tmp_path / "RESULTS.md")
    results.record("training", [ROW, ROW | {"batch": 8}])
    results.record("inference", [ROW])
    results.record("starts", [START])
    results.record("training", [ROW | {"batch": 1}, ROW | {"fastnn": 99.0}])
    kept = results.kept()
    assert [(row["batch"], row["fastnn"]) for row in kept["training"]] == [(32, 99.0), (8, 1234.4), (1, 1234.4)]
    assert kept["starts"] == json.loads(json.dumps([START]))
    text = results.MARKDOWN.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Results", "## Training", "## Inference", "## Starts and memory",
    ]  # fmt: skip
    assert "| LeNet-5 | 32 | 99 | 300 | 4.50 (channels_last), 1.83 (jax scan) | 50% of 100 GFLOP/s |" in text


def test_each_machine_has_rows_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "JSON", tmp_path / "results.json")
    monkeypatch.setattr(results, "MARKDOWN", tmp_path / "RESULTS.md")
    there = ROW | {"conditions": "there, avx2, 2 threads; Python 3", "fastnn": 77.0}
    results.record("training", [ROW])
    results.record("training", [there | {"fastnn": 1.0}])
    results.record("training", [there])
    results.record("starts", [START])
    kept = results.kept()
    assert [row["fastnn"] for row in kept["training"]] == [1234.4, 77.0]
    lines = [line for line in readme_table.speed_tables(kept).splitlines() if line and not line.startswith("|")]
    assert lines[0].startswith("The first training step")
    assert lines[1:] == ["here", there["conditions"]]


def test_no_rows_and_no_marks_are_refused():
    with pytest.raises(ValueError, match=r"results\.json has no rows"):
        readme_table.speed_tables({"training": [], "inference": [], "starts": []})
    with pytest.raises(ValueError, match=r"README\.md has no lines"):
        readme_table.renewed("text", {"training": [ROW], "inference": [], "starts": []})
