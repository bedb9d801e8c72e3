"""The pages of the course do what they say: their code runs, and draws the pictures that they show."""

import re

import pytest
from docs_runner import ROOT, run_page

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("[0-9]*.md"))
LINKS = re.compile(r"\]\(([^)#]+)\)")


def name_of(page):
    return page.stem


def test_the_index_names_every_page_in_order():
    listed = LINKS.findall((DOCS / "README.md").read_text(encoding="utf-8"))
    assert [name for name in listed if name[0].isdigit()] == [page.name for page in PAGES]
    assert len(PAGES) == 16


@pytest.mark.parametrize("page", [*PAGES, DOCS / "README.md"], ids=name_of)
def test_links_lead_to_files(page):
    links = [link for link in LINKS.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (DOCS / link).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_code_runs_and_draws_what_the_page_shows(page, tmp_path, monkeypatch):
    shown = re.findall(r"!\[.+?\]\(pictures/(.+?)\)", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if shown:
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("svg")
    monkeypatch.chdir(tmp_path)
    run_page(page)
    assert [path.name for path in tmp_path.iterdir()] == shown
    if shown:
        matplotlib.pyplot.close("all")
