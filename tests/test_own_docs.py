"""The pages on a layer, a loss and a kernel of one's own: what they show runs, and is short."""

import numpy as np
import pytest
from docs_runner import ROOT, blocks, run_page

DOCS = ROOT / "docs"


@pytest.mark.parametrize("page", ["own_layer", "own_loss", "own_kernel"])
def test_the_first_example_has_at_most_30_lines(page):
    _, code = blocks(DOCS / f"{page}.md")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 30


def test_the_page_on_a_layer_runs():
    told = run_page(DOCS / "own_layer.md")
    model, x, y = told["model"], told["x_test"][:17], told["y_test"][:17]
    compiled = model.gradients(x, y)[1]
    model.backend = "reference"
    for name, gradient in model.gradients(x, y)[1].items():
        np.testing.assert_allclose(compiled[name], gradient, rtol=1e-3, atol=1e-5)


def test_the_page_on_a_loss_runs():
    told = run_page(DOCS / "own_loss.md")
    d = np.linspace(-3, 3, 6)[:, None]
    assert told["log_cosh"](d, np.zeros((6, 1)))[0] == pytest.approx(np.log(np.cosh(d)).mean())


def test_the_page_on_a_kernel_runs(capsys):
    told = run_page(DOCS / "own_kernel.md")
    rows = {row.name: row for row in told["profile"].rows}
    assert list(rows) == ["loops", "NumPy", "Numba", "fastnn"]
    assert rows["Numba"].speed_up > 10 and rows["fastnn"].speed_up > 10
    assert "profile.compare: 'wrong' differs by" in capsys.readouterr().out


def test_a_page_runs_in_one_namespace_with_its_own_line_numbers(tmp_path):
    page = tmp_path / "page.md"
    first, second = "```python\na = 1\n```\n", "```python\nb = a + 1\nraise ValueError\n```\n"
    page.write_text(f"# Title\n\n{first}text\n```bash\nexit\n```\n{second}")
    with pytest.raises(ValueError) as raised:
        run_page(page)
    assert raised.traceback[-1].lineno + 1 == 12
    assert blocks(page, "bash") == [(8, "exit\n")]
    (tmp_path / "empty.md").write_text("nothing")
    with pytest.raises(AssertionError, match="no Python block"):
        run_page(tmp_path / "empty.md")
