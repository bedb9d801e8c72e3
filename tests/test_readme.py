"""The README does what it says: its Python examples run, and its commands are the ones that are checked."""

import re

from docs_runner import ROOT, blocks, run_page

import fastnn_kernels.reference as ref

PAGE = ROOT / "README.md"
README = PAGE.read_text(encoding="utf-8")


def test_there_are_examples_of_both_packages():
    code = [block for _, block in blocks(PAGE)]
    assert any("import fastnn as fn" in block for block in code)
    assert any("import fastnn_kernels as fk" in block for block in code)


def test_python_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_page(PAGE)
    assert names["again"].evaluate(names["x_test"], names["y_test"])["accuracy"] > 0.9


def test_the_readme_starts_with_the_two_commands():
    first = re.search(r"^```bash\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    commands = [line.partition("#")[0].strip() for line in first[1].splitlines()]
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
