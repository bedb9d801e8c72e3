"""The speed table of the README is that of RESULTS.md."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import readme_table


def test_the_readme_has_the_figures_of_the_last_run():
    readme = readme_table.README.read_text(encoding="utf-8")
    assert readme_table.renewed(readme, readme_table.RESULTS.read_text(encoding="utf-8")) == readme


def test_a_row_has_the_ratios_to_both_libraries():
    results = "\n".join([
        "| network | batch | fastnn | ratio to the best of each | loss |",
        "| --- | --- | --- | --- | --- |",
        "| A | 32 | 1,234 | 4.50 (channels_last), 1.83 (jax scan) | 2 |",
        "| B | 8 | 99 | 2.00 (eager) | 2 |",
        "",
        "a processor, 2 threads (tbb); NumPy 2.",
    ])  # fmt: skip
    lines = readme_table.speed_table(results).splitlines()
    assert lines[2:4] == ["| A, 32 | 1,234 | 4.50 | 1.83 |", "| B, 8 | 99 | 2.00 | - |"]
    assert lines[-1] == "a processor, 2 threads (tbb); NumPy 2."


def test_what_is_no_table_and_no_readme_is_refused():
    with pytest.raises(ValueError, match=r"RESULTS\.md has no table"):
        readme_table.speed_table("nothing, 2 threads (tbb)")
    with pytest.raises(ValueError, match=r"README\.md has no lines"):
        readme_table.renewed("text", "")
