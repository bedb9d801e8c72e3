"""The README does what it says: its Python examples run, and its commands are the ones that are checked."""

import re

import pytest
from docs_runner import ROOT, blocks

import fastnn_kernels.reference as ref

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [code for _, code in blocks(ROOT / "README.md")]


def test_there_are_examples_of_both_packages():
    assert any("import fastnn as fn" in block for block in BLOCKS)
    assert any("import fastnn_kernels as fk" in block for block in BLOCKS)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_example_runs(number):
    exec(compile(BLOCKS[number], f"README.md, example {number + 1}", "exec"), {"__name__": "example"})


def test_the_readme_starts_with_the_two_commands():
    _, first = blocks(ROOT / "README.md", "bash")[0]
    commands = [line.partition("#")[0].strip() for line in first.splitlines()]
    assert commands == ["pip install . && fastnn train", 'pip install -e ".[dev]" && pytest']


def test_the_table_of_kernels_has_every_kernel_once():
    rows = re.findall(r"^\| `(\w+)`(\*?) \| \S.* \|$", README, flags=re.MULTILINE)
    listed = [name for name, _ in rows] + [f"{name}_backward" for name, star in rows if star]
    parts = {name for name in ref.__all__ if name.endswith(("_backward_input", "_backward_weight"))}
    assert sorted(listed) == sorted(set(ref.__all__) - parts)


def test_local_links_lead_to_files():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []
